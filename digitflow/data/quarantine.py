"""Rows that can't be used, whatever they hold: copies of others, their share, their list."""

import csv
import io
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from digitflow.errors import InputError, list_some
from digitflow.store.artifacts import Store
from digitflow.store.references import FileRef


@dataclass(frozen=True)
class Duplicates:
    """Which rows of a set are copies of one another.

    Attributes
    ----------
    keys : ndarray of shape (n,), bytes
        A digest of each row, to find it in other sets.
    repeated : ndarray of shape (n,), bool
        True for every row that occurs earlier in the set.
    conflicting : ndarray of shape (n,), bool
        True for every row that occurs with two or more targets.
    """

    keys: np.ndarray
    repeated: np.ndarray
    conflicting: np.ndarray


def find_duplicates(keys: np.ndarray, targets: np.ndarray) -> Duplicates:
    """Find rows of equal keys (n,), and those among them with other targets (n,)."""
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    repeated = np.ones(len(keys), dtype=bool)
    repeated[first] = False
    # A group conflicts if any of its targets differs from that of its first row.
    conflicts = np.zeros(len(first), dtype=bool)
    conflicts[group[targets != targets[first][group]]] = True
    return Duplicates(keys, repeated, conflicts[group])


def note_copies(found: Duplicates, rows: np.ndarray, what: str, target: str) -> tuple[str, ...]:
    """Say which rows of a test set are copies; `rows` are the numbers of those looked at."""
    marked = {
        f"are copies of earlier {what}": found.repeated,
        f"have a copy with another {target}": found.conflicting,
    }
    return tuple(
        f"{mask.sum()} {what} {copied}: rows {list_some(rows[mask].tolist())}; "
        "they are kept, the test set is frozen"
        for copied, mask in marked.items()
        if mask.any()
    )


def require_few(
    counts: Mapping[str, tuple[int, int]],
    limit: float,
    what: str,
    explain: Callable[[Collection[str]], str],
) -> None:
    """Stop where more than a share of a split is bad.

    Parameters
    ----------
    counts : mapping of str to (int, int)
        Bad rows and all rows of each split.
    limit : float
        The share that is tolerated, 0 to 1.
    what : str
        What the rows are called: "images".
    explain : callable
        From the names of the splits that have too many to what is wrong with them.

    Raises
    ------
    InputError
        If a split has too many.
    """
    over = {name: (bad, n) for name, (bad, n) in counts.items() if bad > limit * n}
    if not over:
        return
    shares = "; ".join(
        f"{name} {bad} of {n} ({bad / n:.2%})" for name, (bad, n) in over.items()
    )
    raise InputError(
        f"too many {what} can't be used: {shares}, validation.max_quarantined allows "
        f"{limit:.2%}. {explain(over)} Correct the data, or raise validation.max_quarantined."
    )


def store_quarantine(
    store: Store, header: Sequence[str], rows: Iterable[Sequence[object]]
) -> FileRef | None:
    """Store a CSV of what was set aside, and why; nothing where there are no rows."""
    listed = list(rows)
    if not listed:
        return None
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows(listed)
    return store.put_bytes(text.getvalue().encode(), "quarantine", ".csv")
