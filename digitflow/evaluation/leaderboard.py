"""The candidates of a run, best first."""

from collections.abc import Sequence

from digitflow.config.training import Candidate
from digitflow.errors import CandidateFailed, list_some
from digitflow.evaluation.scoring import Evaluation
from digitflow.models.fitting import FittedModel
from digitflow.store.references import Record


class Entry(Record):
    """One candidate's outcome: fitted and evaluated, or the error that stopped it."""

    candidate: Candidate
    fitted: FittedModel | None = None
    evaluation: Evaluation | None = None
    error: str | None = None


def rank_entries(entries: Sequence[Entry]) -> list[Entry]:
    """Sort by accuracy on the validation images, then by log loss; failed ones last."""
    return sorted(entries, key=_sort_key)


class Winner(Entry):
    """The best entry: it is fitted and evaluated."""

    fitted: FittedModel
    evaluation: Evaluation


def choose_winner(entries: Sequence[Entry]) -> Winner:
    """Return the best entry.

    Raises
    ------
    CandidateFailed
        If every candidate failed.
    """
    best = rank_entries(entries)[0]
    if best.evaluation is None:
        reasons = [f"{entry.candidate.name}: {entry.error}" for entry in entries]
        raise CandidateFailed(f"every candidate failed: {list_some(reasons)}")
    return Winner(**dict(best))


def _sort_key(entry: Entry) -> tuple[float, float, str]:
    if entry.evaluation is None:
        return (1.0, 0.0, entry.candidate.name)
    metrics = entry.evaluation.metrics
    return (-metrics.accuracy, metrics.log_loss, entry.candidate.name)
