"""Part checked digits into training, calibration, comparison and test images."""

import numpy as np
from pydantic import BaseModel, ConfigDict

from digitflow.config import SplitShares
from digitflow.data.digits import LabelledImages
from digitflow.data.sets import ImageSet, open_set, store_set
from digitflow.data.splits import split_rows
from tasks.caching import cached_task
from tasks.context import current_run
from tasks.validate import CheckedSets


class Splits(BaseModel):
    """Four parts without a row, or a known writer, in common.

    `train` fits; `calibrate` turns scores into probabilities; `compare` chooses the
    winner; `test` is frozen and only the gate looks at it.
    """

    model_config = ConfigDict(frozen=True)

    train: ImageSet
    calibrate: ImageSet
    compare: ImageSet
    test: ImageSet


class PreparedData(BaseModel):
    """The data of a run: where it came from, what was set aside, its parts.

    `training` is `splits.train` with its augmented copies, or the same where there are
    none.
    """

    model_config = ConfigDict(frozen=True)

    origin: str
    checked: CheckedSets
    splits: Splits
    training: ImageSet


@cached_task(run_name="split")
def split_digits(checked: CheckedSets, shares: SplitShares, seed: int) -> Splits:
    """Split by class and writer; a source's own test set is kept as it is."""
    store = current_run().store
    data = open_set(store, checked.train)
    has_test = checked.test is not None
    parts = split_rows(data.labels, data.writers, shares, has_test, seed)
    sets = {name: store_set(store, _take(data, rows)) for name, rows in parts.items()}
    if checked.test is not None:
        sets["test"] = checked.test
    return Splits(**sets)


def _take(data: LabelledImages, rows: np.ndarray) -> LabelledImages:
    writers = None if data.writers is None else data.writers[rows]
    return LabelledImages(data.images[rows], data.labels[rows], writers)
