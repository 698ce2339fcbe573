"""The candidates of a run, best first."""

from collections.abc import Sequence
from typing import Any

from digitflow.config.training import Candidate
from digitflow.errors import CandidateFailed, list_some
from digitflow.evaluation.resampling import wilson_interval
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


def describe_entries(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Return the leaderboard's rows as plain values, best first, for tables and JSON."""
    ranked = rank_entries(entries)
    return [_describe(entry, winner=entry is ranked[0]) for entry in ranked]


def _describe(entry: Entry, winner: bool) -> dict[str, Any]:
    candidate = entry.candidate
    row: dict[str, Any] = {
        "name": candidate.name,
        "estimator": candidate.estimator,
        "recipe": candidate.recipe,
        "augmented": candidate.augmented,
        "error": entry.error,
        "winner": winner and entry.evaluation is not None,
    }
    if entry.fitted is None or entry.evaluation is None:
        return row
    metrics = entry.evaluation.metrics
    return row | {
        "accuracy": metrics.accuracy,
        "interval": wilson_interval(metrics.correct, metrics.n),
        "precision": metrics.precision,
        "recall": metrics.recall,
        "f1": metrics.f1,
        "log_loss": metrics.log_loss,
        "brier": metrics.brier,
        "ece": metrics.ece,
        "fit_seconds": entry.fitted.fit_seconds,
        "latency_ms": entry.evaluation.latency_ms,
        "bytes": entry.fitted.model.bytes,
        "warnings": list(entry.fitted.warnings),
    }
