"""The queue of pictures that are worth a label, the most informative first.

A label teaches most where the versions of a model together know least: pictures are ordered by
the entropy of the mean of their probabilities (B. Settles, "Active learning literature survey",
2009: uncertainty sampling, and query by committee). It is high where each is unsure, and where
each is sure of something else.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from digitflow.feedback.corrections import DIGITS, Role, choose_role, list_corrections
from digitflow.feedback.tables import FEEDBACK, iterate_parts, read_images
from digitflow.store.artifacts import Store

Read = Callable[[np.ndarray], np.ndarray]
"""Images uint8 (n, 28, 28) -> their probabilities (n, 10)."""
Measure = Callable[[np.ndarray], tuple[np.ndarray, Sequence[str]]]
"""Images uint8 (n, 28, 28) -> how far each is from what was learnt, above 1 too far, (n,); and
in what."""
Reason = Literal["unsure", "not a digit", "drifted", "read differently"]

LATEST = 5000
"""Predictions that are looked at: what is older was passed over often enough."""
LIMIT = 200


@dataclass(frozen=True)
class Question:
    """A picture to ask a person about.

    Attributes
    ----------
    picture : str
        Digest of the image.
    image : ndarray of shape (28, 28), uint8
    probabilities : dict of str to ndarray of shape (10,)
        By the version that read it, the champion's first.
    reasons : tuple of Reason
        Why it is worth a label: one or more.
    drifted : str
        The statistic in which it is unlike what was learnt; empty where it is like it.
    bits : float
        How much is unknown of what it shows: 0 to log2(10).
    role : {"training", "gate"}
        What a label will be used for.
    file : str or None
        Where it came from.
    at : str
        When it was read last: UTC, ISO 8601.
    """

    picture: str
    image: np.ndarray
    probabilities: Mapping[str, np.ndarray]
    reasons: tuple[Reason, ...]
    drifted: str
    bits: float
    role: Role
    file: str | None
    at: str


@dataclass
class _Seen:
    """A picture as the log knows it: its latest reading, and each version's latest."""

    status: str
    file: str | None
    at: str
    probabilities: dict[str, np.ndarray] = field(default_factory=dict)
    drifted: str = ""

    @property
    def reasons(self) -> tuple[Reason, ...]:
        digits = {int(row.argmax()) for row in self.probabilities.values()}
        found: dict[Reason, bool] = {
            "not a digit": self.status == "not a digit",
            "unsure": self.status == "unsure",
            "read differently": len(digits) > 1,
            "drifted": bool(self.drifted),
        }
        return tuple(reason for reason, holds in found.items() if holds)


def choose_questions(
    store: Store,
    model: str,
    readers: Mapping[str, Read] | None = None,
    measure: Measure | None = None,
    limit: int = LIMIT,
    latest: int = LATEST,
) -> list[Question]:
    """Return the pictures that are most worth a label, the most informative first.

    Those are pictures of the latest predictions that nobody labelled and that a version was
    unsure of, that versions read differently, or that are unlike what was learnt. What was
    taken for no digit comes last: most of it has no label to give.

    Parameters
    ----------
    model : str
        The registered model whose predictions are looked at.
    readers : dict of str to callable, optional
        Versions to compare, the champion first: each is asked of the pictures that it has
        not read. Without any, the versions that read a picture are compared.
    measure : callable, optional
        Tells what is unlike what was learnt.
    limit : int
        Questions to return, at most.
    latest : int
        Predictions to look at, at most; so many bound the memory.

    Raises
    ------
    StorageError
        If the database can't be read.
    """
    seen = _list_open(store, model, latest)
    for part in iterate_parts(list(seen)):
        images = read_images(store, part) if readers or measure else {}
        if images and readers:
            _compare_versions(seen, images, readers)
        if images and measure:
            _find_drifted(seen, images, measure)
    asked = {digest: each for digest, each in seen.items() if each.reasons}
    bits = {
        digest: measure_bits([*each.probabilities.values()]) for digest, each in asked.items()
    }
    # The log's order breaks ties: the latest first.
    order = sorted(
        asked, key=lambda digest: (asked[digest].status == "not a digit", -bits[digest])
    )
    images = read_images(store, order[:limit])
    return [
        Question(
            picture=digest,
            image=images[digest],
            probabilities=asked[digest].probabilities,
            reasons=asked[digest].reasons,
            drifted=asked[digest].drifted,
            bits=bits[digest],
            role=choose_role(digest),
            file=asked[digest].file,
            at=asked[digest].at,
        )
        for digest in order[:limit]
        if digest in images
    ]


def measure_bits(probabilities: Sequence[np.ndarray]) -> float:
    """Return the entropy, in bits, of the mean of some versions' probabilities (10,)."""
    mean = np.asarray(np.mean(probabilities, axis=0, dtype=np.float64))
    mean = mean[mean > 0] / mean.sum()
    return float(-(mean * np.log2(mean)).sum()) + 0.0


def _list_open(store: Store, model: str, latest: int) -> dict[str, _Seen]:
    """Return the pictures of the latest predictions that nobody labelled, the latest first."""
    query = (
        "SELECT sample, version, probabilities, status, file, at FROM predictions "
        "WHERE model = :model ORDER BY id DESC LIMIT :latest"
    )
    rows = FEEDBACK.read_rows(store, query, model=model, latest=latest)
    labelled = {row.sample for row in list_corrections(store, DIGITS)} if rows else set()
    seen: dict[str, _Seen] = {}
    for row in rows:
        if row["sample"] not in labelled:
            own = seen.setdefault(row["sample"], _Seen(row["status"], row["file"], row["at"]))
            own.probabilities.setdefault(row["version"], _read_probabilities(row))
    return seen


def _read_probabilities(row: Mapping[str, Any]) -> np.ndarray:
    return np.frombuffer(row["probabilities"], "<f4")


def _compare_versions(
    seen: Mapping[str, _Seen], images: Mapping[str, np.ndarray], readers: Mapping[str, Read]
) -> None:
    """Keep what these versions read, in their order; ask each of what it has not read yet."""
    for version, read in readers.items():
        new = [digest for digest in images if version not in seen[digest].probabilities]
        rows = read(np.stack([images[digest] for digest in new])) if new else ()
        for digest, row in zip(new, rows, strict=True):
            seen[digest].probabilities[version] = np.asarray(row)
    for digest in images:
        found = seen[digest].probabilities
        seen[digest].probabilities = {version: found[version] for version in readers}


def _find_drifted(
    seen: Mapping[str, _Seen], images: Mapping[str, np.ndarray], measure: Measure
) -> None:
    distances, columns = measure(np.stack(list(images.values())))
    for digest, distance, column in zip(images, distances, columns, strict=True):
        seen[digest].drifted = column if distance > 1 else ""
