"""Every prediction: of which sample, what, how surely, by which version, and when."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from digitflow.errors import DigitflowError
from digitflow.feedback.tables import FEEDBACK, Sample, add_samples, define_tables
from digitflow.store.artifacts import Store
from digitflow.store.runs import now

PREDICTED = "predicted"
"""The status of a row: no row is rejected."""
ANSWERED = ("read", PREDICTED)
"""Statuses of what was simply answered."""
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
        self._samples: list[Sample] = []
        self._rows: list[dict[str, Any]] = []

    def __enter__(self) -> "PredictionLog":
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()

    def add(
        self,
        samples: Sequence[Sample],
        predictions: np.ndarray,
        statuses: Sequence[str],
        model: str,
        version: str,
        files: str | Sequence[str | None] | None = None,
        seconds: float | None = None,
        bounds: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> None:
        """Keep what one version predicted for samples.

        Parameters
        ----------
        samples : sequence of Sample
        predictions : ndarray of shape (n, k) or (n,)
            Probabilities of k classes, or values.
        statuses : sequence of str
            "read", "unsure" or "not a digit" of each image; "predicted" of rows.
        files : str or sequence of str or None, optional
            Where the samples came from: one file, or one for each.
        seconds : float, optional
            How long a sample took.
        bounds : pair of ndarrays of shape (n,), optional
            The intervals of values.
        """
        if files is None or isinstance(files, str):
            files = [files] * len(samples)
        known = {"model": model, "version": version, "at": now(), "seconds": seconds}
        described = _describe_predictions(np.asarray(predictions), bounds)
        self._samples.extend(samples)
        self._rows.extend(
            {"sample": sample.digest, **known, **said, "status": status, "file": file}
            for sample, said, status, file in zip(
                samples, described, statuses, files, strict=True
            )
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
        self._samples, self._rows = [], []

    def _write(self) -> None:
        FEEDBACK.require_tables(self.store)
        with FEEDBACK.connect(self.store) as connection:
            add_samples(connection, self._samples)
            connection.execute(define_tables().tables["predictions"].insert(), self._rows)
            connection.commit()


def _describe_predictions(
    predictions: np.ndarray, bounds: tuple[np.ndarray, np.ndarray] | None
) -> Iterator[dict[str, Any]]:
    """Yield the columns of each prediction's row that say what was predicted."""
    empty = dict.fromkeys(("probability", "probabilities", "low", "high"))
    if predictions.ndim == 2:
        for shares in predictions.astype("<f4"):
            yield {
                **empty,
                "predicted": float(shares.argmax()),
                "probability": float(shares.max()),
                "probabilities": shares.tobytes(),
            }
        return
    low, high = bounds or (np.full(len(predictions), np.nan),) * 2
    for value, *interval in zip(predictions.tolist(), low.tolist(), high.tolist(), strict=True):
        known = dict(zip(("low", "high"), interval, strict=True)) if bounds else {}
        yield {**empty, "predicted": value, **known}


@dataclass(frozen=True)
class Recent:
    """The latest predictions of a version, the oldest first.

    Attributes
    ----------
    samples : tuple of Sample
    predicted : ndarray of shape (n,), float64
        Numbers of classes, or values.
    probabilities : ndarray of shape (n,), float32
        Of the class that was predicted; NaN for a value.
    bounds : ndarray of shape (2, n), float64
        Of the intervals of values; NaN where there are none.
    statuses : tuple of str
    at : tuple of str
        UTC, ISO 8601.
    seconds : ndarray of shape (n,), float64
        How long a sample took; NaN where that is not known.
    """

    samples: tuple[Sample, ...]
    predicted: np.ndarray
    probabilities: np.ndarray
    bounds: np.ndarray
    statuses: tuple[str, ...]
    at: tuple[str, ...]
    seconds: np.ndarray


def read_recent(store: Store, model: str, version: str, count: int) -> Recent:
    """Return the last predictions, at most `count`, of a version of a model."""
    query = (
        "SELECT sample, predictions.at, predicted, probability, low, high, status, seconds, "
        "content FROM predictions JOIN samples ON sample = digest "
        "WHERE model = :model AND version = :version ORDER BY id DESC LIMIT :count"
    )
    rows = FEEDBACK.read_rows(store, query, model=model, version=version, count=count)[::-1]

    def gather(name: str) -> np.ndarray:
        return np.array([np.nan if row[name] is None else row[name] for row in rows], float)

    return Recent(
        samples=tuple(Sample(row["sample"], bytes(row["content"])) for row in rows),
        predicted=gather("predicted"),
        probabilities=gather("probability").astype(np.float32),
        bounds=np.stack([gather("low"), gather("high")]),
        statuses=tuple(row["status"] for row in rows),
        at=tuple(row["at"] for row in rows),
        seconds=gather("seconds"),
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

    What somebody corrected stays, its predictions too. Samples that nothing refers to any
    more go. The room that they leave in an SQLite file goes back with `collect_garbage`.

    Raises
    ------
    StorageError
        If the database can't be written.
    """
    from sqlalchemy import func, select

    if days is None or FEEDBACK.is_missing(store):
        return 0
    FEEDBACK.require_tables(store)
    samples, predictions, corrections = (
        define_tables().tables[name] for name in ("samples", "predictions", "corrections")
    )
    before = (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="seconds")
    said = select(corrections.c.sample)
    old = (predictions.c.at < before) & predictions.c.sample.not_in(said)
    if dry_run:
        counting = select(func.count().label("n")).select_from(predictions).where(old)
        return int(FEEDBACK.select_rows(store, counting)[0]["n"])
    used = predictions.select().with_only_columns(predictions.c.sample).union(said)
    # Samples first, as everybody who adds some: nobody waits for the other in a circle.
    with FEEDBACK.removing(store, "samples", "predictions") as connection:
        removed = connection.execute(predictions.delete().where(old)).rowcount
        connection.execute(samples.delete().where(samples.c.digest.not_in(used)))
    return int(removed)
