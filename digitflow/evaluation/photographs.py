"""How well a model reads digits that are not its source's, from photographs of paper.

A model that is tested on one collection only may have learnt that collection's pens, paper
and cropping. What is read here was written by others, and takes the path of any picture.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from digitflow.augment.photographs import SERIES, iterate_photographs
from digitflow.data.digits import LabelledImages
from digitflow.data.sets import ImageSet, store_set
from digitflow.errors import InputError
from digitflow.evaluation.evidence import Share
from digitflow.evaluation.scoring import predict_in_chunks
from digitflow.images.frame import to_mnist_frame
from digitflow.images.pictures import to_gray
from digitflow.models.persistence import load_model
from digitflow.store.artifacts import ModelRef, Store


class Photographed(BaseModel):
    """A series of photographs: the digits found in them, of `taken` photographs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    digits: ImageSet
    taken: int


def photograph_digits(root: Path, each: int, seed: int) -> dict[str, Photographed]:
    """Photograph scikit-learn's digits in every series, and bring them into the frame.

    Parameters
    ----------
    root : Path
        The store's folder; this runs in a process of its own.
    each : int
        Photographs of a series; of 1,797 digits, drawn with `seed`.
    """
    from sklearn.datasets import load_digits

    store, cells, labels = Store(root), load_digits().images, load_digits().target
    rows = np.sort(np.random.default_rng(seed).permutation(len(cells))[:each])
    return {
        series: Photographed(
            digits=store_set(store, _frame(series, cells[rows], labels[rows], seed)),
            taken=len(rows),
        )
        for series in SERIES
    }


def _frame(series: str, cells: np.ndarray, labels: np.ndarray, seed: int) -> LabelledImages:
    found = list(_iterate_found(series, cells, labels, seed))
    images = [frame for frame, _ in found]
    return LabelledImages(
        np.stack(images) if images else np.zeros((0, 28, 28), np.uint8),
        np.array([label for _, label in found], np.uint8),
    )


def _iterate_found(
    series: str, cells: np.ndarray, labels: np.ndarray, seed: int
) -> Iterator[tuple[np.ndarray, int]]:
    photographs = iterate_photographs(series, cells, seed)
    for photograph, label in zip(photographs, labels, strict=True):
        with suppress(InputError):
            yield to_mnist_frame(to_gray(photograph, series)), int(label)


def read_photographs(
    root: Path, model: ModelRef, series: Mapping[str, Photographed], threads: int
) -> dict[str, Share]:
    """Count how many photographs a model reads right; one without a digit counts as wrong."""
    from threadpoolctl import threadpool_limits

    store = Store(root)
    pipeline = load_model(model, store)
    with threadpool_limits(threads):
        return {
            name: Share(correct=_count_hits(store, pipeline, part.digits), n=part.taken)
            for name, part in series.items()
        }


def _count_hits(store: Store, pipeline: object, digits: ImageSet) -> int:
    if digits.rows == 0:
        return 0
    probabilities = predict_in_chunks(pipeline, store.open_array(digits.images))
    return int((probabilities.argmax(axis=1) == store.open_array(digits.labels)).sum())
