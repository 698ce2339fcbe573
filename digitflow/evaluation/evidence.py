"""All that a verdict rests on, in memory: the gate itself reads and writes nothing."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from pydantic import Field

from digitflow.data.sets import SampleSet, open_set
from digitflow.evaluation.resampling import wilson_interval
from digitflow.models.bundle import LoadCheck
from digitflow.store.artifacts import Store
from digitflow.store.references import ArrayRef, Record


class Costs(Record):
    """What a model costs.

    Attributes
    ----------
    latency_ms, latency_p95_ms : float
        Median and 95th percentile of one prediction of one image, warm, in milliseconds of
        the processor.
    bytes : int
        Of its file.
    memory_mb : float or None
        Peak resident memory of a fresh process that loads it and predicts one batch; None
        where that is not known.
    fit_seconds : float or None
        What its training took; None where that is not known.
    """

    latency_ms: float
    latency_p95_ms: float
    bytes: int
    memory_mb: float | None = None
    fit_seconds: float | None = None

    def complete(self, loaded: LoadCheck | None, fit_seconds: float | None) -> "Costs":
        """Return the same with what was seen elsewhere: a fresh process, the training."""
        memory = loaded.memory_mb if loaded is not None and loaded.error is None else None
        return self.model_copy(update={"memory_mb": memory, "fit_seconds": fit_seconds})


class Share(Record):
    """So many right of so many."""

    correct: int
    n: int

    @property
    def accuracy(self) -> float:
        """The share, in 0..1."""
        return self.correct / self.n

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the share (Wilson), low and high, in 0..1."""
        return wilson_interval(self.correct, self.n)


class TestScore(Record):
    """A model's figure on the frozen test samples, known by their digest.

    Attributes
    ----------
    metric : str
        What is measured, such as "accuracy".
    value : float
        The figure; NaN if there were no samples.
    n : int
        Samples.
    interval : (float, float)
        Of 95 %, low and high, in the figure's unit.
    higher_is_better : bool
        Whether a model with a higher figure is better.
    """

    __test__: ClassVar[bool] = False  # the name begins with Test; pytest must not collect it
    # An unknown figure must survive being written and read again.
    model_digest: str
    test_digest: str
    metric: str
    value: float
    n: int = Field(ge=0)
    interval: tuple[float, float]
    higher_is_better: bool = True


def score_accuracy(
    model_digest: str, test_digest: str, correct: int | None, n: int
) -> TestScore:
    """Return so many right answers of n as a score; NaN where that is not known."""
    value, interval = math.nan, (math.nan, math.nan)
    if correct is not None and n:
        value, interval = correct / n, wilson_interval(correct, n)
    return TestScore(
        model_digest=model_digest,
        test_digest=test_digest,
        metric="accuracy",
        value=value,
        n=n,
        interval=interval,
    )


class TestResult(Record):
    """A model's score on the test samples, and the probabilities (n, k) behind it."""

    __test__: ClassVar[bool] = False
    score: TestScore
    predictions: ArrayRef


@dataclass(frozen=True)
class ScoredSet:
    """Both models on the same images.

    Attributes
    ----------
    targets : ndarray of shape (n,), uint8
        True digits, 0 to 9.
    challenger, champion : ndarray of shape (n, 10), float64
        Probabilities; champion None where there is none.
    writers, series : ndarray of shape (n,), int32, or None
        Who wrote each, and of which series of writers; -1 where unknown.
    """

    targets: np.ndarray
    challenger: np.ndarray
    champion: np.ndarray | None
    writers: np.ndarray | None = None
    series: np.ndarray | None = None


@dataclass(frozen=True)
class Evidence:
    """What is known of a challenger and, where there is one, of the champion.

    Attributes
    ----------
    test : ScoredSet
        The frozen test images, each model with its own preprocessing.
    feedback : ScoredSet or None
        Corrections set aside for the gate, where there are any.
    costs, champion_costs : Costs or None
        None where they were not measured.
    robustness : mapping of str to Share
        The challenger on altered test images, by the alteration's name.
    loads : LoadCheck or None
        None where it was not tried.
    """

    test: ScoredSet
    feedback: ScoredSet | None = None
    costs: Costs | None = None
    champion_costs: Costs | None = None
    robustness: Mapping[str, Share] = field(default_factory=dict)
    loads: LoadCheck | None = None


class ScoredRefs(Record):
    """What both models read in the same images; `champion` None where there is none."""

    samples: SampleSet
    challenger: TestResult
    champion: TestResult | None


class EvidenceRefs(Record):
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

    test: ScoredRefs
    feedback: ScoredRefs | None = None
    costs: Costs | None = None
    champion_costs: Costs | None = None
    robustness: dict[str, Share] = Field(default_factory=dict)
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
    data, champion = open_set(store, readings.samples), readings.champion
    return ScoredSet(
        targets=data.labels,
        challenger=store.open_array(readings.challenger.predictions),
        champion=None if champion is None else store.open_array(champion.predictions),
        writers=data.writers,
        series=data.series,
    )
