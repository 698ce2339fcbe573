"""Labels as others write them: as what texts, and which digits they stand for."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from digitflow.data.orientation import average_classes, describe_digits
from digitflow.data.sets import CLASSES
from digitflow.errors import InputError, list_some

_LISTED = 10
# Means of fewer images don't tell one digit from another.
_LEAST_IMAGES = 5
# Of a mean image to the digit that it shows: .7 to .9 of MNIST, .48 at least of ten images.
_LEAST_LIKENESS = 0.4
_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
# How Python writes bytes, and quotes that a spreadsheet left.
_QUOTED = re.compile(r"""^b?(['"])(.*)\1$""")


def name_labels(labels: np.ndarray) -> np.ndarray:
    """Write labels as texts, one way for each: 5, 5.0, "5", b'5' and one-hot are "5".

    Parameters
    ----------
    labels : ndarray of shape (n,), (n, 1) or (n, 10)
        Numbers, bytes or texts; with ten columns, a 1 in that of the digit.

    Returns
    -------
    ndarray of shape (n,), str
        Empty where a label is missing.
    """
    if _is_one_hot(labels):
        labels = labels.argmax(axis=1)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.dtype.kind in "uifb":
        values, places = np.unique(labels, return_inverse=True)
    else:
        texts = [_decode(label) for label in labels.tolist()]
        values, places = np.unique(np.array(texts, dtype=str), return_inverse=True)
    names = np.array([_name_label(value) for value in values.tolist()], dtype=str)
    return names[places] if len(names) else np.empty(0, dtype="U1")


def _is_one_hot(labels: np.ndarray) -> bool:
    if labels.ndim != 2 or labels.shape[1] != CLASSES or labels.dtype.kind not in "uifb":
        return False
    return bool(((labels == 1).sum(axis=1) == 1).all() and (labels != 0).sum() == len(labels))


def _decode(label: Any) -> str:
    if label is None:
        return ""
    return label.decode(errors="replace") if isinstance(label, bytes) else str(label)


def _name_label(label: Any) -> str:
    """Write a label as a whole number where it is one, else as it is."""
    text = str(label).strip()
    if quoted := _QUOTED.match(text):
        text = quoted[2].strip()
    try:
        number = float(text)
    except ValueError:
        return text
    if np.isnan(number):
        return ""
    return str(int(number)) if number.is_integer() else str(number)


def translate_labels(
    texts: np.ndarray, meanings: Mapping[str, int], raw: np.ndarray
) -> np.ndarray:
    """Return labels (n,) as numbers: float32 with NaN for texts that are none, else uint8.

    Parameters
    ----------
    texts : ndarray of shape (n,), str
        As `name_labels` writes them.
    meanings : mapping
        From a label to its digit, where it isn't that digit itself.
    raw : ndarray
        What `texts` were; returned where there was nothing to translate.
    """
    if not meanings and raw.ndim == 1 and raw.dtype.kind in "uif":
        return raw
    names, places = np.unique(texts, return_inverse=True)
    numbers = np.array([_to_number(name, meanings) for name in names.tolist()], np.float32)
    labels = numbers[places] if len(numbers) else np.empty(0, np.float32)
    is_digit = np.isin(labels, np.arange(CLASSES))
    return labels.astype(np.uint8) if is_digit.all() else labels


def require_labels(meanings: Mapping[str, int], *columns: np.ndarray) -> None:
    """Stop where none of the labels that `source.labels` names is in any column.

    Raises
    ------
    InputError
        It names the labels that there are.
    """
    names = {name for column in columns for name in np.unique(name_labels(column)).tolist()}
    if meanings and not names & set(meanings):
        raise InputError(
            f"source.labels names {list_some(meanings)}, and there is no such label: there are "
            f"{list_some(sorted(names), _LISTED)}"
        )


def _to_number(name: str, meanings: Mapping[str, int]) -> float:
    if name in meanings:
        return meanings[name]
    try:
        return float(name)
    except ValueError:
        return np.nan


def describe_unknown(
    images: np.ndarray, texts: np.ndarray, labels: np.ndarray
) -> Iterable[str]:
    """Say which labels are no digits, and what would make them digits."""
    unknown = ~np.isin(labels, np.arange(CLASSES))
    names, counts = np.unique(texts[unknown], return_counts=True)
    named = [
        f"{name or 'nothing'} ({count:,} images)"
        for name, count in sorted(zip(names.tolist(), counts.tolist(), strict=True), key=_rank)
    ]
    if not named:
        return
    meanings = suggest_meanings(images, texts, labels)
    way_out = (
        f"if they mean these digits, say so by source.labels: {write_meanings(meanings)}"
        if meanings
        else "source.labels says which digits they mean, as in source.labels: {10: 0}"
    )
    yield f"labels that are no digits: {list_some(named, _LISTED)}; {way_out}"


def _rank(named: tuple[str, int]) -> tuple[int, str]:
    return len(named[0]), named[0]


def write_meanings(meanings: Mapping[str, int]) -> str:
    """Write `source.labels` as a config has it."""
    return "{" + ", ".join(f"{name}: {digit}" for name, digit in meanings.items()) + "}"


def suggest_meanings(
    images: np.ndarray, texts: np.ndarray, labels: np.ndarray
) -> dict[str, int]:
    """Guess which digits labels stand for that are none, by their words or their images.

    Parameters
    ----------
    images : ndarray of shape (n, 28, 28)
    texts : ndarray of shape (n,), str
        The labels as they are written.
    labels : ndarray of shape (n,)
        The same as numbers.

    Returns
    -------
    dict of str to int
        As `source.labels` is written; empty where nothing is likely.
    """
    names = sorted(set(texts.tolist()) - {""}, key=lambda name: (len(name), name))
    wrong = set(texts[~np.isin(labels, np.arange(CLASSES))].tolist()) & set(names)
    if {name.lower() for name in names} == set(_WORDS):
        return {name: _find_word(name) for name in sorted(names, key=_find_word)}
    if len(names) > CLASSES or not wrong:
        return {}
    if set(names) == {str(number) for number in range(1, CLASSES + 1)}:
        return _choose_shift(images, texts)
    free = [digit for digit in range(CLASSES) if str(digit) not in names]
    return _match_digits(images, texts, sorted(wrong), free)


def _find_word(name: str) -> int:
    return _WORDS.index(name.lower())


def _choose_shift(images: np.ndarray, texts: np.ndarray) -> dict[str, int]:
    """Tell whether 1 to 10 are 1 to 9 and 0, or each one more than its digit."""
    shifted = {str(digit + 1): digit for digit in range(CLASSES)}
    tenth = {"10": 0}
    likeness = _compare_classes(images, texts, list(shifted))
    rows = np.arange(CLASSES)
    as_shifted = likeness[rows, rows].sum()
    as_tenth = likeness[rows, (rows + 1) % CLASSES].sum()
    return shifted if as_shifted > as_tenth else tenth


def _match_digits(
    images: np.ndarray, texts: np.ndarray, names: list[str], free: list[int]
) -> dict[str, int]:
    """Give each label the digit that its images look most like, each digit once."""
    from scipy.optimize import linear_sum_assignment

    counts = [np.count_nonzero(texts == name) for name in names]
    if len(names) != len(free) or min(counts) < _LEAST_IMAGES:
        return {}
    likeness = _compare_classes(images, texts, names)[:, free]
    rows, columns = linear_sum_assignment(-likeness)
    if likeness[rows, columns].min() < _LEAST_LIKENESS:
        return {}
    return {names[row]: free[column] for row, column in zip(rows, columns, strict=True)}


def _compare_classes(images: np.ndarray, texts: np.ndarray, names: list[str]) -> np.ndarray:
    """Return how alike the mean image of each label is to each digit, (k, 10)."""
    levels = np.nan_to_num(images) if images.dtype.kind == "f" else images
    means = average_classes(levels, texts, np.array(names)).reshape(len(names), -1)
    return np.asarray(means @ describe_digits().reshape(CLASSES, -1).T)
