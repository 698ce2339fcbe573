"""Tables as references: read, checked and parted rows that travel between tasks."""

import io
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from digitflow.catalogue import TABLE_SOURCES
from digitflow.config.table import AnyTable, Column, Strata, TableRules, TableShares
from digitflow.data.facts import TableFacts
from digitflow.data.quarantine import store_quarantine
from digitflow.data.sets import CheckedSets, SampleSet, Splits
from digitflow.data.tables.frames import Table, identify_rows, text_dtype
from digitflow.data.tables.splits import number_strata, split_rows
from digitflow.data.tables.validation import CheckedTable, Rows, Task, check_table
from digitflow.errors import InputError
from digitflow.store.artifacts import Store
from digitflow.store.references import ArrayRef, FileRef, Record

if TYPE_CHECKING:
    import pandas as pd


class RawTable(Record):
    """What a source gave, unchecked: its rows and its own test rows, Parquet.

    `generated` tells rows that are invented.
    """

    train: FileRef
    test: FileRef | None
    origin: str
    generated: bool


class CheckedRows(CheckedSets):
    """Clean rows, and what their cells are like.

    Attributes
    ----------
    missing, capped : dict of str to int
        Cells of a column that are missing, or have the value at which it is capped.
    """

    table: TableFacts
    missing: dict[str, int] = Field(default_factory=dict)
    capped: dict[str, int] = Field(default_factory=dict)

    @classmethod
    def of(cls, checked: CheckedSets) -> "CheckedRows":
        """Return what was checked if it is rows of a table; `InputError` else."""
        if not isinstance(checked, cls):
            raise InputError(f"expected rows of a table, got {type(checked).__name__}")
        return checked


def fingerprint_table(source: AnyTable) -> str:
    """Return a digest that changes when what the source holds does."""
    fingerprint: str = TABLE_SOURCES.load(source.kind).fingerprint(source)
    return fingerprint


def ingest_table(store: Store, source: AnyTable, fingerprint: str) -> RawTable:
    """Read a source's rows into the store.

    Parameters
    ----------
    fingerprint : str
        Of the source as it is now: equal arguments mean equal rows.
    """
    table: Table = TABLE_SOURCES.load(source.kind).load_table(source)
    return RawTable(
        train=_store_frame(store, table.frame),
        test=None if table.test_frame is None else _store_frame(store, table.test_frame),
        origin=table.origin,
        generated=table.generated,
    )


def validate_table(
    store: Store,
    raw: RawTable,
    columns: dict[str, Column],
    target: str,
    task: Task,
    rules: TableRules,
    identity: tuple[str, ...],
) -> CheckedRows:
    """Check stored rows; those that can't be used are listed in a quarantine file.

    Raises
    ------
    InputError
        See `check_table`.
    """
    test = None if raw.test is None else _open_frame(store, raw.test)
    table = Table(_open_frame(store, raw.train), test, raw.origin, raw.generated)
    found = check_table(table, columns, target, task, rules, identity)
    return CheckedRows(
        train=_store_rows(store, found, found.train, task),
        test=None if found.test is None else _store_rows(store, found, found.test, task),
        problems=dict(Counter(f"{p.split}: {p.column} {p.reason}" for p in found.problems)),
        notes=(*_note_generated(raw), *found.notes),
        quarantine=store_quarantine(
            store,
            ("split", "row", "column", "value", "reason"),
            ((p.split, p.row, p.column, p.value, p.reason) for p in found.problems),
        ),
        quarantined_images=None,
        table=TableFacts(
            columns=found.columns,
            target=target,
            holds=found.target,
            classes=found.classes,
            generated=raw.generated,
        ),
        missing=found.missing,
        capped=found.capped,
    )


def _note_generated(raw: RawTable) -> tuple[str, ...]:
    if not raw.generated:
        return ()
    return (f"The rows are invented, no figure holds of real ones: {raw.origin}.",)


