"""Which digits a study is about: those of the main job, in the order of their source."""

import numpy as np

from digitflow.config.data import SplitShares
from digitflow.config.study import StudySettings
from digitflow.data.digits import LabelledImages
from digitflow.data.sets import CheckedSets, open_set, store_set
from digitflow.data.splits import choose_subset, split_rows
from digitflow.errors import InputError, list_some
from digitflow.store.artifacts import Store
from digitflow.studies.plan import Scope, StudyData

CLASSES = 10
# Of each digit, in training and in test: some must be left when a part is held out.
LEAST_OF_A_DIGIT = 5


def choose_digits(
    store: Store, checked: CheckedSets, shares: SplitShares, size: int | None, seed: int
) -> StudyData:
    """Take the source's own test images, else those that the main job sets aside.

    Parameters
    ----------
    shares : SplitShares
        Of the main job; its share of test images, where the source has none of its own.
    size : int or None
        So many training images, every digit as often among them as among all; None: all.

    Raises
    ------
    InputError
        If there are fewer training images than `size`, or too few of a digit.
    """
    train = open_set(store, checked.train)
    if checked.test is None:
        parts = split_rows(train.labels, train.writers, shares, False, seed)
        test = store_set(store, train.take(parts.pop("test")))
        train = train.take(np.sort(np.concatenate(list(parts.values()))))
    else:
        test = checked.test
    if size is not None:
        train = train.take(choose_subset(train.labels, size, seed))
    _require_all_digits("training", train)
    _require_all_digits("test", open_set(store, test))
    return StudyData(train=store_set(store, train), test=test)


def describe_scope(
    source: str, checked: CheckedSets, data: StudyData, seed: int, settings: StudySettings
) -> Scope:
    """Return what the sections must know of the digits to plan their experiments."""
    test = 0 if checked.test is not None else data.test.rows
    return Scope(
        source=source,
        train_rows=data.train.rows,
        test_rows=data.test.rows,
        complete=data.train.rows + test == checked.train.rows and not checked.problems,
        writers=data.train.writers is not None,
        test_writers=data.test.writers is not None,
        seed=seed,
        settings=settings,
    )


def _require_all_digits(which: str, images: LabelledImages) -> None:
    counts = np.bincount(images.labels, minlength=CLASSES)
    rare = np.flatnonzero(counts < LEAST_OF_A_DIGIT)
    if len(rare):
        raise InputError(
            f"a study needs {LEAST_OF_A_DIGIT} {which} images of each digit, there are "
            f"{list_some([f'{counts[digit]} of {digit}' for digit in rare])}: take more images"
        )
