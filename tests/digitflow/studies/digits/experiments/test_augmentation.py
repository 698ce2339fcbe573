"""Copies know their parents; the nearest of all parts are the nearest of all."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from digitflow.data.splits import choose_subset
from digitflow.studies.digits.data import open_train
from digitflow.studies.digits.experiments import augmentation
from digitflow.studies.digits.experiments.augmentation import BACKENDS, _Nearest, make_copies
from digitflow.studies.plan import ExperimentContext


@pytest.mark.parametrize("name", [name for name in BACKENDS if name != "Keras"])
def test_every_copy_knows_its_parent_and_has_its_label(make_study, store, name):
    scope, data = make_study(200)
    context = ExperimentContext(store, data, scope.seed, 1)
    made = make_copies(context, BACKENDS[name], 100)
    images, labels, parents = (
        store.open_array(made.arrays[key]) for key in ("images", "labels", "parents")
    )
    rows = choose_subset(open_train(context).labels, 100, scope.seed)
    originals = open_train(context).take(rows)
    assert len(images) == made.values["images"] == (100 if name == "none" else 500)
    np.testing.assert_array_equal(labels, originals.labels[parents])
    np.testing.assert_array_equal(images[:100], originals.images)


def test_what_is_not_installed_is_said_and_not_fatal(make_study, store, monkeypatch):
    scope, data = make_study(200)
    monkeypatch.setitem(__import__("sys").modules, "keras", None)
    context = ExperimentContext(store, data, scope.seed, 1)
    made = make_copies(context, BACKENDS["Keras"], 100)
    assert "digitflow[keras]" in made.values["missing"]
    context = ExperimentContext(store, data, scope.seed, 1, {"copies by Keras": made})
    assert augmentation.fit_on_copies(context, "knn", "copies by Keras").values == made.values


def test_the_nearest_of_parts_vote_as_the_nearest_of_all():
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (300, 28, 28), np.uint8)
    labels = generator.integers(0, 10, 300).astype(np.uint8)
    asked = (images[:40] ^ 3).reshape(40, -1) * np.float32(1 / 255)
    near = _Nearest(asked, 4)
    for start in range(0, 300, 100):
        near.add(images[start : start + 100], labels[start : start + 100])
    whole = KNeighborsClassifier(4, weights="distance", algorithm="brute")
    whole.fit(images.reshape(300, -1) * np.float32(1 / 255), labels)
    np.testing.assert_array_equal(near.vote(), whole.predict(asked))