def split_table(
    store: Store,
    checked: CheckedRows,
    shares: TableShares,
    slices: tuple[Strata, ...],
    seed: int,
    frozen: SampleSet | None = None,
) -> Splits:
    """Part stored rows by `split_rows`, and name the slices of the test rows.

    Parameters
    ----------
    frozen : SampleSet, optional
        The rows that the champion was judged on: they stay the test rows.
    """
    data = checked.train
    records, targets = store.open_array(data.samples), store.open_array(data.targets)
    parts = split_rows(
        identify_rows(records, shares.identity, targets),
        number_strata(records, targets, shares.stratify, bool(data.classes)),
        shares,
        checked.test is not None,
        seed,
        None if frozen is None else identify_set(store, frozen, shares.identity),
    )
    sets = {name: take_rows(store, data, rows) for name, rows in parts.items()}
    test = checked.test or sets["test"]
    sets["test"] = test.model_copy(update={"slices": _store_slices(store, test, slices)})
    return Splits(**sets)


def take_rows(store: Store, data: SampleSet, rows: np.ndarray) -> SampleSet:
    """Return a set of the given rows of another."""
    return data.model_copy(
        update={
            "samples": store.put_array(np.array(store.open_array(data.samples)[rows])),
            "targets": store.put_array(np.array(store.open_array(data.targets)[rows])),
        }
    )


def list_slices(
    records: np.ndarray, targets: np.ndarray, slices: tuple[Strata, ...]
) -> dict[str, np.ndarray]:
    """Return which rows are in each slice, by a name such as "median_income 1.5 to 3".

    Raises
    ------
    InputError
        If there is no such column, or its type and the edges don't fit.
    """
    found = {}
    for strata in slices:
        groups = number_strata(records, targets, strata, is_classification=False)
        if groups is None:
            continue
        for group in np.unique(groups).tolist():
            rows = groups == group
            name = _name_group(strata, group, records[strata.column][rows][0])
            found[f"{strata.column} {name}"] = rows
    return found


def _name_group(strata: Strata, group: int, example: object) -> str:
    if not strata.edges:
        return str(example) or "missing"
    if group == 0:
        return f"up to {strata.edges[0]:g}"
    if group == len(strata.edges):
        return f"over {strata.edges[-1]:g}"
    return f"{strata.edges[group - 1]:g} to {strata.edges[group]:g}"


def _store_slices(
    store: Store, test: SampleSet, slices: tuple[Strata, ...]
) -> dict[str, ArrayRef]:
    records, targets = store.open_array(test.samples), store.open_array(test.targets)
    found = list_slices(records, targets, slices)
    return {name: store.put_array(rows) for name, rows in found.items()}


def identify_set(store: Store, part: SampleSet, identity: tuple[str, ...]) -> np.ndarray:
    """Return what tells each stored row from others, see `identify_rows`."""
    records, targets = store.open_array(part.samples), store.open_array(part.targets)
    return identify_rows(records, identity, targets)


def _store_rows(store: Store, table: CheckedTable, rows: Rows, task: Task) -> SampleSet:
    is_classification = task == "classification"
    targets = rows.targets.astype(np.int64) if is_classification else rows.targets
    return SampleSet(
        samples=store.put_array(rows.records),
        targets=store.put_array(targets),
        classes=table.classes,
        unit=table.target.unit or "",
    )


def _store_frame(store: Store, frame: "pd.DataFrame") -> FileRef:
    # Cells of several types, as JSON may have, are told apart when they are checked: as text.
    mixed = {name: text_dtype() for name in frame.columns if frame[name].dtype == object}
    buffer = io.BytesIO()
    frame.astype(mixed).to_parquet(buffer, index=False)
    return store.put_bytes(buffer.getvalue(), "tables", ".parquet")


def _open_frame(store: Store, ref: FileRef) -> "pd.DataFrame":
    import pandas as pd

    return pd.read_parquet(io.BytesIO(store.read_bytes(ref)))
