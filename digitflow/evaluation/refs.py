"""The evidence on a challenger as references: what travels between tasks."""

from pydantic import BaseModel, ConfigDict

from digitflow.data.sets import ImageSet, open_set
from digitflow.evaluation.evidence import Costs, Evidence, LoadCheck, ScoredSet, Share
from digitflow.evaluation.scoring import TestResult
from digitflow.store.artifacts import Store


class ScoredRefs(BaseModel):
    """What both models read in the same images; `champion` None where there is none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    images: ImageSet
    challenger: TestResult
    champion: TestResult | None


class EvidenceRefs(BaseModel):
    """Everything that a verdict on a challenger rests on.

    Attributes
    ----------
    test : ScoredRefs
        Of the frozen test images.
    feedback : ScoredRefs or None
        Of the corrections set aside for the gate, where there are any.
    costs, champion_costs : Costs or None
        Measured in turns, in one process.
    robustness : dict of str to Share
        The challenger on altered test images.
    loads : LoadCheck or None
        Whether a fresh process repeated the challenger's golden predictions.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    test: ScoredRefs
    feedback: ScoredRefs | None = None
    costs: Costs | None = None
    champion_costs: Costs | None = None
    robustness: dict[str, Share] = {}
    loads: LoadCheck | None = None


def load_evidence(store: Store, refs: EvidenceRefs) -> Evidence:
    """Open the arrays behind a refs, memory-mapped."""
    feedback = refs.feedback
    return Evidence(
        test=_load_scored(store, refs.test),
        feedback=None if feedback is None else _load_scored(store, feedback),
        costs=refs.costs,
        champion_costs=refs.champion_costs,
        robustness=refs.robustness,
        loads=refs.loads,
    )


def _load_scored(store: Store, readings: ScoredRefs) -> ScoredSet:
    data, champion = open_set(store, readings.images), readings.champion
    return ScoredSet(
        labels=data.labels,
        challenger=store.open_array(readings.challenger.probabilities),
        champion=None if champion is None else store.open_array(champion.probabilities),
        writers=data.writers,
        series=data.series,
    )
