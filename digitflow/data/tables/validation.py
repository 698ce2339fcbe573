"""What a table must hold before anything is trained, or predicted; its bad rows and why."""

import logging
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from digitflow.config.table import Column, TableRules
from digitflow.data.quarantine import find_duplicates, note_copies, require_few
from digitflow.data.tables.frames import (
    Table,
    identify_rows,
    infer_columns,
    to_records,
    type_frame,
)
from digitflow.data.tables.inspection import CellProblem, Reason, inspect_frame
from digitflow.errors import InputError, list_some

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

Task = Literal["regression", "classification"]
# More different texts than this are names or notes, not categories.
MOST_CATEGORIES = 100


@dataclass(frozen=True)
class Rows:
    """Rows fit for use.

    Attributes
    ----------
    records : ndarray of shape (n,), structured
        The features, see `to_records`.
    targets : ndarray of shape (n,), float64
        A regression's targets, or the numbers 0 to k - 1 of a classification's classes.
    """

    records: np.ndarray
    targets: np.ndarray


@dataclass(frozen=True)
class CheckedTable:
    """A table's rows fit for use, and what is known of it.

    Attributes
    ----------
    train, test : Rows
        `test` is None where the source has none.
    columns : dict of str to Column
        The features, in the order of the records' fields; categories with all their values.
    target : Column
    classes : tuple of str
        Names of a classification's classes, in the order of their numbers; else empty.
    problems : tuple of CellProblem
        Of the rows that were set aside; training rows first.
    missing, capped : dict of str to int
        How many cells of a column are missing, or have the value at which it is capped; of all
        rows, as they came. Columns without any are left out.
    notes : tuple of str
        Sentences on what is worth knowing but no reason to leave a row out.
    """

    train: Rows
    test: Rows | None
    columns: dict[str, Column]
    target: Column
    classes: tuple[str, ...]
    problems: tuple[CellProblem, ...]
    missing: dict[str, int]
    capped: dict[str, int]
    notes: tuple[str, ...]


def check_table(
    table: Table,
    declared: Mapping[str, Column],
    target: str,
    task: Task,
    rules: TableRules,
    identity: Collection[str] = (),
) -> CheckedTable:
    """Check every cell of a table; set aside the rows that can't be used.

    Parameters
    ----------
    table : Table
        As a source reads it.
    declared : mapping of str to Column
        The columns that are used; where there are none, all of them, by what they hold.
    target : str
        The column that is predicted.
    task : "regression" or "classification"
    rules : TableRules
        How many bad rows are tolerated, how many good ones there must be, and whether
        duplicates are bad.
    identity : collection of str, optional
        Columns that together tell one row from another. Without them only rows that are equal
        in all cells are duplicates.

    Raises
    ------
    InputError
        If columns are missing, if the share of bad rows is above `rules.max_quarantined`, or if
        the table, or a class, has too few usable rows.
    """
    columns, notes = _describe_columns(table, declared, target, task)
    _require_known(identity, columns, "split.identity")
    frames = {"train": table.frame, "test": table.test_frame}
    splits = [
        _inspect_split(name, frame, columns, target)
        for name, frame in frames.items()
        if frame is not None
    ]
    if rules.duplicates == "quarantine":
        notes += _mark_duplicates(splits, columns, target, identity)
    _require_usable(splits, target, task, rules)
    present = [name for name in columns if name in table.frame and name != target]
    features = {name: columns[name] for name in present}
    classes = (columns[target].values or ()) if task == "classification" else ()
    rows = [_take_usable(split, features, target, classes) for split in splits]
    return CheckedTable(
        train=rows[0],
        test=rows[1] if len(rows) > 1 else None,
        columns=features,
        target=columns[target],
        classes=classes,
        problems=tuple(problem for split in splits for problem in split.problems),
        missing=_count_missing(splits),
        capped=_count_capped(splits, columns),
        notes=notes,
    )


@dataclass(frozen=True)
class _Split:
    """A split under inspection; `problems` are filled as they are found."""

    name: str
    typed: "pd.DataFrame"
    problems: list[CellProblem] = field(default_factory=list)

    @property
    def usable(self) -> np.ndarray:
        """Row numbers without a problem."""
        bad = [problem.row for problem in self.problems]
        return np.setdiff1d(np.arange(len(self.typed)), bad)

    def mark(self, reason: Reason, rows: np.ndarray) -> None:
        """Note a problem of whole rows; those that have one already are passed over."""
        for row in np.intersect1d(rows, self.usable):
            self.problems.append(CellProblem(int(row), "", "", reason, self.name))


def _describe_columns(
    table: Table, declared: Mapping[str, Column], target: str, task: Task
) -> tuple[dict[str, Column], tuple[str, ...]]:
    """Return what each column holds, the target's included, and which were left out."""
    found = infer_columns(table.frame)
    if target not in found:
        raise InputError(
            f"the table has no column {target!r}, the target; it has {list_some(found, 20)}"
        )
    columns = dict(declared) or _drop_texts(table, found, target)
    kind = "number" if task == "regression" else "category"
    required = {"nullable": False, "required": True}
    chosen = declared.get(target, Column(type=kind)).model_copy(update=required)
    if (chosen.type == "category") != (kind == "category"):
        raise InputError(f"the target of a {task} is a {kind}, {target} is a {chosen.type}")
    left_out = [name for name in found if not declared and name not in columns]
    notes = tuple(
        f"{name} holds more than {MOST_CATEGORIES} different texts and is left out; "
        "describe it in columns to use it"
        for name in left_out
    )
    columns[target] = chosen
    if len(columns) == 1:
        raise InputError(f"the table has no column to predict {target} from")
    return {name: _complete(name, column, table) for name, column in columns.items()}, notes


