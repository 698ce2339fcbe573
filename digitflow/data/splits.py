"""Which rows are learnt from, and which calibrate, compare and test what was learnt.

Parts are stratified by class. A writer whose rows are known is in one part only: digits of
the same hand on both sides of a split flatter a model.
"""

import logging
import warnings
from fractions import Fraction

import numpy as np

from digitflow.config.data import SplitShares
from digitflow.data.sets import UNKNOWN_WRITER, CheckedSets, Splits, open_set, store_set
from digitflow.errors import InputError, list_some
from digitflow.store.artifacts import Store

logger = logging.getLogger(__name__)

# A fold's cost grows with the number of folds; a twentieth is fine enough for a share.
_MAX_FOLDS = 20


def split_digits(store: Store, checked: CheckedSets, shares: SplitShares, seed: int) -> Splits:
    """Split stored digits by `split_rows`; a source's own test set is kept as it is."""
    data, has_test = open_set(store, checked.train), checked.test is not None
    parts = split_rows(data.labels, data.writers, shares, has_test, seed, data.sources)
    sets = {name: store_set(store, data.take(rows)) for name, rows in parts.items()}
    if checked.test is not None:
        sets["test"] = checked.test
    return Splits(**sets)


def split_rows(
    labels: np.ndarray,
    writers: np.ndarray | None,
    shares: SplitShares,
    has_test: bool,
    seed: int,
    sources: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Divide rows into parts, at random but alike for equal arguments.

    Parameters
    ----------
    labels : ndarray of shape (n,), uint8
        The digits, 0 to 9.
    writers : ndarray of shape (n,), int32, or None
        Who wrote each row; -1 where unknown, such a row goes anywhere.
    shares : SplitShares
        `test` of all rows are set aside first, then `validation` of the rest, of which
        `calibration` calibrates. With few writers, the shares are met as nearly as whole
        writers allow.
    has_test : bool
        Whether the source has its own test images, so that none are set aside here.
    seed : int
        From 0 to 2**32 - 1.
    sources : ndarray of shape (n,), optional
        Which part of a mix each row is from; test rows are set aside from part 0 alone.

    Returns
    -------
    dict of ndarray, int64
        Sorted row numbers under "train", "calibration", "validation" and, unless `has_test`,
        "test". Every row is in exactly one part.

    Raises
    ------
    InputError
        If there are too few rows or writers of some class to have it in every part.
    """
    groups = _name_groups(len(labels), writers)
    # The cuts don't share their randomness.
    seeds = [int(number) for number in np.random.SeedSequence(seed).generate_state(3)]
    rest, parts = np.arange(len(labels)), {}
    if not has_test:
        first = rest if sources is None else np.flatnonzero(sources == 0)
        parts["test"], _ = _cut(first, labels, groups, shares.test, seeds[0])
        rest = np.setdiff1d(rest, parts["test"])
    held, train = _cut(rest, labels, groups, shares.validation, seeds[1])
    calibration, validation = _cut(held, labels, groups, shares.calibration, seeds[2])
    parts |= {"train": train, "calibration": calibration, "validation": validation}
    _check_parts(parts, labels, groups)
    logger.info("split: %s", {name: len(rows) for name, rows in parts.items()})
    return parts


def _name_groups(length: int, writers: np.ndarray | None) -> np.ndarray:
    """Return the writer of each row, or -1 where the row is bound to no other."""
    if writers is None:
        return np.full(length, UNKNOWN_WRITER)
    # A writer of one row binds nothing; and thousands of groups would take minutes.
    _, writer, count = np.unique(writers, return_inverse=True, return_counts=True)
    return np.where(count[writer] > 1, writers, UNKNOWN_WRITER)


def _cut(
    rows: np.ndarray, labels: np.ndarray, groups: np.ndarray, share: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the share that is cut off, and what is left; both sorted."""
    bound = groups[rows] != UNKNOWN_WRITER
    free_rows, bound_rows = rows[~bound], rows[bound]
    taken = np.concatenate(
        [
            _pick_rows(free_rows, labels[free_rows], share, seed),
            _pick_writers(bound_rows, labels[bound_rows], groups[bound_rows], share, seed),
        ]
    )
    return np.sort(taken), np.setdiff1d(rows, taken)


def _pick_rows(rows: np.ndarray, labels: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Pick a share of each class.

    By hand: scikit-learn's StratifiedShuffleSplit refuses a class of one row, which is
    fine where the others of that class are bound to writers.
    """
    generator = np.random.default_rng(seed)
    shuffled = generator.permutation(len(rows))
    picked = [
        shuffled[labels[shuffled] == label][: round(share * count)]
        for label, count in zip(*np.unique(labels, return_counts=True), strict=True)
    ]
    return rows[np.concatenate(picked)] if picked else rows


def _pick_writers(
    rows: np.ndarray, labels: np.ndarray, groups: np.ndarray, share: float, seed: int
) -> np.ndarray:
    """Pick whole writers whose rows are nearly the share, with the classes of all."""
    from sklearn.model_selection import StratifiedGroupKFold

    most = min(_MAX_FOLDS, len(np.unique(groups)), _count_largest_class(labels))
    if most < 2:
        return rows[:0]
    wanted = Fraction(share).limit_denominator(most)
    count, total = wanted.numerator, wanted.denominator
    if not 0 < count < total:
        count, total = (1, most) if count == 0 else (most - 1, most)
    folds = StratifiedGroupKFold(total, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # A class that is missing somewhere is reported at the end, for all parts.
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        picked = [test for _, test in folds.split(rows, labels, groups)][:count]
    return np.asarray(rows[np.concatenate(picked)])


def _count_largest_class(labels: np.ndarray) -> int:
    return int(np.unique(labels, return_counts=True)[1].max(initial=0))


def _check_parts(parts: dict[str, np.ndarray], labels: np.ndarray, groups: np.ndarray) -> None:
    classes = np.unique(labels)
    lacking = [
        f"{name} has no {label}"
        for name, rows in parts.items()
        for label in np.setdiff1d(classes, labels[rows])
    ]
    if not lacking and all(len(rows) for rows in parts.values()):
        return
    raise InputError(
        f"{_describe_rows(labels, groups)} can't be split into {', '.join(parts)} with "
        f"every digit in each: {list_some(lacking)}. Add images, of more writers where "
        "writers are known, or change the shares in split."
    )


def _describe_rows(labels: np.ndarray, groups: np.ndarray) -> str:
    bound = groups[groups != UNKNOWN_WRITER]
    if not bound.size:
        return f"{len(labels)} images"
    return f"{len(labels)} images ({len(np.unique(bound))} writers of two or more)"


def choose_subset(labels: np.ndarray, size: int, seed: int) -> np.ndarray:
    """Choose rows at random, every digit as often among them as among all.

    Parameters
    ----------
    labels : ndarray of shape (n,), uint8
        The digits, 0 to 9.
    size : int
        How many rows; at most n.

    Returns
    -------
    ndarray of shape (size,), int64
        Sorted row numbers.

    Raises
    ------
    InputError
        If there are fewer rows than `size`, or so few that a digit would be missing.
    """
    if size > len(labels):
        raise InputError(f"there are {len(labels):,} images to choose from, not {size:,}")
    if size == len(labels):
        return np.arange(size)
    from sklearn.model_selection import StratifiedShuffleSplit

    counts = np.bincount(labels)
    rarest = counts[counts > 0].min()
    least = -(-len(labels) // rarest)
    if size < least or len(labels) - size < np.count_nonzero(counts):
        # The other side of a stratified cut needs one of each class as well.
        most = len(labels) - np.count_nonzero(counts)
        raise InputError(
            f"{size:,} of {len(labels):,} images can't hold every digit as often as all of "
            f"them do: choose {least:,} to {most:,}, or all"
        )
    cut = StratifiedShuffleSplit(1, train_size=size, random_state=seed)
    chosen, _ = next(cut.split(labels, labels))
    return np.sort(chosen)


def choose_rows(labels: np.ndarray, count: int, seed: int | None = None) -> np.ndarray:
    """Return the numbers of at most `count` rows, class by class in turns.

    Parameters
    ----------
    labels : ndarray of shape (n,)
        Classes; where they are values (floats), rows are evenly spread over their order.
    count : int
        Rows to choose; all of them if there are fewer.
    seed : int, optional
        Draws them; None takes the first of each class.

    Returns
    -------
    ndarray of shape (min(count, n),), int64
        Sorted. Classes differ by one row at most, as far as there are enough of each.
    """
    if np.issubdtype(labels.dtype, np.floating):
        places = np.linspace(0, len(labels) - 1, min(count, len(labels))).round()
        return np.sort(np.argsort(labels, kind="stable")[places.astype(np.int64)])
    order = np.arange(len(labels))
    if seed is not None:
        order = np.random.default_rng(seed).permutation(order)
    turns = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        mine = labels[order] == label
        turns[mine] = np.arange(mine.sum())
    return np.sort(order[np.argsort(turns, kind="stable")[:count]])
