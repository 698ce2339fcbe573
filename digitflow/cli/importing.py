"""`digitflow import`: what is understood of data before anything is trained on them."""

from pathlib import Path
from typing import Annotated

import typer

from digitflow.cli.options import AsJson, Debug, print_result
from digitflow.errors import InputError


def import_source(
    source: Annotated[
        str,
        typer.Argument(
            help="A file, a folder, a config, or builtin, mnist, pen.", metavar="SOURCE"
        ),
    ],
    write: Annotated[
        Path | None,
        typer.Option(help="Write the section `source` into this config, which may be new."),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace the section that the config has.")
    ] = False,
    picture: Annotated[
        Path | None,
        typer.Option(help="Write samples and the mean image of each digit as a PNG."),
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show what is understood of data before anything is trained; write a config's section."""
    from digitflow.cli.understood import describe_understood, print_understood, write_picture
    from digitflow.config.writing import write_source
    from digitflow.data.importing import find_source, understand

    if picture is not None and picture.suffix.lower() != ".png":
        raise InputError(f"--picture takes a file that ends in .png, got {picture}")
    found = understand(find_source(source))
    if picture is not None:
        write_picture(found, picture)
    if write is not None:
        write_source(write, found.source, Path(source).stem, replace)
    print_result(describe_understood(found), as_json, lambda _: print_understood(found))
    if not as_json:
        _print_next(found.stops, write, picture)


def _print_next(stops: str | None, write: Path | None, picture: Path | None) -> None:
    typer.echo()
    if picture is not None:
        typer.echo(f"Samples and mean images: {picture}")
    if stops is not None:
        typer.echo(f"A run would stop: {stops}")
    if write is None:
        typer.echo("--write FILE writes this section into a config.")
    elif stops is not None:
        typer.echo(f"Written into {write}.")
    else:
        typer.echo(f"Written into {write}. Next: digitflow train --config {write}")
