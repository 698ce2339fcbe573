"""All that a verdict rests on, in memory: the gate itself reads and writes nothing."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from pydantic import Field

from digitflow.data.sets import SampleSet
from digitflow.evaluation.metrics import check_predictions
from digitflow.evaluation.regression import bound_rmse, check_values
from digitflow.evaluation.resampling import wilson_interval
from digitflow.formatting import format_figure
from digitflow.models.bundle import LoadCheck, PredictionIntervals
from digitflow.store.artifacts import Store
from digitflow.store.references import ArrayRef, Record


class Costs(Record):
    """What a model costs.

    Attributes
    ----------
    latency_ms, latency_p95_ms : float
        Median and 95th percentile, over samples, of a prediction of one sample, warm, in
        milliseconds of the processor: the least of several rounds, since whatever else a
        machine does makes a computation slower and never faster.
    steady : bool
        Whether the last rounds changed the 95th percentile no more.
    busy : float
        Share of all processors that others used meanwhile, in 0..1.
    bytes : int
        Of its file.
    memory_mb : float or None
        Peak resident memory of a fresh process that loads it and predicts one batch; None
        where that is not known.
    fit_cpu_seconds : float or None
        Processor seconds of its training; None where that is not known.
    """

    latency_ms: float
    latency_p95_ms: float
    bytes: int
    steady: bool = True
    busy: float = 0.0
    memory_mb: float | None = None
    fit_cpu_seconds: float | None = None

    def join(self, again: "Costs") -> "Costs":
        """Return the lower ones of two measurements of one model, and what the later says."""
        least = {
            name: min(getattr(self, name), getattr(again, name))
            for name in ("latency_ms", "latency_p95_ms")
        }
        return again.model_copy(update=least)

    def complete(self, loaded: LoadCheck | None, fit_cpu_seconds: float | None) -> "Costs":
        """Return the same with what was seen elsewhere: a fresh process, the training."""
        memory = loaded.memory_mb if loaded is not None and loaded.error is None else None
        return self.model_copy(update={"memory_mb": memory, "fit_cpu_seconds": fit_cpu_seconds})


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
    unit : str
        Of the figure; empty where it has none.
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
    unit: str = ""
    higher_is_better: bool = True

    @property
    def written(self) -> str:
        """The figure as people read it: "99.44 %", "39,123 USD"."""
        return format_figure(self.metric, self.value, self.unit)

    @property
    def written_interval(self) -> str:
        """Its interval, as "99.27 % to 99.57 %"."""
        low, high = (format_figure(self.metric, bound) for bound in self.interval)
        return f"{low} to {high}"


def score_predictions(
    model_digest: str, test_digest: str, scored: "ScoredSet", predictions: np.ndarray | None
) -> TestScore:
    """Return a model's figure on a set: accuracy, or of values their RMSE.

    NaN where that is not known: there are no samples, or no predictions of each.
    """
    score = TestScore(
        model_digest=model_digest,
        test_digest=test_digest,
        metric="RMSE" if scored.has_values else "accuracy",
        value=math.nan,
        n=len(scored.targets),
        interval=(math.nan, math.nan),
        unit=scored.unit,
        higher_is_better=not scored.has_values,
    )
    if predictions is None or not _can_be_scored(scored, predictions):
        return score
    value, interval = (_score_values if scored.has_values else _score_classes)(
        scored.targets, predictions
    )
    return score.model_copy(update={"value": value, "interval": interval})


def _can_be_scored(scored: "ScoredSet", predictions: np.ndarray) -> bool:
    fits = np.ndim(predictions) == (1 if scored.has_values else 2)
    fits = fits and len(predictions) == len(scored.targets) > 0
    return fits and bool(np.isfinite(predictions).all())


def _score_classes(
    targets: np.ndarray, predictions: np.ndarray
) -> tuple[float, tuple[float, float]]:
    correct = int((predictions.argmax(axis=1) == targets).sum())
    return correct / len(targets), wilson_interval(correct, len(targets))


def _score_values(
    targets: np.ndarray, predictions: np.ndarray
) -> tuple[float, tuple[float, float]]:
    errors = predictions - targets
    return float(np.sqrt(np.mean(errors**2))), bound_rmse(errors)


class TestResult(Record):
    """A model's score on the test samples, and the predictions behind it: see `ScoredSet`."""

    __test__: ClassVar[bool] = False
    score: TestScore
    predictions: ArrayRef


