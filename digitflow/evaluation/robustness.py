"""How well a model reads digits that are moved, turned, thinner, blurred or noisy.

Altered images and photographs are pictures: they take the path of every picture that is
predicted, and are brought into the MNIST frame again.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from digitflow.augment.distortions import alter_images, require_known
from digitflow.augment.photographs import SERIES, iterate_photographs
from digitflow.data.sets import LabelledImages, SampleSet, store_set
from digitflow.data.splits import choose_rows
from digitflow.evaluation.evidence import Share
from digitflow.images.colours import to_gray
from digitflow.images.frame import frame_pictures
from digitflow.models.persistence import load_model
from digitflow.models.predicting import predict_in_chunks
from digitflow.store.artifacts import Store
from digitflow.store.references import ModelRef, Record


def score_altered(
    store: Store,
    model: ModelRef,
    test: SampleSet,
    names: tuple[str, ...],
    images: int,
    seed: int,
    threads: int = 1,
) -> dict[str, Share]:
    """Alter some of the test images in each way, and count how many are still read right.

    Parameters
    ----------
    names : tuple of str
        Which of `ALTERATIONS`.
    images : int
        How many test images are altered, every digit as often; the same ones each time.
    seed : int
        Chooses them, and what an alteration draws at random. What is drawn for one
        alteration doesn't depend on which others are asked for.
    threads : int
        Threads of the model.

    Returns
    -------
    dict of str to Share
        By the alteration's name. A picture in which no digit is found counts as wrong.

    Raises
    ------
    InputError
        If there is no alteration of a name; it lists the known ones.
    """
    from threadpoolctl import threadpool_limits

    require_known(names)
    pipeline = load_model(model, store)
    labels = store.open_array(test.targets)
    rows = choose_rows(labels, images, seed)
    digits, wanted = np.array(store.open_array(test.samples)[rows]), labels[rows]
    found = {}
    with threadpool_limits(threads):
        for name in names:
            frames, framed = frame_pictures(alter_images(name, digits, seed))
            hits = _count_hits(pipeline, frames, wanted[framed])
            found[name] = Share(correct=hits, n=len(rows))
    return found


def _count_hits(pipeline: Any, frames: np.ndarray, labels: np.ndarray) -> int:
    if len(frames) == 0:
        return 0
    return int((predict_in_chunks(pipeline, frames).argmax(axis=1) == labels).sum())


class Photographed(Record):
    """A series of photographs: the digits found in them, of `taken` photographs."""

    digits: SampleSet
    taken: int


def photograph_digits(store: Store, each: int, seed: int) -> dict[str, Photographed]:
    """Photograph scikit-learn's digits in every series, and bring them into the frame.

    Parameters
    ----------
    each : int
        Photographs of a series; of 1,797 digits, drawn with `seed`.
    """
    from sklearn.datasets import load_digits

    cells, labels = load_digits().images, load_digits().target
    rows = np.sort(np.random.default_rng(seed).permutation(len(cells))[:each])
    return {
        series: Photographed(
            digits=store_set(store, _frame(series, cells[rows], labels[rows], seed)),
            taken=len(rows),
        )
        for series in SERIES
    }


def _frame(series: str, cells: np.ndarray, labels: np.ndarray, seed: int) -> LabelledImages:
    photographs = iterate_photographs(series, cells, seed)
    frames, framed = frame_pictures(to_gray(photograph, series) for photograph in photographs)
    return LabelledImages(frames, labels[framed].astype(np.uint8))


def read_photographs(
    store: Store, model: ModelRef, series: Mapping[str, Photographed], threads: int = 1
) -> dict[str, Share]:
    """Count how many photographs a model reads right; one without a digit counts as wrong."""
    from threadpoolctl import threadpool_limits

    pipeline = load_model(model, store)
    with threadpool_limits(threads):
        return {
            name: Share(correct=_count_read(store, pipeline, part.digits), n=part.taken)
            for name, part in series.items()
        }


def _count_read(store: Store, pipeline: object, digits: SampleSet) -> int:
    if digits.rows == 0:
        return 0
    probabilities = predict_in_chunks(pipeline, store.open_array(digits.samples))
    return int((probabilities.argmax(axis=1) == store.open_array(digits.targets)).sum())
