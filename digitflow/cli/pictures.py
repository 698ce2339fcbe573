"""`digitflow predict`, `correct` and `corrections`: pictures, and what people say of them.

What was read is printed without rich: it takes longer to import than a digit to read.
"""

import json
from collections.abc import Iterator, Sequence
from itertools import chain, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from digitflow.cli.options import AsJson, Debug, print_error, print_result
from digitflow.errors import DigitflowError, InputError

if TYPE_CHECKING:
    from digitflow.feedback.predictions import PredictionLog
    from digitflow.predict.predictions import Prediction, Unread
    from digitflow.registry.versions import Champion

SIGNS = {"read": "", "unsure": "?", "not a digit": "#"}

MOST_REASONS = 10


def predict(
    files: Annotated[list[Path], typer.Argument(help="Pictures; - is standard input.")],
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
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Find and read the digits in each picture with the champion, and say which model it is."""
    from digitflow.feedback.predictions import PredictionLog
    from digitflow.predict.predictor import Predictor
    from digitflow.store.artifacts import open_store

    store = open_store()
    kept = None if no_log else PredictionLog(store)
    predictor = Predictor.load(store, model, kept)
    results: list[Prediction | Unread] = []
    for place, file in enumerate(files):
        results += (read := predictor.read_file(file, one))
        if not as_json:
            _show_predictions(read, predictor.champion if place == 0 else None)
    if as_json:
        typer.echo(json.dumps([result.model_dump() for result in results], indent=2))
    if kept is not None:
        _write_log(kept)
    if any(hasattr(result, "error") for result in results):
        raise typer.Exit(InputError.exit_code)


def correct(
    picture: Annotated[
        str, typer.Argument(help="A picture's file, or its digest (`predict --json`).")
    ],
    digits: Annotated[str, typer.Argument(help="What it shows, in reading order: 4213.")],
    one: Annotated[
        bool, typer.Option("--one", help="The picture holds one digit (default: find them).")
    ] = False,
    who: Annotated[str, typer.Option(help="Who says so (default: user@host).")] = "",
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Say what a picture really shows; it is used for the next training, or by the gate."""
    from digitflow.predict.correcting import correct_file, correct_picture
    from digitflow.store.artifacts import open_store
    from digitflow.store.runs import name_user

    store, name = open_store(), who or name_user()
    if Path(picture).exists():
        kept = correct_file(store, Path(picture), digits, name, one)
    else:
        kept = [correct_picture(store, picture, digits, name)]
    print_result([row.model_dump() for row in kept], as_json, _print_kept)


def corrections(as_json: AsJson = False, debug: Debug = False) -> None:
    """List what people said of pictures, and where they disagree."""
    from digitflow.feedback.corrections import list_conflicts, list_corrections
    from digitflow.store.artifacts import open_store

    store = open_store()
    found = {
        "corrections": [row.model_dump() for row in list_corrections(store)],
        "conflicts": {
            picture: [row.model_dump() for row in said]
            for picture, said in list_conflicts(store).items()
        },
    }
    print_result(found, as_json, _print_corrections)


def _print_kept(kept: list[dict[str, Any]]) -> None:
    for row in kept:
        use = "training" if row["role"] == "training" else "the gate"
        typer.echo(
            f"{row['picture'][:12]}  is a {row['digit']}, says {row['who']}: used for {use}"
        )


def _print_corrections(found: dict[str, Any]) -> None:
    rows, conflicts = found["corrections"], found["conflicts"]
    for row in rows:
        held = "held back: people disagree" if row["picture"] in conflicts else row["role"]
        typer.echo(
            f"{row['at']}  {row['picture'][:12]}  {row['digit']}  {held}  by {row['who']}"
            f"  from {row['source']}"
        )
    typer.echo(
        f"{len(rows)} corrections; {len(conflicts)} pictures held back because people disagree"
        if rows
        else "no corrections yet: `digitflow correct PICTURE DIGITS` adds one"
    )


def _show_predictions(
    results: "Sequence[Prediction | Unread]", champion: "Champion | None"
) -> None:
    if champion is not None:
        typer.echo(f"model: {champion.name}, version {champion.version}")
    from digitflow.predict.predictions import Prediction

    for result in results:
        if not isinstance(result, Prediction):
            print_error(result.error)
            return
    for line in describe_file([each for each in results if isinstance(each, Prediction)]):
        typer.echo(line)


def _write_log(log: "PredictionLog") -> None:
    """Write what was read; that it can't be kept is no reason not to have read it."""
    try:
        log.flush()
    except DigitflowError as exc:
        typer.echo(f"digitflow: warning: the predictions are not kept: {exc}", err=True)


def describe_file(digits: "Sequence[Prediction]") -> Iterator[str]:
    """Yield the lines that tell what was read in one picture."""
    if len(digits) == 1:
        yield f"{digits[0].file}: {_describe_digit(digits[0])}"
        return
    lines = [list(line) for _, line in groupby(digits, key=lambda digit: digit.line)]
    on = "1 line" if len(lines) == 1 else f"{len(lines)} lines"
    yield f"{digits[0].file}: {len(digits)} digits on {on}{_explain_signs(digits)}"
    for line in lines:
        yield "  " + " ".join(_sign(digit) for digit in line)
    reasons = list(chain.from_iterable(_describe_reasons(line) for line in lines))
    yield from reasons[:MOST_REASONS]
    if len(reasons) > MOST_REASONS:
        yield f"  and {len(reasons) - MOST_REASONS} more unsure ones; --json shows all"


def _sign(digit: "Prediction") -> str:
    # What is no digit is not shown as one, however much it resembles it.
    shown = "" if digit.status == "not a digit" else str(digit.digit)
    return shown + SIGNS[digit.status]


def _explain_signs(digits: "Sequence[Prediction]") -> str:
    seen = {digit.status for digit in digits}
    signs = [f"{sign} {status}" for status, sign in SIGNS.items() if sign and status in seen]
    return f" ({', '.join(signs)})" if signs else ""


def _describe_reasons(line: "Sequence[Prediction]") -> Iterator[str]:
    for place, digit in enumerate(line, start=1):
        if digit.reasons and digit.box is not None:
            left, top, width, height = digit.box
            where = f"{width} x {height} at {left}, {top}"
            named = f"line {digit.line + 1}, digit {place} ({where})"
            yield f"  {named}: {_describe_digit(digit)}"


def _describe_digit(digit: "Prediction") -> str:
    others = ", ".join(f"{other} {share:.2%}" for other, share in digit.runners_up)
    chances = f"({digit.probability:.2%}; then {others})"
    if digit.status == "read":
        return f"{digit.digit} {chances}"
    return f"{digit.digit} {chances} {digit.status}: {'; '.join(digit.reasons)}"