def _drop_texts(table: Table, found: Mapping[str, Column], target: str) -> dict[str, Column]:
    def is_text(name: str) -> bool:
        is_category = found[name].type == "category" and name != target
        return is_category and table.frame[name].nunique() > MOST_CATEGORIES

    return {name: column for name, column in found.items() if not is_text(name)}


def _complete(name: str, column: Column, table: Table) -> Column:
    """Give a category without known values those that the table has."""
    if column.type != "category" or column.values is not None:
        return column
    frames = [f for f in (table.frame, table.test_frame) if f is not None and name in f]
    typed = [type_frame(frame, {name: column})[name] for frame in frames]
    values = sorted({str(value) for cells in typed for value in cells.dropna().unique()})
    return column.model_copy(update={"values": tuple(values) or None})


def _require_known(names: Iterable[str], columns: Mapping[str, Column], key: str) -> None:
    unknown = [name for name in names if name not in columns]
    if unknown:
        raise InputError(
            f"{key} names {list_some(unknown)}; the columns are {list_some(columns, 20)}"
        )


def _inspect_split(
    name: str, frame: "pd.DataFrame", columns: Mapping[str, Column], target: str
) -> _Split:
    frame = frame.reset_index(drop=True)
    problems = [
        CellProblem(p.row, p.column, p.value, "missing target", p.split)
        if p.column == target and p.reason == "missing cell"
        else p
        for p in inspect_frame(frame, columns, name)
    ]
    return _Split(name, type_frame(frame, columns), problems)


def _mark_duplicates(
    splits: list[_Split],
    columns: Mapping[str, Column],
    target: str,
    identity: Collection[str],
) -> tuple[str, ...]:
    """Mark training rows that are there twice; return notes on such test rows."""
    rows = [split.usable for split in splits]
    found = [
        find_duplicates(
            identify_rows(to_records(split.typed.iloc[usable], columns), identity),
            split.typed[target].to_numpy()[usable],
        )
        for split, usable in zip(splits, rows, strict=True)
    ]
    notes: tuple[str, ...] = ()
    if len(splits) > 1:
        splits[0].mark(
            "duplicate of a test row", rows[0][np.isin(found[0].keys, found[1].keys)]
        )
        notes = note_copies(found[1], rows[1], "test rows", "target")
    splits[0].mark("conflicting duplicate", rows[0][found[0].conflicting])
    splits[0].mark("duplicate", rows[0][found[0].repeated])
    return notes


def _require_usable(splits: list[_Split], target: str, task: Task, rules: TableRules) -> None:
    def explain(names: Collection[str]) -> str:
        return " ".join(
            f"{s.name}: {_summarise(s.problems)}." for s in splits if s.name in names
        )

    counts = {s.name: (len(s.typed) - len(s.usable), len(s.typed)) for s in splits}
    require_few(counts, rules.max_quarantined, "rows", explain)
    for split in splits:
        if split.problems:
            logger.warning("%s: rows go to quarantine: %s", split.name, explain([split.name]))
    train = splits[0]
    if len(train.usable) < rules.min_rows:
        raise InputError(
            f"the table has {len(train.usable)} usable rows, validation.min_rows asks for "
            f"{rules.min_rows}"
        )
    if task == "classification":
        for split in splits:
            needed = rules.min_per_class if split is train else 1
            _require_classes(split, target, train, needed)


def _require_classes(split: _Split, target: str, train: _Split, needed: int) -> None:
    counts = Counter(split.typed[target].iloc[split.usable])
    classes = sorted(train.typed[target].dropna().unique())
    short = [f"{name} has {counts[name]}" for name in classes if counts[name] < needed]
    if len(classes) < 2:
        raise InputError(f"{target} must have two classes or more, got {list_some(classes)}")
    if short:
        raise InputError(
            f"{split.name}: every class needs at least {needed} usable rows: {list_some(short)}"
        )


def _summarise(problems: Iterable[CellProblem]) -> str:
    """Say for each column and reason how many rows have it, with examples."""
    rows: dict[str, list[int]] = {}
    for problem in problems:
        what = f"{problem.column} {problem.reason}".strip()
        rows.setdefault(what, []).append(problem.row)
    return "; ".join(
        f"{len(numbers)} {what} (rows {list_some(numbers)})" for what, numbers in rows.items()
    )


def _take_usable(
    split: _Split, features: Mapping[str, Column], target: str, classes: tuple[str, ...]
) -> Rows:
    typed = split.typed.iloc[split.usable]
    targets = typed[target]
    if classes:
        targets = targets.map({name: number for number, name in enumerate(classes)})
    return Rows(to_records(typed, features), targets.to_numpy(dtype=np.float64))


def _count_missing(splits: list[_Split]) -> dict[str, int]:
    names = splits[0].typed.columns
    counts = {str(n): sum(int(s.typed[n].isna().sum()) for s in splits) for n in names}
    return {name: count for name, count in counts.items() if count}


def _count_capped(splits: list[_Split], columns: Mapping[str, Column]) -> dict[str, int]:
    counts = {
        name: sum(
            int((s.typed[name] == column.capped).sum()) for s in splits if name in s.typed
        )
        for name, column in columns.items()
        if column.capped is not None
    }
    return {name: count for name, count in counts.items() if count}
