"""Run stored models on stored images: their quality, what a prediction costs, who is best."""

import time
from collections.abc import Sequence
from statistics import median
from typing import Any

import numpy as np

from digitflow.config.training import Candidate
from digitflow.data.sets import SampleSet
from digitflow.errors import CandidateFailed, list_some
from digitflow.evaluation.evidence import Costs, TestResult, score_accuracy
from digitflow.evaluation.metrics import Metrics, measure_predictions
from digitflow.models.fitting import FittedModel, PreparedFeatures, predict_in_chunks
from digitflow.models.persistence import load_model
from digitflow.store.artifacts import Store
from digitflow.store.references import ArrayRef, ModelRef, Record, digest_json

TIMED_IMAGES = 30
ROUNDS = 20
TURN_IMAGES = 10
# A slow model gets fewer rounds: beyond these processor seconds no new one begins.
MAX_SECONDS = 30.0
_LEAST_ROUNDS = 3


class Evaluation(Record):
    """A candidate on the validation images: metrics, probabilities (n, 10) and costs."""

    metrics: Metrics
    predictions: ArrayRef
    latency_ms: float


def digest_test_set(test: SampleSet) -> str:
    """Return the digest by which a frozen test set is known: its images and labels."""
    return digest_json([test.samples.digest, test.targets.digest])


def evaluate_candidate(
    store: Store,
    fitted: FittedModel,
    prepared: PreparedFeatures,
    validation: SampleSet,
    threads: int = 1,
) -> Evaluation:
    """Score a pipeline's classifier on prepared features, and time the whole pipeline.

    Parameters
    ----------
    prepared : PreparedFeatures
        Of its recipe; `validation` are the images of its last part.
    """
    from threadpoolctl import threadpool_limits

    pipeline = load_model(fitted.model, store)
    images, labels = store.open_array(validation.samples), store.open_array(validation.targets)
    with threadpool_limits(threads):
        probabilities = predict_in_chunks(pipeline[-1], store.open_array(prepared.validation))
    with threadpool_limits(1):
        rows = np.arange(min(TIMED_IMAGES, len(images)) + 1) % len(images)
        seconds = _time_turn(pipeline, images[rows])
    return Evaluation(
        metrics=measure_predictions(labels, probabilities),
        predictions=store.put_array(probabilities),
        latency_ms=round(median(seconds) * 1000, 3),
    )


def score_on_test(
    store: Store, model: ModelRef, test: SampleSet, threads: int = 1
) -> TestResult:
    """Score a whole pipeline, with its own preprocessing, on the frozen test images."""
    from threadpoolctl import threadpool_limits

    pipeline = load_model(model, store)
    with threadpool_limits(threads):
        probabilities = predict_in_chunks(pipeline, store.open_array(test.samples))
    hits = probabilities.argmax(axis=1) == store.open_array(test.targets)
    score = score_accuracy(model.digest, digest_test_set(test), int(hits.sum()), len(hits))
    return TestResult(score=score, predictions=store.put_array(probabilities))


def measure_costs(
    store: Store, models: tuple[ModelRef, ...], test: SampleSet, rounds: int = ROUNDS
) -> list[Costs]:
    """Time whole pipelines on one image after another, the models taking turns.

    Counted is this process's processor time, since a verdict must not depend on what else
    the machine does. A turn is a few images, the first of which is not counted: it finds the
    caches as another model left them. Linear algebra runs in one thread.

    Parameters
    ----------
    models : tuple of ModelRef
        Pipelines from uint8 (1, 28, 28) to probabilities.
    test : SampleSet
        Where the images come from; all models get the same ones.
    rounds : int
        Turns of each model, of 10 images.

    Returns
    -------
    list of Costs
        In the order of `models`; `memory_mb` and `fit_seconds` are None, they are
        known elsewhere.
    """
    from threadpoolctl import threadpool_limits

    pipelines = [load_model(model, store) for model in models]
    images = store.open_array(test.samples)
    with threadpool_limits(1):
        seconds = _take_turns(pipelines, images, rounds)
    return [_summarise(*pair) for pair in zip(models, seconds, strict=True)]


def _take_turns(pipelines: Sequence[Any], images: np.ndarray, rounds: int) -> list[list[float]]:
    """Return the processor seconds of each counted prediction, by model."""
    seconds: list[list[float]] = [[] for _ in pipelines]
    order, began = list(range(len(pipelines))), time.process_time()
    for turn in range(rounds):
        if turn >= _LEAST_ROUNDS and time.process_time() - began > MAX_SECONDS:
            break
        rows = np.arange(turn * TURN_IMAGES, (turn + 1) * TURN_IMAGES + 1) % len(images)
        for place in order:
            seconds[place] += _time_turn(pipelines[place], images[rows])
        order.reverse()  # so that none always follows the same one
    return seconds


def _time_turn(pipeline: Any, images: np.ndarray) -> list[float]:
    """Return the processor seconds of a prediction of each image but the first."""
    found = []
    for image in images:
        began = time.process_time()
        pipeline.predict_proba(image[None])
        found.append(time.process_time() - began)
    return found[1:]


def _summarise(model: ModelRef, seconds: list[float]) -> Costs:
    middle, high = np.percentile(seconds, [50, 95]) * 1000
    return Costs(
        latency_ms=round(float(middle), 3),
        latency_p95_ms=round(float(high), 3),
        bytes=model.bytes,
    )


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
