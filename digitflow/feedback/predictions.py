"""Every prediction: the picture, what was read, how surely, by which version, and when."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from digitflow.errors import DigitflowError
from digitflow.feedback.tables import FEEDBACK, add_pictures, define_tables, read_image
from digitflow.images.frame import SIDE
from digitflow.store.artifacts import Store
from digitflow.store.runs import now

# Written at once; what a crash loses is no more.
BUFFERED = 1000


class PredictionLog:
    """Keeps predictions; a context manager that writes the rest at its end.

    Parameters
    ----------
    store : Store
        Whose database it writes to.
    strict : bool
        If false, a database that can't be written raises nothing: `failure` says why, and
        no more is kept.
    """

    def __init__(self, store: Store, strict: bool = True) -> None:
        self.store = store
        self.strict = strict
        self.failure: DigitflowError | None = None
        self._images: list[np.ndarray] = []
        self._rows: list[dict[str, Any]] = []

    def __enter__(self) -> "PredictionLog":
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()

    def add(
        self,
        images: np.ndarray,
        probabilities: np.ndarray,
        statuses: Sequence[str],
        model: str,
        version: str,
        files: str | Sequence[str | None] | None = None,
        seconds: float | None = None,
    ) -> None:
        """Keep what one version read in images.

        Parameters
        ----------
        images : ndarray of shape (n, 28, 28), uint8
        probabilities : ndarray of shape (n, 10)
        statuses : sequence of str
            "read", "unsure" or "not a digit" of each.
        files : str or sequence of str or None, optional
            Where the pictures came from: one file, or one for each.
        seconds : float, optional
            How long an image took.
        """
        at, shares = now(), np.asarray(probabilities, "<f4")
        if files is None or isinstance(files, str):
            files = [files] * len(images)
        self._images.extend(np.array(image) for image in images)
        self._rows.extend(
            {
                "model": model,
                "version": version,
                "at": at,
                "digit": int(row.argmax()),
                "probability": float(row.max()),
                "probabilities": row.tobytes(),
                "status": status,
                "file": file,
                "seconds": seconds,
            }
            for row, status, file in zip(shares, statuses, files, strict=True)
        )
        if len(self._rows) >= BUFFERED:
            self.flush()

    def flush(self) -> None:
        """Write what is buffered, all or none.

        Raises
        ------
        StorageError
            If the database can't be written.
        """
        try:
            if self._rows and self.failure is None:
                self._write()
        except DigitflowError as exc:
            if self.strict:
                raise
            self.failure = exc
        self._images, self._rows = [], []

    def _write(self) -> None:
        FEEDBACK.require_tables(self.store)
        with FEEDBACK.connect(self.store) as connection:
            digests = add_pictures(connection, self._images)
            rows = [
                {"picture": digest, **row}
                for digest, row in zip(digests, self._rows, strict=True)
            ]
            connection.execute(define_tables().tables["predictions"].insert(), rows)
            connection.commit()


@dataclass(frozen=True)
class Recent:
    """The latest predictions of a version, the oldest first.

    Attributes
    ----------
    pictures : tuple of str
        Digests.
    images : ndarray of shape (n, 28, 28), uint8
    digits : ndarray of shape (n,), uint8
    probabilities : ndarray of shape (n,), float32
        Of the digit that was read.
    statuses : tuple of str
    at : tuple of str
        UTC, ISO 8601.
    seconds : ndarray of shape (n,), float64
        How long an image took; NaN where that is not known.
    """

    pictures: tuple[str, ...]
    images: np.ndarray
    digits: np.ndarray
    probabilities: np.ndarray
    statuses: tuple[str, ...]
    at: tuple[str, ...]
    seconds: np.ndarray


def read_recent(store: Store, model: str, version: str, count: int) -> Recent:
    """Return the last predictions, at most `count`, of a version of a model."""
    query = (
        "SELECT picture, predictions.at, digit, probability, status, seconds, image "
        "FROM predictions JOIN pictures ON picture = digest "
        "WHERE model = :model AND version = :version ORDER BY id DESC LIMIT :count"
    )
    rows = FEEDBACK.read_rows(store, query, model=model, version=version, count=count)[::-1]
    images = [read_image(row) for row in rows]
    return Recent(
        pictures=tuple(row["picture"] for row in rows),
        images=np.stack(images) if images else np.empty((0, SIDE, SIDE), np.uint8),
        digits=np.array([row["digit"] for row in rows], np.uint8),
        probabilities=np.array([row["probability"] for row in rows], np.float32),
        statuses=tuple(row["status"] for row in rows),
        at=tuple(row["at"] for row in rows),
        seconds=np.array(
            [np.nan if row["seconds"] is None else row["seconds"] for row in rows]
        ),
    )


def count_by_day(store: Store, model: str) -> dict[str, dict[str, int]]:
    """Return how many predictions there were: {day: {status: count}}, the first day first."""
    query = (
        "SELECT substr(at, 1, 10) AS day, status, count(*) AS n FROM predictions "
        "WHERE model = :model GROUP BY day, status ORDER BY day, status"
    )
    found: dict[str, dict[str, int]] = {}
    for row in FEEDBACK.read_rows(store, query, model=model):
        found.setdefault(row["day"], {})[row["status"]] = row["n"]
    return found


def forget_predictions(store: Store, days: int | None, dry_run: bool = False) -> int:
    """Remove predictions that are older than so many days, if any; return how many.

    What somebody corrected stays, its predictions too. Pictures that nothing refers to any
    more go; the file of an SQLite database keeps its size, and fills the room again.

    Raises
    ------
    StorageError
        If the database can't be written.
    """
    from sqlalchemy import func, select

    if days is None or FEEDBACK.is_missing(store):
        return 0
    FEEDBACK.require_tables(store)
    pictures, predictions, corrections = (
        define_tables().tables[name] for name in ("pictures", "predictions", "corrections")
    )
    before = (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="seconds")
    said = select(corrections.c.picture)
    old = (predictions.c.at < before) & predictions.c.picture.not_in(said)
    if dry_run:
        counting = select(func.count().label("n")).select_from(predictions).where(old)
        return int(FEEDBACK.select_rows(store, counting)[0]["n"])
    used = predictions.select().with_only_columns(predictions.c.picture).union(said)
    # Pictures first, as everybody who adds some: nobody waits for the other in a circle.
    with FEEDBACK.removing(store, "pictures", "predictions") as connection:
        removed = connection.execute(predictions.delete().where(old)).rowcount
        connection.execute(pictures.delete().where(pictures.c.digest.not_in(used)))
    return int(removed)
