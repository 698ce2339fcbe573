"""`digitflow correct` and `digitflow corrections`: what people say of predictions."""

from pathlib import Path
from typing import Annotated, Any

import typer

from digitflow.cli.options import AsJson, Debug, print_result

app = typer.Typer()


@app.command()
def correct(
    picture: Annotated[
        str, typer.Argument(help="A picture's file, or its digest (`predict --json`).")
    ],
    digits: Annotated[str, typer.Argument(help="What it shows, in reading order: 4213.")],
    one: Annotated[
        bool, typer.Option("--one", help="The picture holds one digit; else they are found.")
    ] = False,
    who: Annotated[str, typer.Option(help="Who says so; else user@host.")] = "",
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Say what a picture really shows; the next training learns from it, or is judged by it."""
    from digitflow.predict.correcting import correct_file, correct_picture
    from digitflow.store.artifacts import open_store
    from digitflow.store.runs import name_user

    store, name = open_store(), who or name_user()
    if Path(picture).exists():
        kept = correct_file(store, Path(picture), digits, name, one)
    else:
        kept = [correct_picture(store, picture, digits, name)]
    print_result([row.model_dump() for row in kept], as_json, _print_kept)


@app.command()
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
        use = "will be learnt from" if row["role"] == "training" else "will judge models"
        typer.echo(f"{row['picture'][:12]}  is a {row['digit']}, says {row['who']}: it {use}")


def _print_corrections(found: dict[str, Any]) -> None:
    rows, conflicts = found["corrections"], found["conflicts"]
    for row in rows:
        held = "held back: people disagree" if row["picture"] in conflicts else row["role"]
        typer.echo(
            f"{row['at']}  {row['picture'][:12]}  {row['digit']}  {held}  by {row['who']}"
            f"  from {row['source']}"
        )
    typer.echo(
        f"{len(rows)} corrections; {len(conflicts)} pictures held back, of which people say "
        "different digits"
        if rows
        else "no corrections yet: `digitflow correct PICTURE DIGITS` adds one"
    )
