"""Corrections among the training samples, and which of them a model has learnt from."""

import logging
from collections.abc import Sequence

import numpy as np

from digitflow.data.facts import TableFacts
from digitflow.data.sets import SampleSet, Splits
from digitflow.data.tables.frames import identify_rows, read_cells
from digitflow.data.tables.inspection import CheckedFrame
from digitflow.errors import list_some
from digitflow.feedback.corrections import (
    DIGITS,
    Corrected,
    Role,
    list_conflicts,
    list_corrections,
    read_corrected,
)
from digitflow.feedback.tables import FEEDBACK, open_image
from digitflow.images.frame import digest_image
from digitflow.store.artifacts import Store
from digitflow.store.references import ArrayRef, Record
from digitflow.store.runs import RunLog, now

logger = logging.getLogger(__name__)

UNKNOWN = -1  # the writer of whoever drew a correction


class TrainingEvent(Record):
    """A training, or the announcement of one, and the last correction it knew of.

    Attributes
    ----------
    id : int
    model, run : str
        The run is empty where a training was only announced.
    reason : str
        "trained", "announced", or "drift" where one was begun for that.
    outcome : str
        The verdict's: "promote", "keep", ...
    last_correction : int
        Id of the last correction that it knew of; 0 without any.
    at : str
        UTC, ISO 8601.
    """

    id: int
    model: str
    run: str
    reason: str
    outcome: str
    last_correction: int
    at: str


class Corrections(Record):
    """Corrections that people agree on, by their use; None where there are none.

    `last` is the id of the last one there was.
    """

    training: SampleSet | None
    judging: SampleSet | None
    last: int


NOTHING = Corrections(training=None, judging=None, last=0)


def read_corrections(store: Store, model: str, table: TableFacts | None) -> Corrections:
    """Read the corrections up to now; equal corrections are equal references.

    Parameters
    ----------
    model : str
        Whose they are, if it takes rows.
    table : TableFacts or None
        What the rows must hold that a model takes; None for one of digits.
    """

    def read(role: Role) -> tuple[SampleSet | None, int]:
        corrected = read_corrected(store, role, DIGITS if table is None else model)
        if not corrected.samples:
            return None, corrected.last
        if table is None:
            return _store_digits(store, corrected), corrected.last
        return _store_rows(store, corrected, table), corrected.last

    (training, last), (judging, _) = read("training"), read("gate")
    return Corrections(training=training, judging=judging, last=last)


def _store_digits(store: Store, corrected: Corrected) -> SampleSet:
    images = np.stack([open_image(sample.content) for sample in corrected.samples])
    labels = np.array([int(target) for target in corrected.targets], np.uint8)
    return SampleSet(samples=store.put_array(images), targets=store.put_array(labels))


def _store_rows(store: Store, corrected: Corrected, table: TableFacts) -> SampleSet | None:
    """Store rows that are what the columns hold by now; others are passed over, and named."""
    records, fits = open_rows([sample.content for sample in corrected.samples], table)
    targets = number_targets(corrected.targets, table)
    known = np.isfinite(targets)
    if not (fits & known).all():
        lost = [
            sample.digest[:12]
            for sample, usable in zip(corrected.samples, fits & known, strict=True)
            if not usable
        ]
        logger.warning(
            "corrections of rows that the table has no more columns, or class, for are passed "
            "over: %s", list_some(lost),
        )  # fmt: skip
    records, targets = records[known[fits]], targets[fits & known]
    if not len(records):
        return None
    return SampleSet(
        samples=store.put_array(records),
        targets=store.put_array(targets.astype(np.int64) if table.classes else targets),
        classes=table.classes,
        unit=table.unit,
    )


def open_rows(contents: Sequence[bytes], table: TableFacts) -> tuple[np.ndarray, np.ndarray]:
    """Return kept rows as records, and which of them the columns have a place for.

    Returns
    -------
    records : ndarray of shape (m,), structured
        Of those that have one.
    fits : ndarray of shape (n,), bool
    """
    frame = read_cells(contents).reindex(columns=list(table.columns))
    checked = CheckedFrame(frame, table.columns)
    fits = np.isin(np.arange(len(frame)), checked.good)
    return checked.to_records(table.columns), fits


def number_targets(targets: Sequence[str], table: TableFacts) -> np.ndarray:
    """Return targets of rows as numbers, float64 (n,): of classes, or values.

    NaN stands for a class that the table has not, or what is no number.
    """
    numbers = {name: float(number) for number, name in enumerate(table.classes)}

    def number(text: str) -> float:
        if table.classes:
            return numbers.get(text, np.nan)
        try:
            return float(text)
        except ValueError:
            return np.nan

    return np.array([number(text) for text in targets], np.float64)


