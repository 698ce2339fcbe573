"""Choose some of many images, every digit as often as the others."""

import numpy as np


def choose_rows(labels: np.ndarray, count: int, seed: int | None = None) -> np.ndarray:
    """Return the numbers of at most `count` rows, digit by digit in turns.

    Parameters
    ----------
    labels : ndarray of shape (n,)
    count : int
        Rows to choose; all of them if there are fewer.
    seed : int, optional
        Draws them; None takes the first of each digit.

    Returns
    -------
    ndarray of shape (min(count, n),), int64
        Sorted. Digits differ by one row at most, as far as there are enough of each.
    """
    order = np.arange(len(labels))
    if seed is not None:
        order = np.random.default_rng(seed).permutation(order)
    turns = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        mine = labels[order] == label
        turns[mine] = np.arange(mine.sum())
    return np.sort(order[np.argsort(turns, kind="stable")[:count]])
