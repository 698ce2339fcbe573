"""Corrections among the training images, and which of them a model has learnt from."""

import numpy as np

from digitflow.data.sets import LabelledImages, SampleSet, Splits, open_set, store_set
from digitflow.feedback.corrections import (
    Role,
    list_conflicts,
    list_corrections,
    read_corrected,
)
from digitflow.feedback.tables import FEEDBACK
from digitflow.images.frame import digest_image
from digitflow.store.artifacts import Store
from digitflow.store.references import Record
from digitflow.store.runs import RunLog, now

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


def read_corrections(store: Store) -> Corrections:
    """Read the corrections up to now; equal corrections are equal references."""

    def read(role: Role) -> tuple[SampleSet | None, int]:
        corrected = read_corrected(store, role)
        found = LabelledImages(corrected.images, corrected.labels)
        return (store_set(store, found) if len(found) else None), corrected.last

    (training, last), (judging, _) = read("training"), read("gate")
    return Corrections(training=training, judging=judging, last=last)


def learn_corrections(
    store: Store, splits: Splits, corrections: SampleSet, repeat: int
) -> SampleSet:
    """Add corrections to the training images, but none that validates or judges.

    Parameters
    ----------
    repeat : int
        How often each correction is added.
    """
    kept = _digest_parts(store, splits.calibration, splits.validation, splits.test)
    train = open_set(store, splits.train)
    joined, _ = join_corrections(train, open_set(store, corrections), kept, repeat)
    return store_set(store, joined)


def choose_judging(store: Store, corrections: SampleSet, splits: Splits) -> SampleSet | None:
    """Return the corrections that are no image of a split: those are learnt from, or judge."""
    parts = (splits.train, splits.calibration, splits.validation, splits.test)
    found = open_set(store, corrections)
    rows = find_others(found.images, _digest_parts(store, *parts))
    chosen = LabelledImages(np.array(found.images[rows]), np.array(found.labels[rows]))
    return store_set(store, chosen) if len(rows) else None


def _digest_parts(store: Store, *parts: SampleSet) -> set[str]:
    digests = (digest_all(store.open_array(part.samples)) for part in parts)
    return set[str]().union(*digests)


def record_training(log: RunLog, model: str, outcome: str, last: int) -> None:
    """Note that a run learnt from the corrections up to `last`, whatever its verdict is."""
    if last:
        add_training_event(log.store, model, log.run, "trained", outcome, last)


def join_corrections(
    train: LabelledImages, corrections: LabelledImages, kept: set[str], repeat: int
) -> tuple[LabelledImages, int]:
    """Add corrections to the training images.

    Parameters
    ----------
    corrections : LabelledImages
        Labels by people; a training image that one of them is equal to gives way to it.
    kept : set of str
        Digests of what must not be learnt from: validation and test images.
    repeat : int
        How often each correction is added.

    Returns
    -------
    joined : LabelledImages
        The training images first, in their order.
    used : int
        Corrections that are among them, each counted once.
    """
    digests = [digest_image(image) for image in corrections.images]
    rows = [row for row, digest in enumerate(digests) if digest not in kept]
    chosen, corrected = np.array(rows, int), {digests[row] for row in rows}
    remaining = find_others(train.images, corrected)
    rest = train.take(remaining)
    new = np.repeat(chosen, repeat)

    def join(name: str) -> np.ndarray | None:
        old = getattr(rest, name)
        if old is None:
            return None
        return np.concatenate([old, np.full(len(new), UNKNOWN, old.dtype)])

    joined = LabelledImages(
        images=np.concatenate([rest.images, corrections.images[new]]),
        labels=np.concatenate([rest.labels, corrections.labels[new].astype(rest.labels.dtype)]),
        writers=join("writers"),
        series=join("series"),
        sources=join("sources"),
    )
    return joined, len(rows)


def find_others(images: np.ndarray, digests: set[str]) -> np.ndarray:
    """Return the rows of images (n, 28, 28) whose digest is none of these."""
    found = [digest_image(image) not in digests for image in images]
    return np.flatnonzero(found)


def digest_all(images: np.ndarray) -> set[str]:
    """Return the digests of images (n, 28, 28)."""
    return {digest_image(image) for image in images}


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


def count_new(store: Store, model: str, reason: str = "trained") -> tuple[int, int]:
    """Return how many pictures to learn from are new to a model, and the last correction.

    Parameters
    ----------
    reason : str
        New since the last event of this kind.
    """
    known = [
        event.last_correction
        for event in list_training_events(store, model)
        if event.reason == reason
    ]
    since = max(known, default=0)
    corrections, held = list_corrections(store), list_conflicts(store)
    new = {
        row.picture
        for row in corrections
        if row.id > since and row.role == "training" and row.picture not in held
    }
    return len(new), corrections[-1].id if corrections else 0
