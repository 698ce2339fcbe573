"""Section `augmentation`: the same number of images by different means."""

import time
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from digitflow import catalogue
from digitflow.config.data import Augmentation
from digitflow.data.splits import choose_subset
from digitflow.errors import InputError
from digitflow.features.preparing import fit_recipe, transform_images
from digitflow.models.building import build_estimator
from digitflow.studies.digits.algorithms import ALGORITHMS, predict_probabilities
from digitflow.studies.digits.data import open_test, open_train, plan_features
from digitflow.studies.digits.experiments.robustness import plan_alteration
from digitflow.studies.plan import ExperimentContext, Findings, Plan, plan_experiment
from digitflow.studies.scope import DigitsScope

COPIES = 4
# Each a way to make four copies of an image; settings as in a config's `augment`.
BACKENDS: dict[str, dict[str, Any] | None] = {
    "none": None,
    "pixel shift": {"backend": "shift", "pixels": 1},
    "albumentations": {"backend": "albumentations", "copies": COPIES},
    "OpenCV, affine": {"backend": "opencv", "copies": COPIES, "thicker": 0.0},
    "OpenCV, elastic": {
        "backend": "opencv",
        "copies": COPIES,
        "rotation": 0.0,
        "slant": 0.0,
        "stretch": 0.0,
        "thicker": 0.0,
        "elastic": 1.0,
    },
    "Keras": {"backend": "keras", "copies": COPIES},
}
MODELS = ("knn", "svm", "mlp")
STRESSES = ("shift", "rotation")
SHOWN = 10
# As in the studies: four, weighted by distance.
NEIGHBOURS = 4


def plan(scope: DigitsScope) -> Plan:
    """Return the copies, the altered test images, the fits, and KNN on all images."""
    originals = min(scope.settings.augmented_size, scope.train_rows)
    images = min(scope.settings.altered_images, scope.test_rows)
    stresses = tuple(plan_alteration(name, images) for name in STRESSES)
    copies = tuple(
        plan_experiment(
            f"copies by {name}", make_copies, settings=settings, originals=originals
        )
        for name, settings in BACKENDS.items()
    )
    fits = (
        plan_experiment(
            name_fit(model, name),
            fit_on_copies,
            f"copies by {name}",
            *(stress.name for stress in stresses),
            model=model,
            copies=f"copies by {name}",
        )
        for model in MODELS
        for name in BACKENDS
    )
    pixels = plan_features("pixels")
    shifted = plan_experiment(
        "knn on all images and their shifts", read_by_shifted_neighbours, pixels.name
    )
    # The longest first: what is left at the end runs alone.
    return (pixels, shifted, *stresses, *copies, *fits)


def name_fit(model: str, backend: str) -> str:
    """Return what the experiment is called."""
    return f"{model} on {backend}"


def make_copies(
    context: ExperimentContext, settings: dict[str, Any] | None, originals: int
) -> Findings:
    """Make four copies of some training images, every digit as often; time that.

    Returns
    -------
    Findings
        values "images", or "missing" (why there are none, where a backend isn't installed);
        arrays "images" uint8 (n, 28, 28), "labels" uint8 (n,), "parents" int64 (n,), rows
        among the originals; "shown" uint8 (1 + copies, 10, 28, 28): one image of each digit
        and its copies; measured "images_per_second", of the copies alone.
    """
    train = open_train(context)
    rows = choose_subset(train.labels, originals, context.seed)
    images, labels = np.array(train.images[rows]), train.labels[rows]
    try:
        made, seconds = _write_copies(context, images, settings)
    except InputError as exc:
        return Findings(values={"missing": str(exc)})
    count = made.shape[0] // len(images)
    copies = context.store.open_array(made).reshape(count, *images.shape)
    chosen = [int(np.flatnonzero(labels == digit)[0]) for digit in range(SHOWN)]
    per_second = (count - 1) * len(images) / seconds
    return Findings(
        values={"images": made.shape[0]},
        measured={"images_per_second": per_second} if count > 1 else {},
        arrays={"images": made}
        | context.keep(
            labels=np.tile(labels, count),
            parents=np.tile(np.arange(len(images)), count),
            shown=np.ascontiguousarray(copies[:, chosen]),
        ),
    )


