"""Part checked digits into training, calibration, comparison and test images."""

from digitflow.config.data import SplitShares
from digitflow.data.sets import CheckedSets, Splits, open_set, store_set
from digitflow.data.splits import split_rows
from tasks.caching import cached_task
from tasks.context import current_run


@cached_task(run_name="split")
def split_digits(checked: CheckedSets, shares: SplitShares, seed: int) -> Splits:
    """Split by class and writer; a source's own test set is kept as it is."""
    store = current_run().store
    data = open_set(store, checked.train)
    has_test = checked.test is not None
    parts = split_rows(data.labels, data.writers, shares, has_test, seed)
    sets = {name: store_set(store, data.take(rows)) for name, rows in parts.items()}
    if checked.test is not None:
        sets["test"] = checked.test
    return Splits(**sets)
