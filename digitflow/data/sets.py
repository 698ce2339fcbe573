"""Labelled images as references: what travels between tasks instead of arrays."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from digitflow.data.facts import TableFacts
from digitflow.store.artifacts import Store
from digitflow.store.references import ArrayRef, FileRef, Record

CLASSES = 10
UNKNOWN_WRITER = -1


@dataclass(frozen=True)
class LabelledImages:
    """Images in order, with a label and a writer for each.

    Attributes
    ----------
    images : ndarray of shape (n, 28, 28)
        As a source reads them: any numeric dtype, NaN where a value is missing. Once
        checked: uint8, ink bright (255) on dark (0).
    labels : ndarray of shape (n,)
        As a source reads them: numbers (NaN where a label is missing), texts, or one-hot
        (n, 10). Once checked: uint8, 0 to 9.
    writers : ndarray of shape (n,), int32, or None
        Who wrote each digit, as a number; -1 where that is unknown, None where the source
        knows no writers at all.
    series : ndarray of shape (n,), int32, or None
        Which group of people the writer is from (MNIST: 0 census employees, 4 students);
        unknown as for writers. Only the gate looks at it.
    sources : ndarray of shape (n,), int32, or None
        Which part of a mix each image is from, 0 the first; -1 for a correction, None where
        there is one source.
    """

    images: np.ndarray
    labels: np.ndarray
    writers: np.ndarray | None = None
    series: np.ndarray | None = None
    sources: np.ndarray | None = None

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)

    def take(self, rows: np.ndarray) -> "LabelledImages":
        """Return the given rows: a boolean mask or row numbers."""
        columns = (self.images, self.labels, self.writers, self.series, self.sources)
        return LabelledImages(*(None if c is None else c[rows] for c in columns))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Digits:
    """What a source holds.

    Attributes
    ----------
    train : LabelledImages
        What may be learnt from; candidates are compared on a part of it.
    test : LabelledImages or None
        The source's own test images, kept as they are; None where it has none.
    origin : str
        One sentence for people: where the digits came from.
    notes : tuple of str
        What was done to read them, and what was passed over.
    """

    train: LabelledImages
    test: LabelledImages | None
    origin: str
    notes: tuple[str, ...] = ()


class SampleSet(Record):
    """References to samples, what is true of each and, where known, whose they are.

    Attributes
    ----------
    samples : ArrayRef
        Images uint8 (n, 28, 28); rows of a table, structured (n,), a field a column.
    targets : ArrayRef
        Classes (n,), whole numbers from 0; of a regression values, float64 (n,).
    writers, series, sources : ArrayRef or None
        As in `LabelledImages`.
    parents : ArrayRef or None
        Of samples with altered copies, int64 (n,): the row of each one's original.
    slices : dict of str to ArrayRef
        Bool (n,): parts that the gate looks at by themselves.
    classes : tuple of str
        What the classes are called; empty where they are numbers, or targets are values.
    unit : str
        Of values; empty where they have none.
    """

    samples: ArrayRef
    targets: ArrayRef
    writers: ArrayRef | None = None
    series: ArrayRef | None = None
    sources: ArrayRef | None = None
    parents: ArrayRef | None = None
    slices: dict[str, ArrayRef] = Field(default_factory=dict)
    classes: tuple[str, ...] = ()
    unit: str = ""

    @property
    def rows(self) -> int:
        """How many samples there are."""
        return self.targets.shape[0]

    def is_equal(self, other: "SampleSet") -> bool:
        """Whether samples and targets are the same, in the same order."""
        mine, theirs = ((one.samples.digest, one.targets.digest) for one in (self, other))
        return mine == theirs


class RawSets(Record):
    """What a source gave, unchecked: its rows, its own test rows, words on their origin."""

    train: SampleSet
    test: SampleSet | None
    origin: str
    notes: tuple[str, ...] = ()


class CheckedSets(Record):
    """Clean samples, and where the bad ones went: a CSV of reasons and, of images, an array.

    `problems` counts the bad ones by split and reason; `notes` are sentences on what was
    noticed and kept; `table` is what is known of a table, None where samples are images.
    """

    train: SampleSet
    test: SampleSet | None
    problems: dict[str, int]
    notes: tuple[str, ...]
    quarantine: FileRef | None
    quarantined_images: ArrayRef | None
    table: TableFacts | None = None


class Splits(Record):
    """Four parts without a row, or a known writer, in common.

    `train` fits; `calibration` turns scores into probabilities; `validation` chooses the
    winner; `test` is frozen and only the gate looks at it.
    """

    train: SampleSet
    calibration: SampleSet
    validation: SampleSet
    test: SampleSet


class PreparedData(Record):
    """The data of a run: where it came from, what was set aside, its parts.

    `augmented` is `splits.train` with its altered copies, None where there are none;
    `sources` are the names of a mix's parts, empty where there is one source.
    """

    source: str
    origin: str
    checked: CheckedSets
    splits: Splits
    augmented: SampleSet | None
    sources: tuple[str, ...] = ()

    def choose_training(self, with_copies: bool) -> SampleSet:
        """Return what a candidate is trained on: with altered copies where there are some."""
        return self.augmented if with_copies and self.augmented else self.splits.train

    def parts(self) -> dict[str, SampleSet]:
        """Return each set of samples by name, in the order of their use."""
        names = type(self.splits).model_fields
        parts = {name: getattr(self.splits, name) for name in names}
        return parts if self.augmented is None else parts | {"augmented": self.augmented}


def store_set(store: Store, data: LabelledImages) -> SampleSet:
    """Put labelled images into the store."""

    def put(column: np.ndarray | None) -> ArrayRef | None:
        return None if column is None else store.put_array(column)

    return SampleSet(
        samples=store.put_array(data.images),
        targets=store.put_array(data.labels),
        writers=put(data.writers),
        series=put(data.series),
        sources=put(data.sources),
    )


def open_set(store: Store, refs: SampleSet) -> LabelledImages:
    """Open labelled images, memory-mapped and read-only."""

    def open_column(ref: ArrayRef | None) -> np.ndarray | None:
        return None if ref is None else store.open_array(ref)

    return LabelledImages(
        images=store.open_array(refs.samples),
        labels=store.open_array(refs.targets),
        writers=open_column(refs.writers),
        series=open_column(refs.series),
        sources=open_column(refs.sources),
    )


def number_writers(*columns: Sequence[str | float | None] | None) -> list[np.ndarray | None]:
    """Number writers' names or ids, the same writer alike in every column.

    Parameters
    ----------
    *columns : sequence of str, int or float, or None
        One writer a row; None, NaN or blank where the writer is unknown. A column that is
        missing is None.

    Returns
    -------
    list of ndarray of shape (n,), int32, or None
        One array a column: 0, 1, ... in the order of the names, -1 for unknown.
    """
    texts = [None if c is None else [_write_as_text(writer) for writer in c] for c in columns]
    names = sorted({text for column in texts if column for text in column} - {""})
    numbers = {name: number for number, name in enumerate(names)} | {"": UNKNOWN_WRITER}
    return [
        None if column is None else np.array([numbers[text] for text in column], np.int32)
        for column in texts
    ]


def _write_as_text(writer: str | float | None) -> str:
    """Return a name as text, because one file may hold numbers and another names."""
    if writer is None or (isinstance(writer, float) and math.isnan(writer)):
        return ""
    # A column with gaps was read as floats; 7.0 is still 7.
    whole = isinstance(writer, float) and writer.is_integer()
    return str(int(writer) if whole else writer).strip()
