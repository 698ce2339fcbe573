"""Run stored models on stored samples: their quality, what a prediction costs, who is best."""

import time
from collections.abc import Sequence
from statistics import median
from typing import Annotated

import numpy as np
from pydantic import Field

from digitflow.config.training import Candidate
from digitflow.data.sets import SampleSet
from digitflow.errors import CandidateFailed, CandidateRefused, list_some
from digitflow.evaluation.evidence import Costs, ScoredSet, TestResult, score_predictions
from digitflow.evaluation.metrics import ClassificationMetrics, measure_predictions
from digitflow.evaluation.regression import RegressionMetrics, measure_values
from digitflow.models.blending import JoinedFeatures
from digitflow.models.fitting import FittedModel, PreparedFeatures
from digitflow.models.persistence import load_model
from digitflow.models.predicting import Predict, choose_method, predict_in_chunks
from digitflow.store.artifacts import Store
from digitflow.store.references import ArrayRef, ModelRef, Record, digest_json

TIMED_SAMPLES = 20
ROUNDS = 20
# A slow model gets fewer rounds: beyond these processor seconds no new one begins.
MAX_SECONDS = 10.0
# As many rounds may lower a figure by so much before it is taken for steady.
_STEADY_ROUNDS, _STEADY_SHARE = 2, 0.05


class Evaluation(Record):
    """A candidate on the validation samples: metrics, predictions and costs.

    Predictions are probabilities (n, k) of classes, or values (n,).
    """

    metrics: Annotated[ClassificationMetrics | RegressionMetrics, Field(discriminator="kind")]
    predictions: ArrayRef
    latency_ms: float


def measure(
    targets: np.ndarray, predictions: np.ndarray, unit: str = ""
) -> ClassificationMetrics | RegressionMetrics:
    """Measure probabilities (n, k) of classes, or values (n,) in a unit."""
    if predictions.ndim == 1:
        return measure_values(targets, predictions, unit)
    return measure_predictions(targets, predictions)


def digest_test_set(test: SampleSet) -> str:
    """Return the digest by which a frozen test set is known: its samples and targets."""
    return digest_json([test.samples.digest, test.targets.digest])


def evaluate_candidate(
    store: Store,
    fitted: FittedModel,
    prepared: PreparedFeatures | JoinedFeatures,
    validation: SampleSet,
    threads: int = 1,
) -> Evaluation:
    """Score a pipeline's classifier on prepared features, and time the whole pipeline.

    Parameters
    ----------
    prepared : PreparedFeatures or JoinedFeatures
        Of its recipe, or of a blend's parts; `validation` are the samples of its last part.
    """
    from threadpoolctl import threadpool_limits

    pipeline = load_model(fitted.model, store)
    samples, targets = (
        store.open_array(part) for part in (validation.samples, validation.targets)
    )
    with threadpool_limits(threads):
        predictions = predict_in_chunks(pipeline[-1], store.open_array(prepared.validation))
    with threadpool_limits(1):
        seconds = _time_samples(choose_method(pipeline), _choose_timed(samples))
    return Evaluation(
        metrics=measure(targets, predictions, validation.unit),
        predictions=store.put_array(predictions),
        latency_ms=round(median(seconds) * 1000, 3),
    )


def score_on_test(
    store: Store, model: ModelRef, test: SampleSet, threads: int = 1
) -> TestResult:
    """Score a whole pipeline, with its own preprocessing, on the frozen test samples."""
    from threadpoolctl import threadpool_limits

    pipeline = load_model(model, store)
    with threadpool_limits(threads):
        predictions = predict_in_chunks(pipeline, store.open_array(test.samples))
    scored = ScoredSet(store.open_array(test.targets), predictions, None, unit=test.unit)
    score = score_predictions(model.digest, digest_test_set(test), scored, predictions)
    return TestResult(score=score, predictions=store.put_array(predictions))


