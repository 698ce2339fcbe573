"""Which rows a study of a table is about: those of the main job, in their source's order."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from digitflow.config.table import RegressionConfig
from digitflow.data.sets import SampleSet
from digitflow.data.tables.frames import to_frame
from digitflow.data.tables.sets import CheckedRows, identify_set, take_rows
from digitflow.data.tables.splits import find_frozen
from digitflow.errors import InputError
from digitflow.store.artifacts import Store
from digitflow.studies.plan import StudyData
from digitflow.studies.scope import TableScope

if TYPE_CHECKING:
    import pandas as pd


class TableData(StudyData):
    """The rows of a study; `table` are all of them, those of `train` and of `test`."""

    table: SampleSet


@dataclass(frozen=True)
class Rows:
    """Rows of a table: their features, numbers float64 and categories text, and targets."""

    frame: "pd.DataFrame"
    targets: np.ndarray

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.targets)

    def take(self, rows: np.ndarray) -> "Rows":
        """Return the given rows, by their numbers."""
        return Rows(self.frame.iloc[rows].reset_index(drop=True), self.targets[rows])


class Studied(Protocol):
    """What opens the rows of a study: an experiment's context, or a chapter's."""

    @property
    def store(self) -> Store:
        """Where the rows are."""

    @property
    def data(self) -> StudyData:
        """References to them."""


def open_rows(store: Store, data: SampleSet) -> Rows:
    """Open rows with their targets."""
    return Rows(to_frame(store.open_array(data.samples)), store.open_array(data.targets))


def open_train(context: Studied) -> Rows:
    """Open the training rows."""
    return open_rows(context.store, context.data.train)


def open_test(context: Studied) -> Rows:
    """Open the test rows."""
    return open_rows(context.store, context.data.test)


def find_table(context: Studied) -> SampleSet:
    """Return all rows, in the order of their source."""
    if not isinstance(context.data, TableData):
        raise TypeError(f"expected TableData, got {type(context.data).__name__}")
    return context.data.table


def choose_rows(
    store: Store,
    checked: CheckedRows,
    test: SampleSet,
    identity: tuple[str, ...],
    size: int | None,
    seed: int,
) -> TableData:
    """Take the main job's test rows; learn from all others of the table.

    Parameters
    ----------
    identity : tuple of str
        Columns that together tell one row from another; empty: all of them.
    size : int or None
        So many training rows, drawn at random; None: all.

    Raises
    ------
    InputError
        If there are fewer training rows than `size`.
    """
    rest = np.arange(checked.train.rows)
    if checked.test is None:
        keys, held = (identify_set(store, part, identity) for part in (checked.train, test))
        rest = np.setdiff1d(rest, find_frozen(keys, held))
    if size is not None:
        rest = _draw_rows(rest, size, seed)
    train = take_rows(store, checked.train, rest)
    return TableData(train=train, test=test, table=checked.train)


def describe_scope(
    config: RegressionConfig, checked: CheckedRows, data: StudyData
) -> TableScope:
    """Return what the sections must know of the rows to plan their experiments."""
    test = 0 if checked.test is not None else data.test.rows
    return TableScope(
        source=config.source.kind,
        train_rows=data.train.rows,
        test_rows=data.test.rows,
        complete=data.train.rows + test == checked.train.rows and not checked.problems,
        seed=config.seed,
        generated=checked.table.generated,
        target=config.target,
        columns=checked.table.columns | {config.target: checked.table.holds},
        stratify=config.split.stratify,
        test_share=config.split.test,
        settings=config.study,
    )


def _draw_rows(rows: np.ndarray, size: int, seed: int) -> np.ndarray:
    if size > len(rows):
        raise InputError(f"there are {len(rows):,} rows to learn from, choose at most as many")
    return np.sort(np.random.default_rng(seed).choice(rows, size, replace=False))
