"""Which rows of a table are learnt from, and which calibrate, compare and test.

The test rows are those that a champion was judged on, as long as the table has them; else a
stratified shuffle or the rows' own digests choose them.
"""

import logging
from collections import Counter

import numpy as np

from digitflow.config.table import Strata, TableShares
from digitflow.errors import InputError, TestSetChanged
from digitflow.store.references import digest_bytes

logger = logging.getLogger(__name__)

_PARTS = ("test", "validation", "calibration")
# Hex digits of a digest that a float64 holds.
_DIGITS = 13


def split_rows(
    keys: np.ndarray,
    strata: np.ndarray | None,
    shares: TableShares,
    has_test: bool,
    seed: int,
    frozen: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Divide rows into parts, at random but alike for equal arguments.

    Parameters
    ----------
    keys : ndarray of shape (n,), bytes
        The identity of each row, see `identify_rows`.
    strata : ndarray of shape (n,), int64, or None
        The group of each row, see `number_strata`; the parts of a shuffle have their share of
        each.
    shares : TableShares
        `test` of all rows are set aside first, then `validation` of the rest, of which
        `calibration` calibrates. By hash the shares are met as nearly as chance has it.
    has_test : bool
        Whether the source has its own test rows, so that none are set aside here.
    seed : int
        From 0 to 2**32 - 1.
    frozen : ndarray of shape (m,), bytes, optional
        Identities of the test rows of a champion: these rows are the test rows, whatever else
        there is.

    Returns
    -------
    dict of ndarray, int64
        Sorted row numbers under "train", "calibration", "validation" and, unless `has_test`,
        "test". Every row is in exactly one part.

    Raises
    ------
    TestSetChanged
        If rows of `frozen` are missing.
    InputError
        If there are too few rows for all parts.
    """

    def cut(rows: np.ndarray, part: str) -> np.ndarray:
        groups = None if strata is None else strata[rows]
        return rows[_choose(keys[rows], groups, shares, part, seed)]

    rest, parts = np.arange(len(keys)), {}
    if not has_test:
        parts["test"] = cut(rest, "test") if frozen is None else find_frozen(keys, frozen)
        rest = np.setdiff1d(rest, parts["test"])
    held = cut(rest, "validation")
    parts["train"] = np.setdiff1d(rest, held)
    parts["calibration"] = cut(held, "calibration")
    parts["validation"] = np.setdiff1d(held, parts["calibration"])
    empty = [name for name, rows in parts.items() if not len(rows)]
    if empty:
        raise InputError(
            f"{len(keys)} rows leave none for {', '.join(empty)}: add rows, or change the "
            "shares in split"
        )
    logger.info("split: %s", {name: len(rows) for name, rows in parts.items()})
    return parts


def number_strata(
    records: np.ndarray, targets: np.ndarray, strata: Strata | None, is_classification: bool
) -> np.ndarray | None:
    """Return the group of each row, of which every part gets its share.

    Parameters
    ----------
    records : ndarray of shape (n,), structured
    targets : ndarray of shape (n,), float64
    strata : Strata or None
        Intervals of a number's column or values of a category's; None for the classes of a
        classification, or no groups.

    Returns
    -------
    ndarray of shape (n,), int64, or None
        Interval k holds edges[k - 1] < value <= edges[k]; missing cells are in the last one.

    Raises
    ------
    InputError
        If there is no such column, or its type and the edges don't fit.
    """
    if strata is None:
        return targets.astype(np.int64) if is_classification else None
    if strata.column not in (records.dtype.names or ()):
        raise InputError(f"split.stratify names {strata.column!r}, which is no feature")
    cells = records[strata.column]
    if (cells.dtype.kind == "U") == bool(strata.edges):
        kind = "a category has no" if strata.edges else "a number needs"
        raise InputError(f"split.stratify.column {strata.column}: {kind} edges")
    if strata.edges:
        return np.searchsorted(strata.edges, cells, side="left").astype(np.int64)
    return np.unique(cells, return_inverse=True)[1].astype(np.int64)


def find_frozen(keys: np.ndarray, frozen: np.ndarray) -> np.ndarray:
    """Return the rows of these identities, each as often as it is among them.

    Parameters
    ----------
    keys, frozen : ndarray of shape (n,) and (m,), bytes
        Identities of all rows, and of those that are looked for.

    Raises
    ------
    TestSetChanged
        If some are missing.
    """
    wanted, rows = Counter(frozen.tolist()), []
    for row, key in enumerate(keys.tolist()):
        if wanted[key] > 0:
            wanted[key] -= 1
            rows.append(row)
    if missing := len(frozen) - len(rows):
        raise TestSetChanged(
            f"{missing} of the {len(frozen)} rows that the champion was judged on are not in "
            "the table: put them back, or set gate.accept_new_test to judge it on others"
        )
    return np.array(rows, np.int64)


def _choose(
    keys: np.ndarray, groups: np.ndarray | None, shares: TableShares, part: str, seed: int
) -> np.ndarray:
    """Return the places of the rows that are cut off for a part, sorted."""
    share: float = getattr(shares, part)
    if shares.by == "hash":
        return np.flatnonzero(_draw_by_hash(keys, part, seed) < share)
    # The cuts don't share their randomness; the first has the seed itself, see `_shuffle`.
    seeds = dict(
        zip(_PARTS, (seed, *np.random.SeedSequence(seed).generate_state(2)), strict=True)
    )
    return np.sort(_shuffle(len(keys), groups, share, int(seeds[part])))


def _draw_by_hash(keys: np.ndarray, part: str, seed: int) -> np.ndarray:
    """Return a number from 0 to 1 for each row, which follows from its identity alone."""
    head = f"{seed} {part} ".encode()
    digests = [digest_bytes(head, key)[:_DIGITS] for key in keys.tolist()]
    return np.array([int(digest, 16) for digest in digests], np.float64) / 16**_DIGITS


def _shuffle(count: int, groups: np.ndarray | None, share: float, seed: int) -> np.ndarray:
    """Choose by scikit-learn, so that who splits with it gets the same test rows."""
    from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

    kind = ShuffleSplit if groups is None else StratifiedShuffleSplit
    cut = kind(1, test_size=share, random_state=seed)
    try:
        _, chosen = next(cut.split(np.zeros(count), _join_single(groups)))
    except ValueError as exc:
        raise InputError(
            f"{count} rows can't be split: {exc}. Add rows, or change the shares in split."
        ) from exc
    return np.asarray(chosen)


def _join_single(groups: np.ndarray | None) -> np.ndarray | None:
    """Join groups of one row, which can't be shared, with the largest group."""
    if groups is None:
        return None
    _, place, counts = np.unique(groups, return_inverse=True, return_counts=True)
    return np.where(counts[place] < 2, counts.argmax(), place)