def measure_costs(
    store: Store, models: tuple[ModelRef, ...], test: SampleSet, rounds: int = ROUNDS
) -> list[Costs]:
    """Time whole pipelines on one sample after another, the models taking turns.

    Counted is this process's processor time, since a verdict must not depend on what else
    the machine does; of each sample the least of several rounds, which go on until they
    lower the 95th percentile no more. Linear algebra runs in one thread.

    Parameters
    ----------
    models : tuple of ModelRef
        Pipelines from samples to predictions.
    test : SampleSet
        Where the samples come from; all models get the same ones.
    rounds : int
        Rounds at most.

    Returns
    -------
    list of Costs
        In the order of `models`; `memory_mb` and `fit_seconds` are None, they are
        known elsewhere.
    """
    from threadpoolctl import threadpool_limits

    methods = [choose_method(load_model(model, store)) for model in models]
    samples = _choose_timed(store.open_array(test.samples))
    machine = _Machine()
    with threadpool_limits(1):
        seconds, steady = _take_rounds(methods, samples, rounds)
    busy = machine.measure_others()
    return [
        _summarise(model, each, bool(still), busy)
        for model, each, still in zip(models, seconds, steady, strict=True)
    ]


class _Machine:
    """What all processors did since this was made."""

    def __init__(self) -> None:
        self._others, self._all = _count_processors()

    def measure_others(self) -> float:
        """Return the share of them that other processes used, in 0..1."""
        others, all_of_them = _count_processors()
        share = (others - self._others) / max(all_of_them - self._all, 1e-9)
        return round(float(np.clip(share, 0, 1)), 2)


def _count_processors() -> tuple[float, float]:
    """Return the seconds that processors spent on other processes, and all their seconds."""
    import psutil

    times = psutil.cpu_times()
    # What a guest used is in user's too.
    total = sum(times) - getattr(times, "guest", 0) - getattr(times, "guest_nice", 0)
    idle = times.idle + getattr(times, "iowait", 0)
    return total - idle - time.process_time(), total


def _choose_timed(samples: np.ndarray) -> np.ndarray:
    return samples[np.arange(TIMED_SAMPLES) % len(samples)]


def _take_rounds(
    methods: Sequence[Predict], samples: np.ndarray, rounds: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return least processor seconds (models, samples), and which models' are steady."""
    least = np.full((len(methods), len(samples)), np.inf)
    order, began, highs = list(range(len(methods))), time.process_time(), list[np.ndarray]()
    steady = np.zeros(len(methods), bool)
    while not steady.all() and len(highs) < rounds:
        if len(highs) > _STEADY_ROUNDS and time.process_time() - began > MAX_SECONDS:
            break
        for place in order:
            seconds = _time_samples(methods[place], samples)
            least[place] = np.minimum(least[place], seconds)
        order.reverse()  # so that none always follows the same one
        highs.append(np.percentile(least, 95, axis=1))
        if len(highs) > _STEADY_ROUNDS:
            steady = highs[-1] >= (1 - _STEADY_SHARE) * highs[-1 - _STEADY_ROUNDS]
    return least, steady


def _time_samples(predict: Predict, samples: np.ndarray) -> list[float]:
    """Return the processor seconds of a prediction of each sample."""
    found = []
    for place in range(len(samples)):
        sample = samples[place : place + 1]
        began = time.process_time()
        predict(sample)
        found.append(time.process_time() - began)
    return found


def _summarise(model: ModelRef, seconds: np.ndarray, steady: bool, busy: float) -> Costs:
    middle, high = np.percentile(seconds, [50, 95]) * 1000
    return Costs(
        latency_ms=round(float(middle), 3),
        latency_p95_ms=round(float(high), 3),
        bytes=model.bytes,
        steady=steady,
        busy=busy,
    )


class Entry(Record):
    """One candidate's outcome: fitted and evaluated, or the error that stopped it.

    `refused` tells whether that is what it was made of: parameters, or data that its estimator
    does not take. `with_copies` tells whether it was trained on altered copies too.
    """

    candidate: Candidate
    fitted: FittedModel | None = None
    evaluation: Evaluation | None = None
    error: str | None = None
    refused: bool = False
    with_copies: bool = False


def rank_entries(entries: Sequence[Entry]) -> list[Entry]:
    """Sort by what the metrics of the validation samples rank by; failed ones last."""
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
    CandidateRefused
        If each did for what it was made of.
    """
    best = rank_entries(entries)[0]
    if best.evaluation is None:
        reasons = [f"{entry.candidate.name}: {entry.error}" for entry in entries]
        kind = CandidateRefused if all(each.refused for each in entries) else CandidateFailed
        raise kind(f"every candidate failed: {list_some(reasons)}")
    return Winner(**dict(best))


def _sort_key(entry: Entry) -> tuple[bool, tuple[float, ...], str]:
    if entry.evaluation is None:
        return True, (), entry.candidate.name
    return False, entry.evaluation.metrics.order, entry.candidate.name
