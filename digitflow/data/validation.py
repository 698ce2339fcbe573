"""What digits must hold before anything is trained; what does not goes to quarantine."""

import logging
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from digitflow.config.data import ValidationRules
from digitflow.data.inspection import REASONS, Problem, Reason, RowInspection, inspect_rows
from digitflow.data.quarantine import (
    find_duplicates,
    note_copies,
    require_few,
    store_quarantine,
)
from digitflow.data.sets import (
    CLASSES,
    CheckedSets,
    Digits,
    LabelledImages,
    RawSets,
    SampleSet,
    open_set,
    store_set,
)
from digitflow.errors import InputError, list_some
from digitflow.images.frame import digest_image
from digitflow.store.artifacts import Store

logger = logging.getLogger(__name__)

_ADVICE: dict[Reason, str] = {
    "not a whole number": "Pixels are expected as 0 to 255, or all of them as 0 to 1.",
    "blank": "Ink is expected to be bright, near 255, on 0.",
    "inverted": "Bright ink on dark is expected, or dark on bright in all images.",
    "unknown label": "Labels are expected to be 0 to 9.",
}


@dataclass(frozen=True)
class CheckedDigits:
    """Digits fit for use, and the rows that are not.

    Attributes
    ----------
    train, test : LabelledImages
        Clean: images uint8 with bright ink on dark, labels uint8 0 to 9. `test` is None
        where the source has none.
    problems : tuple of Problem
        Training rows first, each split in its own order.
    quarantined : ndarray of shape (len(problems), 28, 28), float32, or None
        The images of the problems, as they came; None if there are none.
    notes : tuple of str
        Sentences on what is worth knowing but no reason to leave a row out; what was done to
        read them is among these.
    """

    train: LabelledImages
    test: LabelledImages | None
    problems: tuple[Problem, ...]
    quarantined: np.ndarray | None
    notes: tuple[str, ...] = ()


def check_digits(digits: Digits, rules: ValidationRules) -> CheckedDigits:
    """Check every image and label; set aside what can't be used.

    Training images that are copies, of one another or of a test image, are set aside too.
    The test set is frozen: copies inside it are only noted.

    Parameters
    ----------
    digits : Digits
        As a source reads them.
    rules : ValidationRules
        How many bad rows are tolerated, and how many good ones each class needs.

    Raises
    ------
    InputError
        If shapes or dtypes are not those of digits, if the share of bad rows in a split is
        above `rules.max_quarantined`, or if a class has fewer than `rules.min_per_class`
        usable training images, or no test image.
    """
    splits, notes = inspect_digits(digits)
    require_usable(splits, rules, digits.notes)
    train, test = splits[0], splits[1] if len(splits) > 1 else None
    problems = tuple(problem for split in splits for problem in split.list_problems())
    if problems:
        logger.warning("%d images go to quarantine: %s", len(problems), _summarise(splits))
    return CheckedDigits(
        train=train.take_usable(),
        test=None if test is None else test.take_usable(),
        problems=problems,
        quarantined=_collect_faulty(splits) if problems else None,
        notes=notes,
    )


def inspect_digits(digits: Digits) -> tuple[list[RowInspection], tuple[str, ...]]:
    """Look at every row: return the splits, faults marked, and notes on what was kept.

    Raises
    ------
    InputError
        If shapes or dtypes are not those of digits.
    """
    train = inspect_rows("train", digits.train)
    test = None if digits.test is None else inspect_rows("test", digits.test)
    notes = (*digits.notes, *_mark_duplicates(train, test))
    return [train] if test is None else [train, test], notes


def require_usable(
    splits: list[RowInspection], rules: ValidationRules, notes: tuple[str, ...] = ()
) -> None:
    """Stop where too much is set aside; `notes` tell what was noticed while reading.

    Raises
    ------
    InputError
        As `check_digits`.
    """
    _check_shares(splits, rules.max_quarantined, notes)
    for split, needed in zip(splits, (rules.min_per_class, 1), strict=False):
        _check_classes(split, needed)


