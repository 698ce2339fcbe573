"""`digitflow predict`, `correct` and `corrections`: what models are asked, and told."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from digitflow.cli.options import AsJson, Debug, ModelName, print_error, print_result
from digitflow.cli.pictures import correct_digits, predict_pictures
from digitflow.cli.results import Form
from digitflow.cli.rows import predict_rows, tell_rows
from digitflow.errors import InputError
from digitflow.formatting import format_count


def predict(
    files: Annotated[
        list[str],
        typer.Argument(help="Pictures or tables, folders or patterns; - is standard input."),
    ],
    one: Annotated[
        bool, typer.Option("--one", help="Each picture holds one digit (default: find them).")
    ] = False,
    model: Annotated[
        str | None,
        typer.Option(help="Registered model (default: digits, else digits-sample)."),
    ] = None,
    no_log: Annotated[
        bool, typer.Option("--no-log", help="Keep nothing for the monitor and corrections.")
    ] = False,
    turn: Annotated[
        Literal["no", "auto"],
        typer.Option(help="Turn a page that lies upside down or on its side (auto)."),
    ] = "no",
    show: Annotated[
        Path | None,
        typer.Option(help="Write the picture here with what was read and passed over."),
    ] = None,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print a table, one row a digit or a row.")
    ] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Read the digits in each picture with the champion, or predict each row of a table."""
    from digitflow.feedback.predictions import PredictionLog
    from digitflow.registry.history import find_champion
    from digitflow.store.artifacts import open_store

    if as_json and as_csv:
        raise InputError("--json and --csv are two forms of the same output: choose one")
    form: Form = "json" if as_json else "csv" if as_csv else "text"
    store = open_store()
    champion = find_champion(store, model)
    kept = None if no_log else PredictionLog(store, strict=False)
    if champion.bundle.table is None:
        is_whole = predict_pictures(store, champion.name, files, form, kept, one, turn, show)
    else:
        given = {"--one": one, "--turn": turn != "no", "--show": show is not None}
        require_pictures(champion.name, [name for name, is_given in given.items() if is_given])
        is_whole = predict_rows(store, champion.name, files, form, kept)
    if kept is not None:
        kept.flush()
        if kept.failure is not None:
            warning = f"digitflow: warning: the predictions are not kept: {kept.failure}"
            typer.echo(warning, err=True)
    if not is_whole:
        raise typer.Exit(InputError.exit_code)


def require_pictures(model: str, options: Sequence[str]) -> None:
    """Refuse options that are about pictures only.

    Raises
    ------
    InputError
        If there are any.
    """
    if options:
        raise InputError(
            f"{', '.join(options)}: only of pictures, and {model} takes rows of a table"
        )


def correct(
    sample: Annotated[
        str,
        typer.Argument(help="A picture's or table's file, or a digest (`predict --json`)."),
    ],
    said: Annotated[
        str | None,
        typer.Argument(help="What it shows, in reading order: 4213; a row's true value."),
    ] = None,
    one: Annotated[
        bool, typer.Option("--one", help="The picture holds one digit (default: find them).")
    ] = False,
    turn: Annotated[
        Literal["no", "auto"],
        typer.Option(help="Turn the picture as `predict --turn auto` did (auto)."),
    ] = "no",
    who: Annotated[str, typer.Option(help="Who says so (default: user@host).")] = "",
    model: ModelName = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Say what a picture or row really is; the next training uses it, or the gate.

    A table's file has the target among its columns.
    """
    from digitflow.registry.history import find_champion
    from digitflow.store.artifacts import open_store
    from digitflow.store.runs import name_user

    store, name = open_store(), who or name_user()
    champion = None if model is None else find_champion(store, model)
    if champion is None or champion.bundle.table is None:
        kept = correct_digits(store, sample, said, name, one, turn)
        print_result([row.model_dump() for row in kept], as_json, _print_kept)
        return
    given = {"--one": one, "--turn": turn != "no"}
    require_pictures(champion.name, [name for name, is_given in given.items() if is_given])
    kept, refused = tell_rows(store, champion, sample, said, name)
    for row in refused:
        print_error(row.error)
    print_result([row.model_dump() for row in kept], as_json, _print_kept)
    if refused:
        raise typer.Exit(InputError.exit_code)


def corrections(
    model: Annotated[str | None, typer.Option(help="Only what this model learns from.")] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """List what people said of pictures and rows, and where they disagree."""
    from digitflow.feedback.corrections import find_scope, list_conflicts, list_corrections
    from digitflow.registry.history import find_champion
    from digitflow.store.artifacts import open_store

    store, scope = open_store(), None
    if model is not None:
        scope = find_scope(model, find_champion(store, model).bundle.workload)
    found = {
        "corrections": [row.model_dump() for row in list_corrections(store, scope)],
        "conflicts": {
            digest: [row.model_dump() for row in said]
            for digest, said in list_conflicts(store, scope).items()
        },
    }
    print_result(found, as_json, _print_corrections)


def _print_kept(kept: list[dict[str, Any]]) -> None:
    for row in kept:
        use = "training" if row["role"] == "training" else "the gate"
        typer.echo(
            f"{row['sample'][:12]}  is {row['target']}, says {row['who']}: used for {use}"
        )


def _print_corrections(found: dict[str, Any]) -> None:
    rows, conflicts = found["corrections"], found["conflicts"]
    for row in rows:
        held = "held back: people disagree" if row["sample"] in conflicts else row["role"]
        typer.echo(
            f"{row['at']}  {row['sample'][:12]}  {row['target']}  {held}  by {row['who']}"
            f"  from {row['source']}"
        )
    held_back = f"{len(conflicts)} held back because people disagree"
    typer.echo(
        f"{format_count(len(rows), 'correction')}; {held_back}"
        if rows
        else "no corrections yet: `digitflow correct PICTURE DIGITS` adds one"
    )
