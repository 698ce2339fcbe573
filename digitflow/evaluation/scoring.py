"""Run a stored model on stored images: quality, and what one prediction costs."""

import time
from statistics import median
from typing import Any

import numpy as np

from digitflow.data.sets import ImageSet
from digitflow.evaluation.evidence import TestResult, score_accuracy
from digitflow.evaluation.metrics import Metrics, measure_predictions
from digitflow.models.fitting import FittedModel, PreparedFeatures
from digitflow.models.persistence import load_model
from digitflow.store.artifacts import Store
from digitflow.store.references import ArrayRef, ModelRef, Record, digest_json

CHUNK_ROWS = 1024
TIMED_IMAGES = 30


class Evaluation(Record):
    """A candidate on the validation images: metrics, probabilities (n, 10) and costs."""

    metrics: Metrics
    probabilities: ArrayRef
    latency_ms: float


def digest_test_set(test: ImageSet) -> str:
    """Return the digest by which a frozen test set is known: its images and labels."""
    return digest_json([test.images.digest, test.labels.digest])


def evaluate_candidate(
    store: Store,
    fitted: FittedModel,
    prepared: PreparedFeatures,
    validation: ImageSet,
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
    images, labels = store.open_array(validation.images), store.open_array(validation.labels)
    with threadpool_limits(threads):
        probabilities = predict_in_chunks(pipeline[-1], store.open_array(prepared.validation))
    with threadpool_limits(1):
        latency_ms = _time_one_image(pipeline, images)
    return Evaluation(
        metrics=measure_predictions(labels, probabilities),
        probabilities=store.put_array(probabilities),
        latency_ms=latency_ms,
    )


def score_on_test(
    store: Store, model: ModelRef, test: ImageSet, threads: int = 1
) -> TestResult:
    """Score a whole pipeline, with its own preprocessing, on the frozen test images."""
    from threadpoolctl import threadpool_limits

    pipeline = load_model(model, store)
    with threadpool_limits(threads):
        probabilities = predict_in_chunks(pipeline, store.open_array(test.images))
    hits = probabilities.argmax(axis=1) == store.open_array(test.labels)
    score = score_accuracy(model.digest, digest_test_set(test), int(hits.sum()), len(hits))
    return TestResult(score=score, probabilities=store.put_array(probabilities))


def predict_in_chunks(model: Any, rows: np.ndarray) -> np.ndarray:
    """Return probabilities (n, 10) float64, computed in bounded memory."""
    starts = range(0, len(rows), CHUNK_ROWS)
    chunks = [model.predict_proba(rows[start : start + CHUNK_ROWS]) for start in starts]
    return np.concatenate(chunks)


def _time_one_image(pipeline: Any, images: np.ndarray) -> float:
    """Return the median processor milliseconds of an image, the first left out."""
    seconds = []
    for row in range(min(TIMED_IMAGES, len(images)) + 1):
        image = np.array(images[row % len(images)])[None]
        began = time.process_time()
        pipeline.predict_proba(image)
        seconds.append(time.process_time() - began)
    return round(median(seconds[1:]) * 1000, 3)