def check_feedback(data: LabelledImages) -> LabelledImages:
    """Return the corrections that can be used; the gate asks how many they are.

    Raises
    ------
    InputError
        If shapes or dtypes are not those of digits, or nothing can be used.
    """
    feedback = inspect_rows("feedback", data)
    if feedback.faulty.size:
        logger.warning("corrections that can't be used: %s", _summarise([feedback]))
    if not feedback.usable.size:
        raise InputError(f"no correction can be used: {_summarise([feedback])}")
    return feedback.take_usable()


def _mark_duplicates(train: RowInspection, test: RowInspection | None) -> tuple[str, ...]:
    """Mark training rows that are copies; return notes on copies inside the test set."""
    rows = train.usable
    found = find_duplicates(_digest_images(train), train.labels[rows])
    notes: tuple[str, ...] = ()
    if test is not None:
        inside = find_duplicates(_digest_images(test), test.labels[test.usable])
        train.mark("duplicate of a test image", rows[np.isin(found.keys, inside.keys)])
        notes = note_copies(inside, test.usable, "test images", "label")
    train.mark("conflicting duplicate", rows[found.conflicting])
    train.mark("duplicate", rows[found.repeated])
    return notes


def _digest_images(split: RowInspection) -> np.ndarray:
    """Return a digest of each usable image."""
    return np.array([digest_image(image) for image in split.images[split.usable]], "S64")


def _check_shares(
    splits: list[RowInspection], limit: float, notes: tuple[str, ...] = ()
) -> None:
    def explain(names: Collection[str]) -> str:
        over = [split for split in splits if split.name in names]
        return " ".join([f"{_summarise(over)}.", *_advise(over), *(f"{n}." for n in notes)])

    counts = {str(split.name): (len(split.faulty), len(split.faults)) for split in splits}
    require_few(counts, limit, "images", explain)


def _advise(splits: list[RowInspection]) -> list[str]:
    return [
        text for reason, text in _ADVICE.items() if any(s.find(reason).size for s in splits)
    ]


def _summarise(splits: list[RowInspection]) -> str:
    """Say for each split and reason how many rows have it, with examples."""
    found = [(s.name, reason, s.find(reason)) for s in splits for reason in REASONS]
    return "; ".join(
        f"{name}: {len(rows)} {reason} (rows {list_some(rows.tolist())})"
        for name, reason, rows in found
        if len(rows)
    )


def _check_classes(split: RowInspection, needed: int) -> None:
    counts = np.bincount(split.labels[split.usable], minlength=CLASSES)
    short = [f"{digit} has {count}" for digit, count in enumerate(counts) if count < needed]
    if short:
        raise InputError(
            f"{split.name}: every digit from 0 to 9 needs at least {needed} usable images: "
            f"{list_some(short)}"
        )


def _collect_faulty(splits: list[RowInspection]) -> np.ndarray:
    images = [split.raw.images[split.faulty].astype(np.float32) for split in splits]
    return np.concatenate(images)


def validate_digits(store: Store, raw: RawSets, rules: ValidationRules) -> CheckedSets:
    """Check stored digits; the rows that can't be used are listed in a quarantine file.

    Raises
    ------
    InputError
        If too many rows are bad, or a class is missing.
    """
    test = None if raw.test is None else open_set(store, raw.test)
    train = open_set(store, raw.train)
    checked = check_digits(Digits(train, test, raw.origin, raw.notes), rules)
    images = checked.quarantined
    return CheckedSets(
        train=store_set(store, checked.train),
        test=None if checked.test is None else store_set(store, checked.test),
        problems=dict(Counter(f"{p.split}: {p.reason}" for p in checked.problems)),
        notes=checked.notes,
        quarantine=store_quarantine(
            store,
            ["split", "row", "label", "reason"],
            ([p.split, p.row, p.label, p.reason] for p in checked.problems),
        ),
        quarantined_images=None if images is None else store.put_array(images),
    )


def validate_feedback(store: Store, raw: RawSets) -> SampleSet:
    """Return the corrections that can be used; one that can't is named in a warning."""
    return store_set(store, check_feedback(open_set(store, raw.train)))
