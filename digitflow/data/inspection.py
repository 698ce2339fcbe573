"""What is wrong with each image by itself: its pixels, its label, its polarity."""

from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np

from digitflow.data.sets import CLASSES, LabelledImages
from digitflow.errors import InputError
from digitflow.images.frame import SIDE
from digitflow.images.ink import MIN_CONTRAST, read_border

Split = Literal["train", "test", "feedback"]
Reason = Literal[
    "unreadable",
    "NaN pixel",
    "out of range",
    "not a whole number",
    "unknown label",
    "blank",
    "inverted",
    "duplicate of a test image",
    "conflicting duplicate",
    "duplicate",
]
REASONS: tuple[Reason, ...] = get_args(Reason)
"""In this order: a row with several faults has the first as its reason.

unreadable: no pixel is there, as of a damaged picture. NaN pixel: some are missing. out of
range: below 0 or above 255. not a whole number: as where pixels were scaled to 0..1.
unknown label: none of 0 to 9, or missing. blank: no ink. inverted: dark ink on a bright
border. The rest are equal pixel by pixel to another image: of the test set (which stays as
it is, the training image goes); with another label (all of them go, nobody knows which is
right); or with the same label (the first one stays).
"""


@dataclass(frozen=True)
class Problem:
    """A row that is not used, and why.

    Attributes
    ----------
    split : "train" or "test"
    row : int
        Its number in the source's order, from 0.
    label : float
        As the source has it; NaN if it is missing.
    reason : str
        One of `REASONS`.
    """

    split: Split
    row: int
    label: float
    reason: Reason


_BRIGHTEST = 255
# Floats are looked at in pieces: comparing them takes several times their own memory.
_CHUNK_ROWS = 4096


@dataclass(frozen=True)
class RowInspection:
    """A split under inspection.

    Attributes
    ----------
    name : "train", "test" or "feedback"
    raw : LabelledImages
        As the source read it.
    images, labels : ndarray of shape (n, 28, 28) and (n,), uint8
        The same, clean; 0 where that is not possible.
    faults : ndarray of shape (n,), uint8
        0, or 1 + the place of the row's reason in `REASONS`; filled by `mark`.
    """

    name: Split
    raw: LabelledImages
    images: np.ndarray
    labels: np.ndarray
    faults: np.ndarray

    @property
    def usable(self) -> np.ndarray:
        """Row numbers without a fault."""
        return np.flatnonzero(self.faults == 0)

    @property
    def faulty(self) -> np.ndarray:
        """Row numbers with a fault."""
        return np.flatnonzero(self.faults)

    def mark(self, reason: Reason, rows: np.ndarray) -> None:
        """Give rows (numbers, or a mask) a reason; those that have one keep it."""
        numbers = np.arange(len(self.faults))[rows]
        self.faults[numbers[self.faults[numbers] == 0]] = _code(reason)

    def find(self, reason: Reason) -> np.ndarray:
        """Return the row numbers that have a reason."""
        return np.flatnonzero(self.faults == _code(reason))

    def take_usable(self) -> LabelledImages:
        """Return the clean images without a fault."""
        clean = replace(self.raw, images=self.images, labels=self.labels)
        return clean if self.faulty.size == 0 else clean.take(self.usable)

    def list_problems(self) -> list[Problem]:
        """Return the rows with a fault, in order."""
        return [
            Problem(self.name, int(row), float(self.raw.labels[row]), _reason(fault))
            for row, fault in zip(self.faulty, self.faults[self.faulty], strict=True)
        ]


def inspect_rows(name: Split, raw: LabelledImages) -> RowInspection:
    """Check every image of a split by itself.

    Raises
    ------
    InputError
        If shapes or dtypes are not those of digits.
    """
    _check_layout(name, raw)
    images, faults = _check_pixels(raw.images)
    known = np.isin(raw.labels, np.arange(CLASSES))
    labels = np.where(known, raw.labels, 0).astype(np.uint8)
    inspection = RowInspection(name, raw, images, labels, faults)
    inspection.mark("unknown label", ~known)
    inspection.mark("blank", _find_blank(images))
    inspection.mark("inverted", find_inverted(images))
    return inspection


def _code(reason: Reason) -> int:
    return 1 + REASONS.index(reason)


def _reason(fault: int) -> Reason:
    return REASONS[fault - 1]


def _check_layout(name: Split, raw: LabelledImages) -> None:
    images, labels = raw.images, raw.labels
    if images.ndim != 3 or images.shape[1:] != (SIDE, SIDE) or len(images) == 0:
        raise InputError(
            f"{name}: images must have the shape (n, {SIDE}, {SIDE}), got {images.shape}"
        )
    if labels.shape != images.shape[:1]:
        raise InputError(
            f"{name}: {len(images)} images need as many labels, got {labels.shape}"
        )
    columns = {"writers": raw.writers, "series": raw.series, "sources": raw.sources}
    for what, column in columns.items():
        if column is not None and column.shape != labels.shape:
            raise InputError(
                f"{name}: {len(images)} images need as many {what}, got {column.shape}"
            )
    for what, array in (("images", images), ("labels", labels)):
        if array.dtype.kind not in "uif":
            raise InputError(f"{name}: {what} must be real numbers, got {array.dtype}")


def _check_pixels(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the images as uint8 (n, 28, 28) and a fault for each."""
    faults = np.zeros(len(images), dtype=np.uint8)
    if images.dtype == np.uint8:
        return images, faults
    clean = np.zeros(images.shape, dtype=np.uint8)
    for start in range(0, len(images), _CHUNK_ROWS):
        rows = slice(start, start + _CHUNK_ROWS)
        faults[rows] = _find_pixel_faults(images[rows].reshape(-1, SIDE * SIDE))
        good = faults[rows] == 0
        clean[rows][good] = images[rows][good]
    return clean, faults


def _find_pixel_faults(pixels: np.ndarray) -> np.ndarray:
    """Return 0, or 1 + the place in REASONS, for each row of pixels (n, 784)."""
    missing = np.isnan(pixels)
    conditions: dict[Reason, Any] = {
        "unreadable": missing.all(axis=1),
        "NaN pixel": missing.any(axis=1),
        "out of range": ((pixels < 0) | (pixels > _BRIGHTEST)).any(axis=1),
        "not a whole number": (pixels != np.floor(pixels)).any(axis=1),
    }
    codes = [_code(reason) for reason in conditions]
    return np.asarray(np.select(list(conditions.values()), codes, default=0))


def _find_blank(images: np.ndarray) -> np.ndarray:
    pixels = images.reshape(len(images), -1)
    return np.asarray(pixels.max(axis=1) - pixels.min(axis=1) < MIN_CONTRAST)


def find_inverted(images: np.ndarray) -> np.ndarray:
    """Tell which images (n, 28, 28) have a bright border, (n,) bool: their ink is dark."""
    border = read_border(images)
    bright = np.count_nonzero(border > _BRIGHTEST // 2, axis=1)
    return np.asarray(bright > border.shape[1] / 2)
