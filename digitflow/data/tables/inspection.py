"""What is wrong with each cell of a table by itself: its type, its range, its category."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from digitflow.config.table import Column
from digitflow.data.facts import describe_cells
from digitflow.data.tables.frames import to_records, type_frame
from digitflow.errors import InputError, list_some
from digitflow.formatting import format_count

if TYPE_CHECKING:
    import pandas as pd

Reason = Literal[
    "not a number",
    "not finite",
    "not a whole number",
    "out of range",
    "unknown category",
    "missing target",
    "missing cell",
    "duplicate of a test row",
    "conflicting duplicate",
    "duplicate",
]
REASONS: tuple[Reason, ...] = get_args(Reason)
"""In this order: a cell with several faults has the first as its reason.

not a number: text in a column of numbers. not finite: infinite. unknown category: none of
the column's `values`. missing cell: in a column that is not `nullable`. The last three are
rows of the identity of another one: of the test set (which stays as it is, the training row
goes); with another target (all of them go, nobody knows which is right); or with the same
(the first one stays).
"""


@dataclass(frozen=True)
class CellProblem:
    """A cell that is not what its column holds, or a row that is there twice.

    Attributes
    ----------
    row : int
        Its number in the table's order, from 0.
    column : str
        Its name; empty where the row as a whole is at fault.
    value : str
        The cell, as it came.
    reason : str
        One of `REASONS`.
    split : str
        "train", "test", or what else the rows are.
    """

    row: int
    column: str
    value: str
    reason: Reason
    split: str = "train"

    def describe(self) -> str:
        """Say it in a few words."""
        what = f"{self.column}: {self.reason}" if self.column else self.reason
        return f"{what} ({self.value!r:.40})" if self.value else what


_Fault = tuple[int, str, Reason]


def inspect_frame(
    frame: "pd.DataFrame", columns: Mapping[str, Column], split: str = "train"
) -> list[CellProblem]:
    """Find the cells that are not what their columns hold; rows count from 0.

    Parameters
    ----------
    frame : DataFrame
        As a source, or somebody who asks for predictions, gives it.
    columns : mapping of str to Column
        What is expected; further columns are passed over.

    Raises
    ------
    InputError
        If a column is missing that is required.
    """
    frame = frame.reset_index(drop=True)
    require_columns(frame, columns)
    typed = type_frame(frame, columns)
    found = _find_text(frame, typed, columns) | _find_by_schema(typed, columns)
    # The last one written stays: the first of the reasons.
    ordered = sorted(found, key=lambda f: REASONS.index(f[2]), reverse=True)
    first = {(row, name): reason for row, name, reason in ordered}
    return [
        CellProblem(row, name, _write_cell(frame[name].iat[row]), reason, split)
        for (row, name), reason in sorted(first.items())
    ]


def require_columns(frame: "pd.DataFrame", columns: Mapping[str, Column]) -> None:
    """Say which of the required columns a table lacks.

    Raises
    ------
    InputError
        If it lacks any.
    """
    missing = [
        name for name, column in columns.items() if column.required and name not in frame
    ]
    if missing:
        raise InputError(
            f"the table lacks {format_count(len(missing), 'column')}: {list_some(missing)}. "
            f"It has {list_some(frame.columns, 20)}"
        )


def _find_text(
    frame: "pd.DataFrame", typed: "pd.DataFrame", columns: Mapping[str, Column]
) -> set[_Fault]:
    """Return cells that hold something, in columns of numbers, that is none."""
    found: set[_Fault] = set()
    for name in typed.columns:
        if columns[name].type != "category":
            is_blank = frame[name].isna() | (frame[name].astype(str).str.strip() == "")
            rows = np.flatnonzero((typed[name].isna() & ~is_blank).to_numpy())
            found |= {(int(row), str(name), "not a number") for row in rows}
    return found


def _find_by_schema(typed: "pd.DataFrame", columns: Mapping[str, Column]) -> set[_Fault]:
    """Return row, column and reason of the cells that pandera finds."""
    import pandera.pandas as pa

    schema = pa.DataFrameSchema({name: _build_check(columns[name]) for name in typed.columns})
    try:
        schema.validate(typed, lazy=True)
    except pa.errors.SchemaErrors as exc:
        cases = exc.failure_cases.replace({"check": {"not_nullable": "missing cell"}})
        return set(
            zip(cases["index"].astype(int), cases["column"], cases["check"], strict=True)
        )
    return set()


def _build_check(column: Column) -> Any:
    """Return pandera's column; each check is named by its reason."""
    import pandera.pandas as pa

    if column.type == "category":
        known = column.values
        checks = [pa.Check.isin(known, error="unknown category")] if known else []
        return pa.Column(None, checks, nullable=column.nullable)
    checks = [pa.Check(np.isfinite, error="not finite")]
    if column.type == "integer":
        checks.append(pa.Check(lambda cells: cells % 1 == 0, error="not a whole number"))
    if column.min is not None:
        checks.append(pa.Check.ge(column.min, error="out of range"))
    if column.max is not None:
        checks.append(pa.Check.le(column.max, error="out of range"))
    return pa.Column(float, checks, nullable=column.nullable)


def _write_cell(value: Any) -> str:
    return "" if value is None or value != value else str(value)


class CheckedFrame:
    """Rows that somebody gives, checked by what a table's columns must hold.

    Parameters
    ----------
    frame : DataFrame
        As it was read.
    columns : mapping of str to Column
        What is expected; further columns are passed over.

    Attributes
    ----------
    good : ndarray of shape (n,), int64
        Places of the rows without a fault.
    errors : dict of int to str
        What is wrong with each other row, by its place.

    Raises
    ------
    InputError
        If a column is missing that is required.
    """

    def __init__(self, frame: "pd.DataFrame", columns: Mapping[str, Column]) -> None:
        faults: dict[int, list[str]] = {}
        for problem in inspect_frame(frame, columns):
            said = _describe_problem(problem, columns[problem.column])
            faults.setdefault(problem.row, []).append(said)
        self.errors = {row: "; ".join(said) for row, said in faults.items()}
        self.good = np.setdiff1d(np.arange(len(frame)), list(faults))
        # A column that may be absent is one whose cells are all missing.
        self._usable = frame.reindex(columns=list(columns)).iloc[self.good]

    def to_records(self, columns: Mapping[str, Column]) -> np.ndarray:
        """Return the rows without a fault as records of some of the columns."""
        return to_records(self._usable, columns)


def _describe_problem(problem: CellProblem, column: Column) -> str:
    came = f"got {problem.value!r:.60}" if problem.value else "the cell is empty"
    return f"{problem.column} must be {describe_cells(column)}, {came}"
