"""Corrections by people: what a row of a table is really worth, for training or the gate."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from digitflow.config.table import Column
from digitflow.data.facts import TableFacts
from digitflow.data.tables.files import read_frame
from digitflow.data.tables.frames import identify_rows, write_cells
from digitflow.data.tables.inspection import CheckedFrame
from digitflow.errors import InputError
from digitflow.feedback.corrections import Correction, add_targets, list_corrections
from digitflow.feedback.learning import open_rows
from digitflow.feedback.tables import Sample, find_sample, is_row, read_contents
from digitflow.images.files import name_file
from digitflow.predict.predictions import Unread
from digitflow.predict.rows import require_table
from digitflow.registry.versions import Champion
from digitflow.store.artifacts import Store


def correct_row(
    store: Store, champion: Champion, beginning: str, said: str, who: str
) -> Correction:
    """Keep the true value, or class, of a row that was predicted, named by its digest.

    Raises
    ------
    InputError
        If it is not what the champion's target column holds, or if no row, or several, begin
        so.
    """
    import pandas as pd

    table = require_table(champion)
    checked = CheckedFrame(pd.DataFrame({table.target: [said]}), _describe_target(table))
    if checked.errors:
        raise InputError(checked.errors[0])
    digest = find_sample(store, beginning)
    content = read_contents(store, [digest])[digest]
    if not is_row(content):
        raise InputError(f"{digest} is a picture, and {champion.name} takes rows of a table")
    if not open_rows([content], table)[1].all():
        raise InputError(f"{digest} is a row of another table than {champion.name} takes")
    sample = Sample(digest, content)
    add_targets(
        store, champion.name, [sample], _write_targets(checked, table), who, "its digest"
    )
    return _find_latest(store, champion.name, who)[digest]


def correct_rows(
    store: Store, champion: Champion, file: Path, who: str
) -> tuple[list[Correction], list[Unread]]:
    """Keep the true values, or classes, of the rows of a file, which has the target's column.

    Returns
    -------
    kept : list of Correction
        What somebody said last of each row that could be used.
    refused : list of Unread
        Rows that could not, and why.

    Raises
    ------
    InputError
        If the file can't be read, or lacks a column.
    """
    table, name = require_table(champion), name_file(file)
    checked = CheckedFrame(read_frame(file), {**table.columns, **_describe_target(table)})
    records = checked.to_records(table.columns)
    digests = identify_rows(records).astype(str).tolist() if len(records) else []
    samples = [Sample(*row) for row in zip(digests, write_cells(records), strict=True)]
    add_targets(store, champion.name, samples, _write_targets(checked, table), who, name)
    latest = _find_latest(store, champion.name, who) if samples else {}
    refused = [
        Unread(file=name, error=f"{name}, row {row}: {error}", index=row)
        for row, error in checked.errors.items()
    ]
    return [latest[digest] for digest in dict.fromkeys(digests)], refused


def _describe_target(table: TableFacts) -> Mapping[str, Column]:
    return {table.target: table.holds.model_copy(update={"nullable": False, "required": True})}


def _write_targets(checked: CheckedFrame, table: TableFacts) -> list[str]:
    """Return what was said as it is kept: the class, or the shortest text of the value."""
    cells: np.ndarray = checked.to_records(_describe_target(table))[table.target]
    return [str(cell) for cell in cells.tolist()]


def _find_latest(store: Store, model: str, who: str) -> dict[str, Correction]:
    return {row.sample: row for row in list_corrections(store, model) if row.who == who}