def _write_copies(
    context: ExperimentContext, images: np.ndarray, settings: dict[str, Any] | None
) -> tuple[Any, float]:
    if settings is None:
        return context.store.put_array(images), 1.0
    chosen: Any = TypeAdapter(Augmentation).validate_python(settings)
    module = catalogue.BACKENDS.load(chosen.backend)
    shape = (module.count_copies(chosen) * len(images), *images.shape[1:])
    # The first call loads the library behind it: that is no part of its speed.
    few = images[:SHOWN]
    tried = np.empty((module.count_copies(chosen) * len(few), *few.shape[1:]), np.uint8)
    module.write_copies(few, chosen, context.seed, tried)
    with context.store.new_array(shape, np.uint8) as pending:
        began = time.perf_counter()
        module.write_copies(images, chosen, context.seed, pending.array)
        seconds = time.perf_counter() - began
    return pending.ref, seconds


def fit_on_copies(context: ExperimentContext, model: str, copies: str) -> Findings:
    """Fit on images and copies; read the test images, as they are, moved and turned.

    Returns
    -------
    Findings
        values "accuracy", and "altered": {alteration: [share read right at each level]};
        or "missing" as the copies; measured "fit_seconds".
    """
    given = context.given[copies]
    if "missing" in given.values:
        return Findings(values={"missing": given.values["missing"]})
    images, labels = context.open(copies, "images", "labels")
    chosen = ALGORITHMS[model]
    recipe, features = fit_recipe(
        chosen.recipe, images, context.seed, context.store, context.threads
    )
    classifier = build_estimator(chosen.estimator, chosen.params, context.seed, context.threads)
    with context.timed("fit"):
        classifier.fit(context.store.open_array(features), labels)

    def score(pictures: np.ndarray, truth: np.ndarray) -> float:
        rows = context.store.open_array(
            transform_images(recipe, pictures, context.store, context.threads)
        )
        return float((predict_probabilities(classifier, rows).argmax(axis=1) == truth).mean())

    test = open_test(context)
    altered = {}
    for name in STRESSES:
        levels, truth = context.open(f"alter by {name}", "images", "labels")
        altered[name] = [score(level, truth) for level in levels]
    return Findings(values={"accuracy": score(test.images, test.labels), "altered": altered})


def read_by_shifted_neighbours(context: ExperimentContext) -> Findings:
    """Read the test images by their 4 nearest of all training images and their 4 shifts.

    The copies are never all in memory: the nearest of each part are kept, and the nearest
    of those are the nearest of all.

    Returns
    -------
    Findings
        values "accuracy", "plain_accuracy" (without shifts), "images".
    """
    train, test = open_train(context), open_test(context)
    truth = np.asarray(test.labels)
    (asked,) = context.open("features pixels", "test")
    near = _Nearest(asked, NEIGHBOURS)
    near.add(np.asarray(train.images), np.asarray(train.labels))
    plain = float((near.vote() == truth).mean())
    shift: Any = TypeAdapter(Augmentation).validate_python(BACKENDS["pixel shift"])
    module = catalogue.BACKENDS.load("shift")
    for direction in shift.directions:
        one = shift.model_copy(update={"directions": (direction,)})
        moved = np.empty((2 * len(train), 28, 28), np.uint8)
        module.write_copies(train.images, one, context.seed, moved)
        near.add(moved[len(train) :], np.asarray(train.labels))
    return Findings(
        values={
            "accuracy": float((near.vote() == truth).mean()),
            "plain_accuracy": plain,
            "images": (1 + len(shift.directions)) * len(train),
        }
    )


class _Nearest:
    """The nearest of ever more images to those asked about, and their weighted vote."""

    def __init__(self, asked: np.ndarray, count: int) -> None:
        self.asked = asked
        self.count = count
        self.distances = np.full((len(asked), 0), np.inf)
        self.labels = np.zeros((len(asked), 0), np.uint8)

    def add(self, images: np.ndarray, labels: np.ndarray) -> None:
        from sklearn.neighbors import NearestNeighbors

        rows = images.reshape(len(images), -1) * np.float32(1 / 255)
        count = min(self.count, len(rows))
        finder = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(rows)
        distances, places = finder.kneighbors(self.asked)
        both = np.concatenate([self.distances, distances], axis=1)
        names = np.concatenate([self.labels, labels[places]], axis=1)
        nearest = np.argsort(both, axis=1, kind="stable")[:, : self.count]
        self.distances = np.take_along_axis(both, nearest, axis=1)
        self.labels = np.take_along_axis(names, nearest, axis=1)

    def vote(self) -> np.ndarray:
        """Return the digit (n,) with the most weight, one over the distance."""
        weights = 1 / np.maximum(self.distances, 1e-12)
        totals = np.stack(
            [(weights * (self.labels == digit)).sum(axis=1) for digit in range(10)], axis=1
        )
        return np.asarray(totals.argmax(axis=1))
