"""The evidence on a challenger as references: what travels between tasks."""

from pydantic import BaseModel, ConfigDict

from digitflow.data.sets import ImageSet, open_set
from digitflow.evaluation.evidence import Costs, Evidence, LoadCheck, ScoredSet, Share
from digitflow.evaluation.scoring import TestResult
from digitflow.store.artifacts import Store


class Readings(BaseModel):
    """What both models read in the same images; `champion` None where there is none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    images: ImageSet
    challenger: TestResult
    champion: TestResult | None


class Dossier(BaseModel):
    """Everything that a verdict on a challenger rests on.

    Attributes
    ----------
    test : Readings
        Of the frozen test images.
    feedback : Readings or None
        Of the corrections set aside for the gate, where there are any.
    costs, champion_costs : Costs or None
        Measured in turns, in one process.
    robustness : dict of str to Share
        The challenger on altered test images.
    loads : LoadCheck or None
        Whether a fresh process repeated the challenger's golden predictions.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    test: Readings
    feedback: Readings | None = None
    costs: Costs | None = None
    champion_costs: Costs | None = None
    robustness: dict[str, Share] = {}
    loads: LoadCheck | None = None


def open_evidence(store: Store, dossier: Dossier) -> Evidence:
    """Open the arrays behind a dossier, memory-mapped."""
    feedback = dossier.feedback
    return Evidence(
        test=_open_readings(store, dossier.test),
        feedback=None if feedback is None else _open_readings(store, feedback),
        costs=dossier.costs,
        champion_costs=dossier.champion_costs,
        robustness=dossier.robustness,
        loads=dossier.loads,
    )


def _open_readings(store: Store, readings: Readings) -> ScoredSet:
    data, champion = open_set(store, readings.images), readings.champion
    return ScoredSet(
        labels=data.labels,
        challenger=store.open_array(readings.challenger.probabilities),
        champion=None if champion is None else store.open_array(champion.probabilities),
        writers=data.writers,
        series=data.series,
    )
