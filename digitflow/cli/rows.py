"""What `digitflow predict` prints of rows of a table, and what `correct` is told of them."""

from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from digitflow.cli.options import print_error
from digitflow.cli.results import Form, Progress, find_all, write_csv, write_json
from digitflow.errors import InputError
from digitflow.formatting import format_share, format_value

if TYPE_CHECKING:
    from digitflow.feedback.corrections import Correction
    from digitflow.feedback.predictions import PredictionLog
    from digitflow.predict.predictions import Unread
    from digitflow.predict.rows import RowPrediction
    from digitflow.registry.versions import Champion
    from digitflow.store.artifacts import Store


def predict_rows(
    store: "Store", model: str, names: Sequence[str], form: Form, log: "PredictionLog | None"
) -> bool:
    """Print what a champion predicts for rows; return whether it could for every one."""
    from digitflow.data.tables.files import SUFFIXES
    from digitflow.predict.rows import CSV_COLUMNS, RowPredictor, list_table_row

    files, missing = find_all(names, SUFFIXES)
    predictor = RowPredictor.load(store, model, log)
    progress = Progress(len(files))
    found = predictor.read_files(progress.count(files))
    results = progress.clear_before(chain(missing, found))
    if form == "json":
        return write_json(result.model_dump(exclude_none=True) for result in results)
    if form == "csv":
        return write_csv(map(list_table_row, results), CSV_COLUMNS)
    return _write_text(results, predictor.champion)


def tell_rows(
    store: "Store", champion: "Champion", rows: str, said: str | None, who: str
) -> "tuple[list[Correction], list[Unread]]":
    """Keep what a row is worth, by its digest, or the rows of a file; and say what can't be."""
    from digitflow.predict.correcting_rows import correct_row, correct_rows

    if rows == "-" or Path(rows).exists():
        if said is not None:
            raise InputError(
                f"{rows} says itself what its rows are, in the column of the target: leave out "
                f"{said!r}"
            )
        return correct_rows(store, champion, Path(rows), who)
    if said is None:
        raise InputError(f"there is no file {rows}; of a row say its digest and its true value")
    return [correct_row(store, champion, rows, said, who)], []


def _write_text(results: "Iterable[RowPrediction | Unread]", champion: "Champion") -> bool:
    typer.echo(f"model: {champion.name}, version {champion.version}")
    table, intervals, is_whole = champion.bundle.table, champion.bundle.intervals, True
    if table is not None and table.generated:
        typer.echo("it learnt from invented rows: what it predicts holds of no real ones")
    if intervals is not None:
        typer.echo(f"in brackets: {format_share(intervals.coverage)} of true values are within")
    for result in results:
        if hasattr(result, "error"):
            is_whole = False
            print_error(result.error)
        else:
            typer.echo(describe_row(result))
    return is_whole


def describe_row(row: "RowPrediction") -> str:
    """Return the line that tells what is predicted for a row."""
    named = f"{row.file}, row {row.index}: {row.target}"
    if isinstance(row.value, str):
        return f"{named} {row.value} ({format_share(row.probability or 0)})"
    said = f"{named} {format_value(row.value, row.unit)}"
    if row.interval is None:
        return said
    low, high = map(format_value, row.interval)
    return f"{said} ({low} to {high})"