@dataclass(frozen=True)
class ScoredSet:
    """Both models on the same samples.

    Attributes
    ----------
    targets : ndarray of shape (n,)
        True classes, whole numbers from 0; of a regression true values, float64.
    challenger, champion : ndarray of shape (n, k) or (n,), float64
        Probabilities of the classes; of a regression values. Champion None where there is
        none.
    writers, series : ndarray of shape (n,), int32, or None
        Who wrote each, and of which series of writers; -1 where unknown.
    slices : mapping of str to ndarray of shape (n,), bool
        Parts of the samples that are looked at by themselves.
    unit : str
        Of values; empty where they have none.
    """

    targets: np.ndarray
    challenger: np.ndarray
    champion: np.ndarray | None
    writers: np.ndarray | None = None
    series: np.ndarray | None = None
    slices: Mapping[str, np.ndarray] = field(default_factory=dict)
    unit: str = ""

    @property
    def has_values(self) -> bool:
        """Whether what is predicted are values, not classes."""
        return self.challenger.ndim == 1

    def check_predictions(self, predictions: np.ndarray) -> None:
        """Raise an InputError where predictions are not as they must be for these targets."""
        check = check_values if self.has_values else check_predictions
        check(self.targets, predictions)


@dataclass(frozen=True)
class Evidence:
    """What is known of a challenger and, where there is one, of the champion.

    Attributes
    ----------
    test : ScoredSet
        The frozen test samples, each model with its own preprocessing.
    feedback : ScoredSet or None
        Corrections set aside for the gate, where there are any.
    costs, champion_costs : Costs or None
        None where they were not measured.
    robustness : mapping of str to Share
        The challenger on altered test images, by the alteration's name.
    loads : LoadCheck or None
        None where it was not tried.
    intervals : PredictionIntervals or None
        The challenger's; None where it has none.
    """

    test: ScoredSet
    feedback: ScoredSet | None = None
    costs: Costs | None = None
    champion_costs: Costs | None = None
    robustness: Mapping[str, Share] = field(default_factory=dict)
    loads: LoadCheck | None = None
    intervals: PredictionIntervals | None = None


class ScoredRefs(Record):
    """What both models read in the same samples; `champion` None where there is none."""

    samples: SampleSet
    challenger: TestResult
    champion: TestResult | None


class EvidenceRefs(Record):
    """Everything that a verdict on a challenger rests on.

    Attributes
    ----------
    test : ScoredRefs
        Of the frozen test samples.
    feedback : ScoredRefs or None
        Of the corrections set aside for the gate, where there are any.
    costs, champion_costs : Costs or None
        Measured in turns, in one process.
    robustness : dict of str to Share
        The challenger on altered test images.
    loads : LoadCheck or None
        Whether a fresh process repeated the challenger's golden predictions.
    intervals : PredictionIntervals or None
        The challenger's; None where it has none.
    """

    test: ScoredRefs
    feedback: ScoredRefs | None = None
    costs: Costs | None = None
    champion_costs: Costs | None = None
    robustness: dict[str, Share] = Field(default_factory=dict)
    loads: LoadCheck | None = None
    intervals: PredictionIntervals | None = None


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
        intervals=refs.intervals,
    )


def _load_scored(store: Store, readings: ScoredRefs) -> ScoredSet:
    samples, champion = readings.samples, readings.champion

    def open_known(ref: ArrayRef | None) -> np.ndarray | None:
        return None if ref is None else store.open_array(ref)

    return ScoredSet(
        targets=store.open_array(samples.targets),
        challenger=store.open_array(readings.challenger.predictions),
        champion=None if champion is None else store.open_array(champion.predictions),
        writers=open_known(samples.writers),
        series=open_known(samples.series),
        slices={name: store.open_array(ref) for name, ref in samples.slices.items()},
        unit=readings.challenger.score.unit,
    )