def learn_corrections(
    store: Store,
    splits: Splits,
    corrections: SampleSet,
    repeat: int,
    identity: tuple[str, ...] = (),
) -> SampleSet:
    """Add corrections to the training samples, but none that validates or judges.

    A training sample that one of them is equal to gives way to it.

    Parameters
    ----------
    repeat : int
        How often each correction is added.
    identity : tuple of str
        Columns that together tell one row from another; without any, all of them.
    """
    kept = _digest_parts(store, (splits.calibration, splits.validation, splits.test), identity)
    train = splits.train
    remaining, chosen = choose_rows(
        digest_samples(store.open_array(train.samples), identity),
        digest_samples(store.open_array(corrections.samples), identity),
        kept,
    )
    new = np.repeat(chosen, repeat)

    def join(name: str) -> ArrayRef | None:
        old: ArrayRef | None = getattr(train, name)
        if old is None:
            return None
        rest, added = store.open_array(old)[remaining], getattr(corrections, name)
        more = (
            np.full(len(new), UNKNOWN, rest.dtype)
            if added is None
            else store.open_array(added)[new]
        )
        if not rest.dtype.names:
            more = more.astype(rest.dtype)
        return store.put_array(np.concatenate([rest, more]))

    columns = ("samples", "targets", "writers", "series", "sources")
    return train.model_copy(update={name: join(name) for name in columns})


def choose_judging(
    store: Store, corrections: SampleSet, splits: Splits, identity: tuple[str, ...] = ()
) -> SampleSet | None:
    """Return the corrections that are no sample of a split: those are learnt from, or judge."""
    parts = (splits.train, splits.calibration, splits.validation, splits.test)
    samples = store.open_array(corrections.samples)
    others = ~np.isin(
        digest_samples(samples, identity), list(_digest_parts(store, parts, identity))
    )
    if not others.any():
        return None
    targets = store.open_array(corrections.targets)
    return corrections.model_copy(
        update={
            "samples": store.put_array(np.array(samples[others])),
            "targets": store.put_array(np.array(targets[others])),
        }
    )


def choose_rows(
    train: np.ndarray, corrections: np.ndarray, kept: set[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the training rows that stay, and the corrections that may be learnt from.

    Parameters
    ----------
    train, corrections : ndarrays of str
        Digests.
    kept : set of str
        Digests of what must not be learnt from: validation and test samples.
    """
    chosen = np.flatnonzero(~np.isin(corrections, list(kept)))
    return np.flatnonzero(~np.isin(train, corrections[chosen])), chosen


def digest_samples(samples: np.ndarray, identity: tuple[str, ...] = ()) -> np.ndarray:
    """Return the digests of images (n, 28, 28), or of records (n,), str (n,)."""
    if samples.dtype.names:
        return identify_rows(samples, identity).astype(str)
    return np.array([digest_image(image) for image in samples], dtype=str)


def _digest_parts(
    store: Store, parts: Sequence[SampleSet], identity: tuple[str, ...]
) -> set[str]:
    found = (digest_samples(store.open_array(part.samples), identity) for part in parts)
    return {digest for digests in found for digest in digests.tolist()}


def record_training(log: RunLog, model: str, outcome: str, last: int) -> None:
    """Note that a run learnt from the corrections up to `last`, whatever its verdict is."""
    if last:
        add_training_event(log.store, model, log.run, "trained", outcome, last)


def add_training_event(
    store: Store, model: str, run: str, reason: str, outcome: str, last_correction: int
) -> None:
    """Note that a model was trained, or a training announced, and what it knew of."""
    values = {
        "model": model, "run": run, "reason": reason, "outcome": outcome,
        "last_correction": last_correction, "at": now(),
    }  # fmt: skip
    FEEDBACK.insert_rows(store, "training_events", [values])


def list_training_events(store: Store, model: str) -> list[TrainingEvent]:
    """Return a model's training_events, the first one first."""
    query = "SELECT * FROM training_events WHERE model = :model ORDER BY id"
    return [TrainingEvent(**row) for row in FEEDBACK.read_rows(store, query, model=model)]


def count_new(
    store: Store, model: str, scope: str = DIGITS, reason: str = "trained"
) -> tuple[int, int]:
    """Return how many samples to learn from are new to a model, and the last correction.

    Parameters
    ----------
    scope : str
        Which corrections it learns from, see `find_scope`.
    reason : str
        New since the last event of this kind.
    """
    known = [
        event.last_correction
        for event in list_training_events(store, model)
        if event.reason == reason
    ]
    since = max(known, default=0)
    corrections, held = list_corrections(store, scope), list_conflicts(store, scope)
    new = {
        row.sample
        for row in corrections
        if row.id > since and row.role == "training" and row.sample not in held
    }
    return len(new), corrections[-1].id if corrections else 0
