"""Choose the digits that a study is about."""

from digitflow.config.data import SplitShares
from digitflow.data.sets import CheckedSets
from digitflow.studies import data
from digitflow.studies.plan import StudyData
from tasks.caching import cached_task
from tasks.context import current_run


@cached_task(run_name="choose digits")
def choose_digits(
    checked: CheckedSets, shares: SplitShares, size: int | None, seed: int
) -> StudyData:
    """Return what is learnt from, and what tells how well."""
    return data.choose_digits(current_run().store, checked, shares, size, seed)
