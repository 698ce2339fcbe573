"""How others write digits, brought to how we do: levels, polarity, labels, which way round.

Only what holds of a whole set is brought over, and said in a note. What is wrong with some
of its rows is left as it came, for validation to find.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from digitflow.config.data import PlainSource
from digitflow.data.inspection import find_inverted
from digitflow.data.labels import describe_unknown, name_labels, translate_labels
from digitflow.data.orientation import find_way
from digitflow.data.sets import LabelledImages
from digitflow.errors import InputError

# So many rows of a hundred must agree: the rest are faulty, and named as such.
_ALL = 0.99
_BRIGHTEST = 255
_CHUNK_ROWS = 4096
# Of the width of a range: what rounding does, and how far from its ends extremes may stay.
_SLACK, _REACH = 1e-3, 0.25


TURNED = "dark ink on bright ground was turned into bright ink on dark"


class ExchangedRows(InputError):
    """Rows and columns of the images are exchanged; `source.transpose: true` mends it."""


@dataclass(frozen=True)
class _Range:
    """Levels that others use: from `low` to `high`."""

    low: float
    high: float

    @property
    def width(self) -> float:
        return self.high - self.low

    def holds(self, low: float, high: float) -> bool:
        """Tell whether levels from `low` to `high` are of this range."""
        slack, reach = _SLACK * self.width, _REACH * self.width
        inside = low >= self.low - slack and high <= self.high + slack
        return inside and low <= self.low + reach and high >= self.high - reach


# A narrower one before the one that holds it.
_RANGES = (_Range(0, 1), _Range(-0.5, 0.5), _Range(-1, 1), _Range(0, 65535))


def adopt_conventions(
    name: str, data: LabelledImages, source: PlainSource
) -> tuple[LabelledImages, tuple[str, ...]]:
    """Bring a split, as a source reads it, to our conventions.

    Parameters
    ----------
    name : str
        What it is called: "train", "test".
    data : LabelledImages
        Images (n, 28, 28) of any levels; labels (n,), (n, 1) or one-hot (n, 10), numbers or
        texts.
    source : PlainSource
        Says what its labels mean (`labels`), and whether rows and columns are exchanged
        (`transpose`).

    Returns
    -------
    data : LabelledImages
        Labels are numbers, NaN where a text is none; images are uint8 unless some of their
        rows can't be.
    notes : tuple of str
        What was done, and what seems odd.

    Raises
    ------
    ExchangedRows
        If rows and columns seem exchanged, and nobody says that they are.
    InputError
        If images seem to lie on their side otherwise.
    """
    notes: list[str] = []
    images = _invert(_read_levels(data.images, notes), notes)
    if getattr(source, "transpose", None):
        images = np.ascontiguousarray(images.transpose(0, 2, 1))
    texts = name_labels(data.labels)
    labels = translate_labels(texts, getattr(source, "labels", {}), data.labels)
    notes += describe_unknown(images, texts, labels)
    notes += _check_way(name, images, labels, source)
    return replace(data, images=images, labels=labels), tuple(f"{name}: {n}" for n in notes)


def _read_levels(images: np.ndarray, notes: list[str]) -> np.ndarray:
    """Bring levels to 0 to 255 where nearly all rows are of one other range."""
    low, high, is_whole = _measure_levels(images)
    found = next((each for each in _RANGES if each.holds(low, high)), None)
    if found is not None:
        notes.append(
            f"levels from {found.low:g} to {found.high:g} were brought to 0 to {_BRIGHTEST}"
        )
        return _scale(images, found)
    if low < 0 or high > _BRIGHTEST:
        notes.append(
            f"levels go from {low:.4g} to {high:.4g}; 0 to 255, 0 to 1, -1 to 1 or 0 to 65535 "
            "is expected: if they were standardised, save the pixels before that"
        )
    elif not is_whole:
        notes.append("levels between whole numbers were rounded")
        return _scale(images, _Range(0, _BRIGHTEST))
    return images


def _measure_levels(images: np.ndarray) -> tuple[float, float, bool]:
    """Return between which levels nearly all rows lie, and whether they are whole numbers."""
    if images.dtype.kind not in "uifb" or not images.size:
        return 0, _BRIGHTEST, True
    rows = images.reshape(len(images), -1)
    lows, highs = rows.min(axis=1).astype(float), rows.max(axis=1).astype(float)
    read = np.isfinite(lows) & np.isfinite(highs)
    if not read.any():
        return 0, _BRIGHTEST, True
    low, high = np.quantile(lows[read], 1 - _ALL), np.quantile(highs[read], _ALL)
    return float(low), float(high), _are_whole(rows[read])


def _are_whole(rows: np.ndarray) -> bool:
    """Tell whether at least some rows of a hundred hold whole numbers alone."""
    if rows.dtype.kind != "f":
        return True
    chunks = (rows[start : start + _CHUNK_ROWS] for start in range(0, len(rows), _CHUNK_ROWS))
    whole = sum(int((chunk == np.rint(chunk)).all(axis=1).sum()) for chunk in chunks)
    return whole > (1 - _ALL) * len(rows)


def _scale(images: np.ndarray, levels: _Range) -> np.ndarray:
    """Bring levels to 0 to 255; float32 where a pixel is missing or out of range."""
    factor = _BRIGHTEST / levels.width
    scaled = np.empty(images.shape, np.float32)
    for start in range(0, len(images), _CHUNK_ROWS):
        rows = slice(start, start + _CHUNK_ROWS)
        scaled[rows] = np.rint((images[rows].astype(np.float64) - levels.low) * factor)
    # A comparison with NaN is False.
    fits = bool(((scaled >= 0) & (scaled <= _BRIGHTEST)).all())
    return scaled.astype(np.uint8) if fits else scaled


def _invert(images: np.ndarray, notes: list[str]) -> np.ndarray:
    """Make ink bright where it is dark in nearly all images."""
    if images.dtype.kind not in "uif" or not images.size:
        return images
    if np.count_nonzero(find_inverted(images)) < _ALL * len(images):
        return images
    notes.append(TURNED)
    return np.asarray(_BRIGHTEST - images)


def _check_way(
    name: str, images: np.ndarray, labels: np.ndarray, source: PlainSource
) -> Iterable[str]:
    """Stop where rows and columns are exchanged; say where images lie otherwise.

    Raises
    ------
    InputError
        See `adopt_conventions`.
    """
    # What we make ourselves lies as it should.
    said = getattr(source, "transpose", False)
    if said is False or images.dtype != np.uint8:
        return
    way = find_way(images, labels)
    if way in (None, "upright"):
        return
    if way in ("mirrored", "upside down", "turned by a half"):
        yield f"the images seem {way}: look at them with `digitflow import`"
        return
    kind = ExchangedRows if way == "transposed" and not said else InputError
    raise kind(f"{name}: {_explain_way(str(way), bool(said))}")


def _explain_way(way: str, was_said: bool) -> str:
    seen = "the mean image of each digit resembles that digit far more"
    if was_said:
        return (
            f"with source.transpose: true rows and columns are exchanged, {seen} without: "
            "leave source.transpose out"
        )
    if way == "transposed":
        return (
            f"rows and columns of the images are exchanged, as in EMNIST's files: {seen} when "
            "they are exchanged back. Set source.transpose: true; if the images are right as "
            "they are, source.transpose: false"
        )
    return (
        f"the images are {way}: {seen} when they are laid upright. Save them upright; if they "
        "are right as they are, set source.transpose: false"
    )
