"""What people said of pictures: read, learnt from, kept apart to judge by."""

import numpy as np

from digitflow.data.sets import ImageSet, LabelledImages, Splits, open_set, store_set
from digitflow.feedback.corrections import Role, read_corrected
from digitflow.feedback.learning import (
    add_training_event,
    digest_all,
    find_others,
    join_corrections,
    to_images,
)
from digitflow.store.artifacts import Store
from digitflow.store.references import ArrayRef, Record
from tasks.caching import cached_task, plain_task
from tasks.context import current_run


class Corrections(Record):
    """Corrections that people agree on, by their use; None where there are none.

    `last` is the id of the last one that was looked at.
    """

    training: ImageSet | None
    judging: ImageSet | None
    last: int


NOTHING = Corrections(training=None, judging=None, last=0)


@plain_task(run_name="look at corrections")
def read_corrections() -> Corrections:
    """Read what people said up to now; equal corrections are equal references."""
    store = current_run().store

    def read(role: Role) -> tuple[ImageSet | None, int]:
        corrected = read_corrected(store, role)
        found = to_images(corrected)
        return (store_set(store, found) if len(found) else None), corrected.last

    (training, last), (judging, _) = read("training"), read("gate")
    return Corrections(training=training, judging=judging, last=last)


@cached_task(run_name="learn from corrections")
def learn_corrections(splits: Splits, corrections: ImageSet, repeat: int) -> ImageSet:
    """Add corrections to the training images, but none that validates or judges."""
    store = current_run().store
    held = (splits.calibration, splits.validation, splits.test)
    kept = set[str]().union(*(_digest(store, images.images) for images in held))
    train = open_set(store, splits.train)
    joined, _ = join_corrections(train, open_set(store, corrections), kept, repeat)
    return store_set(store, joined)


@cached_task(run_name="choose corrections to judge by")
def choose_judging(corrections: ImageSet, splits: Splits) -> ImageSet | None:
    """Return the corrections that are no image of a split: those are learnt from, or judge."""
    store = current_run().store
    parts = (splits.train, splits.calibration, splits.validation, splits.test)
    known = set[str]().union(*(_digest(store, images.images) for images in parts))
    found = open_set(store, corrections)
    rows = find_others(found.images, known)
    chosen = LabelledImages(np.array(found.images[rows]), np.array(found.labels[rows]))
    return store_set(store, chosen) if len(rows) else None


@plain_task(run_name="note what was learnt from")
def record_training(model: str, outcome: str, last: int) -> None:
    """Note that the corrections up to `last` were learnt from, whatever the verdict is."""
    run = current_run()
    if last:
        add_training_event(run.store, model, run.log.run, "trained", outcome, last)


def _digest(store: Store, images: ArrayRef) -> set[str]:
    return digest_all(store.open_array(images))
