"""Handwritten digits in memory: images with their labels and, where known, writers."""

from dataclasses import dataclass

import numpy as np

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
        As a source reads them: any numeric dtype, NaN where a label is missing. Once
        checked: uint8, 0 to 9.
    writers : ndarray of shape (n,), int32, or None
        Who wrote each digit, as a number; -1 where that is unknown, None where the source
        knows no writers at all.
    series : ndarray of shape (n,), int32, or None
        Which group of people the writer is from (MNIST: 0 census employees, 4 students);
        unknown as for writers. Only the gate looks at it.
    """

    images: np.ndarray
    labels: np.ndarray
    writers: np.ndarray | None = None
    series: np.ndarray | None = None

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)

    def take(self, rows: np.ndarray) -> "LabelledImages":
        """Return the given rows: a boolean mask or row numbers."""
        columns = (self.images, self.labels, self.writers, self.series)
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
    """

    train: LabelledImages
    test: LabelledImages | None
    origin: str
