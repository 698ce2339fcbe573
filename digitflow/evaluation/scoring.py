"""Run a stored model on stored images: quality, and what one prediction costs."""

import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from digitflow.artifacts import ArrayRef, ModelRef, Store, digest_json
from digitflow.data.sets import ImageSet
from digitflow.evaluation.intervals import wilson_interval
from digitflow.evaluation.metrics import Metrics, measure_predictions
from digitflow.models.persistence import load_model

CHUNK_ROWS = 1024
TIMED_IMAGES = 30


class Evaluation(BaseModel):
    """A candidate on the comparison images: metrics, probabilities (n, 10) and costs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    metrics: Metrics
    probabilities: ArrayRef
    latency_ms: float


class TestResult(BaseModel):
    """A model on the frozen test images; `interval` is Wilson's, 95 %."""

    __test__ = False
    model_config = ConfigDict(frozen=True, extra="forbid")

    model_digest: str
    test_digest: str
    n: int
    correct: int
    accuracy: float
    interval: tuple[float, float]
    probabilities: ArrayRef


def digest_test_set(test: ImageSet) -> str:
    """Return the digest by which a frozen test set is known: its images and labels."""
    return digest_json([test.images.digest, test.labels.digest])


def evaluate_candidate(
    root: Path, model: ModelRef, features: ArrayRef, compare: ImageSet, threads: int
) -> Evaluation:
    """Score a pipeline's classifier on prepared features, and time the whole pipeline.

    Parameters
    ----------
    features : ArrayRef
        Float32 (n, d), the recipe's output for the images of `compare`.
    """
    from threadpoolctl import threadpool_limits

    store = Store(root)
    pipeline = load_model(model, store)
    images, labels = store.open_array(compare.images), store.open_array(compare.labels)
    with threadpool_limits(threads):
        probabilities = predict_in_chunks(pipeline[-1], store.open_array(features))
        latency_ms = _time_one_image(pipeline, images)
    return Evaluation(
        metrics=measure_predictions(labels, probabilities),
        probabilities=store.put_array(probabilities),
        latency_ms=latency_ms,
    )


def score_on_test(root: Path, model: ModelRef, test: ImageSet, threads: int) -> TestResult:
    """Score a whole pipeline, with its own preprocessing, on the frozen test images."""
    from threadpoolctl import threadpool_limits

    store = Store(root)
    pipeline = load_model(model, store)
    with threadpool_limits(threads):
        probabilities = predict_in_chunks(pipeline, store.open_array(test.images))
    hits = probabilities.argmax(axis=1) == store.open_array(test.labels)
    correct, n = int(hits.sum()), len(hits)
    return TestResult(
        model_digest=model.digest,
        test_digest=digest_test_set(test),
        n=n,
        correct=correct,
        accuracy=correct / n,
        interval=wilson_interval(correct, n),
        probabilities=store.put_array(probabilities),
    )


def predict_in_chunks(model: Any, rows: np.ndarray) -> np.ndarray:
    """Return probabilities (n, 10) float64, computed in bounded memory."""
    starts = range(0, len(rows), CHUNK_ROWS)
    chunks = [model.predict_proba(rows[start : start + CHUNK_ROWS]) for start in starts]
    return np.concatenate(chunks)


def _time_one_image(pipeline: Any, images: np.ndarray) -> float:
    """Return the median milliseconds of a prediction of one image, the first left out."""
    seconds = []
    for row in range(min(TIMED_IMAGES, len(images)) + 1):
        image = np.array(images[row % len(images)])[None]
        began = time.perf_counter()
        pipeline.predict_proba(image)
        seconds.append(time.perf_counter() - began)
    return round(median(seconds[1:]) * 1000, 3)
