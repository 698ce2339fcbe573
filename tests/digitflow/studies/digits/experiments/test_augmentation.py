"""Copies know their parents; the nearest of all parts are the nearest of all."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from digitflow.data.splits import choose_subset
from digitflow.models.building import build_estimator
from digitflow.studies.digits.algorithms import ALGORITHMS
from digitflow.studies.digits.data import open_test, open_train, prepare_features
from digitflow.studies.digits.experiments import augmentation
from digitflow.studies.digits.experiments.augmentation import BACKENDS, _Nearest, make_copies
from digitflow.studies.plan import ExperimentContext, Findings


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


def test_equally_many_copies_are_made_of_mnist_in_every_way(mnist_scope):
    steps = {step.name: step for step in augmentation.plan(mnist_scope)}
    for name in BACKENDS:
        assert steps[f"copies by {name}"].params["originals"] == (
            mnist_scope.settings.augmented_size
        )
    copied = [each["copies"] for each in BACKENDS.values() if each and "copies" in each]
    assert copied == [4] * 4
    assert BACKENDS["pixel shift"] == {"backend": "shift", "pixels": 1}
    # The one is all of affine and nothing else, the other all of elastic.
    assert BACKENDS["OpenCV, affine"]["thicker"] == 0
    elastic = BACKENDS["OpenCV, elastic"]
    assert {name for name, value in elastic.items() if value == 0} == {
        "rotation",
        "slant",
        "stretch",
        "thicker",
    }
    assert elastic["elastic"] == 1
    few = mnist_scope.model_copy(update={"train_rows": 50, "test_rows": 20})
    steps = {step.name: step for step in augmentation.plan(few)}
    assert steps["copies by none"].params["originals"] == 50
    assert steps["alter by shift"].params["images"] == 20


def test_one_image_of_each_digit_is_shown_with_its_copies_and_speed_is_of_copies(make_context):
    context = make_context(train=60)
    made = make_copies(context, BACKENDS["pixel shift"], 40)
    rows = choose_subset(open_train(context).labels, 40, 42)
    labels = open_train(context).labels[rows]
    images, shown = (context.store.open_array(made.arrays[key]) for key in ("images", "shown"))
    assert shown.shape == (5, 10, 28, 28)
    for digit in range(10):
        first = np.flatnonzero(labels == digit)[0]
        np.testing.assert_array_equal(shown[:, digit], images[first::40])
    assert made.measured["images_per_second"] > 0
    alone = make_copies(context, None, 40)
    assert alone.measured == {}
    assert context.store.open_array(alone.arrays["shown"]).shape == (1, 10, 28, 28)


def test_speed_is_copies_over_the_seconds_that_writing_them_took(make_context, monkeypatch):
    moments = iter([10.0, 12.5])
    monkeypatch.setattr("time.perf_counter", lambda: next(moments))
    made = make_copies(make_context(train=60), BACKENDS["pixel shift"], 50)
    # Four copies of fifty images in two and a half seconds; the originals are no copies.
    assert made.measured == {"images_per_second": 80.0}


def test_a_fit_on_copies_reads_test_images_plain_and_altered(make_context):
    context = make_context(train=100, test=40)
    copies = make_copies(context, BACKENDS["pixel shift"], 50)
    test = open_test(context)
    moved = np.stack([test.images, np.roll(test.images, 1, axis=2)])
    given = {"copies": copies}
    for name in ("shift", "rotation"):
        arrays = context.keep(images=moved, labels=test.labels)
        given[f"alter by {name}"] = Findings(arrays=arrays)
    context = ExperimentContext(context.store, context.data, 42, 1, given)
    found = augmentation.fit_on_copies(context, "knn", "copies").values
    images, labels = context.open("copies", "images", "labels")
    chosen = ALGORITHMS["knn"]
    knn = build_estimator(chosen.estimator, chosen.params, 42, 1)
    knn.fit(images.reshape(250, -1) / np.float32(255), labels)

    def score(pictures):
        said = knn.predict(pictures.reshape(40, -1) / np.float32(255))
        return (said == test.labels).mean()

    assert found["accuracy"] == pytest.approx(score(test.images))
    wanted = [score(test.images), score(moved[1])]
    assert found["altered"] == {"shift": wanted, "rotation": wanted}
    assert 0.3 < wanted[1] <= 1


def test_shifted_neighbours_are_those_of_all_images_and_their_four_shifts(make_context):
    context = make_context(train=60, test=40)
    context = ExperimentContext(
        context.store,
        context.data,
        42,
        1,
        {"features pixels": prepare_features(context, "pixels", "own")},
    )
    found = augmentation.read_by_shifted_neighbours(context).values
    train, test = open_train(context), open_test(context)
    copies = [np.asarray(train.images)]
    for axis, step in ((1, -1), (1, 1), (2, -1), (2, 1)):
        moved = np.roll(train.images, step, axis=axis)
        edge = 0 if step == 1 else -1
        moved[(slice(None), edge) if axis == 1 else (slice(None), slice(None), edge)] = 0
        copies.append(moved)

    def score(images, count):
        knn = KNeighborsClassifier(4, weights="distance", algorithm="brute")
        rows = images.reshape(len(images), -1) * np.float32(1 / 255)
        knn.fit(rows, np.tile(train.labels, count))
        asked = test.images.reshape(len(test), -1) * np.float32(1 / 255)
        return (knn.predict(asked) == test.labels).mean()

    assert found["images"] == 300
    assert found["plain_accuracy"] == pytest.approx(score(copies[0], 1))
    assert found["accuracy"] == pytest.approx(score(np.concatenate(copies), 5))


def test_an_equal_image_outvotes_three_that_are_near():
    asked = np.zeros((1, 784), np.float32)
    near = _Nearest(asked, 4)
    images = np.zeros((4, 28, 28), np.uint8)
    images[1:, 0, 0] = 1
    near.add(images, np.array([7, 2, 2, 2], np.uint8))
    assert near.vote().tolist() == [7]
    assert near.distances.tolist() == [pytest.approx([0, 1 / 255, 1 / 255, 1 / 255])]
