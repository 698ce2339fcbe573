"""What a model costs: the time of one prediction, the size of its file."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from digitflow.data.sets import ImageSet
from digitflow.evaluation.evidence import Costs
from digitflow.models.persistence import load_model
from digitflow.store.artifacts import Store
from digitflow.store.references import ModelRef

ROUNDS = 40
TURN_IMAGES = 10
# A slow model gets fewer rounds: beyond these processor seconds no new one begins.
MAX_SECONDS = 30.0
_LEAST_ROUNDS = 3


def measure_costs(
    store: Store, models: tuple[ModelRef, ...], test: ImageSet, rounds: int = ROUNDS
) -> list[Costs]:
    """Time whole pipelines on one image after another, the models taking turns.

    Counted is this process's processor time, since a verdict must not depend on what else
    the machine does. A turn is a few images, the first of which is not counted: it finds the
    caches as another model left them. Linear algebra runs in one thread.

    Parameters
    ----------
    models : tuple of ModelRef
        Pipelines from uint8 (1, 28, 28) to probabilities.
    test : ImageSet
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
    images = store.open_array(test.images)
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
    found = []
    for image in images:
        began = time.process_time()
        pipeline.predict_proba(image[None])
        found.append(time.process_time() - began)
    return found[1:]


def _summarise(model: ModelRef, seconds: list[float]) -> Costs:
    median, high = np.percentile(seconds, [50, 95]) * 1000
    return Costs(
        latency_ms=round(float(median), 3),
        latency_p95_ms=round(float(high), 3),
        bytes=model.bytes,
    )
