"""Planted wrong labels are found, and right ones left alone."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

from digitflow.data.sets import LabelledImages, store_set
from digitflow.evaluation.resampling import wilson_interval
from digitflow.studies.digits.data import open_test, open_train, prepare_features
from digitflow.studies.digits.experiments import errors
from digitflow.studies.digits.experiments.errors import (
    describe_mistakes,
    find_neighbours,
    find_suspects,
    find_temperature,
    plan,
    read_fold,
    read_test,
    score_hands,
    suspect_labels,
)
from digitflow.studies.digits.voting import fit_temperature
from digitflow.studies.plan import ExperimentContext, Findings, StudyData


def test_the_joint_is_that_of_a_naive_loop():
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet(np.ones(4), 200)
    labels = generator.integers(0, 4, 200)
    thresholds = [
        np.mean([p[c] for p, y in zip(probabilities, labels, strict=True) if y == c])
        for c in range(4)
    ]
    joint, rows = np.zeros((4, 4), int), []
    for row, (p, label) in enumerate(zip(probabilities, labels, strict=True)):
        sure = [c for c in range(4) if p[c] >= thresholds[c]]
        if sure:
            best = max(sure, key=lambda c: p[c])
            joint[label, best] += 1
            if best != label:
                rows.append(row)
    found = find_suspects(labels, probabilities)
    np.testing.assert_array_equal(found.joint, joint)
    assert sorted(found.rows) == rows
    assert (np.diff(found.margin) <= 0).all()


def test_planted_wrong_labels_are_found():
    features, labels = load_digits(return_X_y=True)
    generator = np.random.default_rng(1)
    wrong = generator.choice(len(labels), 60, replace=False)
    given = labels.copy()
    given[wrong] = (labels[wrong] + generator.integers(1, 10, 60)) % 10
    model = KNeighborsClassifier(10)
    probabilities = cross_val_predict(model, features, given, method="predict_proba")
    found = find_suspects(given, probabilities)
    hits = np.isin(found.rows, wrong)
    assert hits.sum() / len(wrong) > 0.7
    assert hits[:40].mean() > 0.9
    right = found.suggested[hits] == labels[found.rows[hits]]
    assert right.mean() > 0.95


@pytest.fixture
def read(make_context, store):
    """Sixty training and thirty test images; what was read of them, not yet calibrated."""
    writers = np.array([3, 3, 4, -1] * 15, np.int32)
    context = make_context()
    train, test = open_train(context), open_test(context)

    def know(digits):
        n = len(digits)
        known = LabelledImages(digits.images, digits.labels, writers[:n], np.arange(n) // 20)
        return store_set(store, known)

    data = StudyData(train=know(train), test=know(test))
    said = np.full((30, 10), 0.01)
    said[np.arange(30), test.labels] = 0.91
    # 4 for 9 twice, 9 for 4 once, 3 for 5 once; the second is the surest.
    for row, digit, sure in ((4, 9, 0.6), (14, 9, 0.8), (9, 4, 0.7), (3, 5, 0.5)):
        said[row] = (1 - sure) / 9
        said[row, digit] = sure
    folds = {}
    for fold in range(2):
        rows = np.arange(fold, 60, 2)
        probabilities = np.full((30, 10), 0.02, np.float32)
        probabilities[np.arange(30), train.labels[rows]] = 0.82
        if fold == 0:
            # Row 6 is read as a 1 instead, and row 8 hardly as anything.
            probabilities[3] = 0.01
            probabilities[3, 1] = 0.91
            probabilities[4] = 0.1
        arrays = {"rows": rows, "probabilities": probabilities}
        kept = {name: store.put_array(array) for name, array in arrays.items()}
        folds[f"fold {fold + 1}"] = Findings(arrays=kept)
    given = {
        "test images": Findings(arrays={"probabilities": store.put_array(said)}),
        "temperature": Findings(values={"temperature": 1.0}),
        **folds,
    }
    return ExperimentContext(store, data, 42, 1, given)


def give(context, **found):
    given = {**context.given, **found}
    return ExperimentContext(context.store, context.data, context.seed, 1, given)


def test_mistakes_are_counted_by_pair_either_way_and_the_surest_come_first(read):
    found = describe_mistakes(read).values
    counts = np.array(found["counts"])
    assert counts.sum() == 30
    assert found["wrong"] == 4
    assert (counts[4, 9], counts[9, 4], counts[3, 5], counts[5, 3]) == (2, 1, 1, 0)
    assert [(m["row"], m["label"], m["said"]) for m in found["surest"]] == [
        (14, 4, 9),
        (9, 9, 4),
        (4, 4, 9),
        (3, 3, 5),
    ]
    assert [m["sure"] for m in found["surest"]] == pytest.approx([0.8, 0.7, 0.6, 0.5])
    assert len(found["pairs"]) == 3
    first, second, third = found["pairs"]
    assert first == {"digits": [4, 9], "errors": 3, "cells": [[24], [4, 14], [9], [19, 29]]}
    assert second == {"digits": [3, 5], "errors": 1, "cells": [[13, 23], [3], [], [5, 15, 25]]}
    assert third["errors"] == 0


def test_of_many_mistakes_the_surest_and_of_many_images_the_first_are_told(make_context, store):
    context = make_context(test=300)
    labels = open_test(context).labels
    said = np.full((300, 10), 0.05)
    said[np.arange(300), (labels + (labels == 0)) % 10] = 0.5 + np.arange(300) / 1000
    given = {
        "test images": Findings(arrays={"probabilities": store.put_array(said)}),
        "temperature": Findings(values={"temperature": 1.0}),
    }
    found = describe_mistakes(give(context, **given)).values
    assert found["wrong"] == 30
    assert [m["row"] for m in found["surest"]] == list(range(290, 50, -10))
    (_, as_one, _, ones) = found["pairs"][0]["cells"]
    assert as_one == list(range(0, 80, 10))
    assert ones == list(range(1, 80, 10))


def test_a_temperature_changes_how_sure_a_mistake_is_and_not_what_was_said(read):
    warm = give(read, temperature=Findings(values={"temperature": 2.0}))
    found = describe_mistakes(warm).values
    assert found["counts"] == describe_mistakes(read).values["counts"]
    # The roots of 0.8 and nine times 0.2 / 9.
    assert found["surest"][0]["sure"] == pytest.approx(
        np.sqrt(0.8) / (np.sqrt(0.8) + 9 * np.sqrt(0.2 / 9))
    )


def test_the_temperature_is_that_which_fits_what_was_read_out_of_fold(read):
    gathered = np.zeros((60, 10))
    for fold in range(2):
        facts = read.given[f"fold {fold + 1}"].arrays
        gathered[np.arange(fold, 60, 2)] = read.store.open_array(facts["probabilities"])
    labels = np.arange(60) % 10
    assert find_temperature(read).values["temperature"] == pytest.approx(
        fit_temperature(gathered, labels, 1e-12)
    )


def test_the_nearest_images_to_the_surest_mistakes_are_listed(read):
    surest = [{"row": 14}, {"row": 3}]
    near = find_neighbours(give(read, mistakes=Findings(values={"surest": surest}))).values[
        "near"
    ]
    train, test = open_train(read), open_test(read)
    for found, row in zip(near, (14, 3), strict=True):
        apart = np.sqrt((((train.images / 255) - test.images[row] / 255) ** 2).sum(axis=(1, 2)))
        wanted = np.argsort(apart)[:5]
        assert [each["row"] for each in found] == wanted.tolist()
        assert [each["label"] for each in found] == train.labels[wanted].tolist()
        assert [each["distance"] for each in found] == pytest.approx(apart[wanted], abs=1e-3)


def test_labels_are_suspected_of_both_sets_by_what_was_read_in_them(read):
    found = suspect_labels(read).values
    # Of sixty rows, row 6 is misread, and row 8 is read as the first of equals, a 0.
    assert found["accuracy"] == pytest.approx(58 / 60)
    assert found["train"]["found"] == 1
    (suspect,) = found["train"]["likeliest"]
    assert (suspect["row"], suspect["label"], suspect["suggested"]) == (6, 6, 1)
    assert suspect["margin"] == pytest.approx(0.90, abs=0.001)
    # Of test images, a 9 at 0.6 and a 5 at 0.5 are less than those digits usually have.
    assert [each["row"] for each in found["test"]["likeliest"]] == [14, 9]
    assert np.sum(found["test"]["joint"]) == 28


def test_at_most_forty_suspects_are_listed():
    labels = np.arange(500) % 10
    probabilities = np.eye(10)[(labels + (np.arange(500) < 100)) % 10]
    found = errors._list_suspects(labels, probabilities)
    assert found["found"] == 100
    assert len(found["likeliest"]) == 40


def test_hands_are_scored_by_writer_and_by_series_and_unknown_ones_are_not(read):
    found = score_hands(read).values
    # Of 30 rows 3 3 4 -1 3 3 ...: rows 4, 9 are of 3, row 14 of 4, row 3 of nobody.
    assert [(w["name"], w["n"], w["correct"]) for w in found["writers"]] == [
        (3, 16, 14),
        (4, 7, 6),
    ]
    low, high = wilson_interval(14, 16)
    assert (found["writers"][0]["low"], found["writers"][0]["high"]) == (low, high)
    assert [(s["name"], s["n"], s["correct"]) for s in found["series"]] == [
        (0, 20, 16),
        (1, 10, 10),
    ]


def test_where_hands_are_unknown_none_is_scored(make_context, store):
    said = store.put_array(np.eye(10)[np.arange(30) % 10])
    given = {"test images": Findings(arrays={"probabilities": said})}
    assert score_hands(make_context(given=given)).values == {"writers": [], "series": []}


def test_no_writer_of_a_fold_was_learnt_from_and_folds_hold_every_row_once(make_context, store):
    writers = (np.arange(200) // 5).astype(np.int32)
    context = make_context(train=200, test=20)
    train = open_train(context)
    known = LabelledImages(train.images, train.labels, writers)
    data = StudyData(train=store_set(store, known), test=context.data.test)
    plain = ExperimentContext(store, data, 42, 1)
    features = prepare_features(plain, "scaled", "own")
    context = give(plain, **{"features strokes": features})
    held = []
    for fold in range(4):
        found = read_fold(context, fold, 4)
        rows = store.open_array(found.arrays["rows"])
        assert found.values == {"images": len(rows)}
        assert store.open_array(found.arrays["probabilities"]).shape == (len(rows), 10)
        held.append(rows)
    assert sorted(np.concatenate(held)) == list(range(200))
    owners = [set(writers[rows].tolist()) for rows in held]
    assert sum(map(len, owners)) == len(set.union(*owners)) == 40
    # Whoever has no name is a hand of their own.
    unknown = store_set(store, LabelledImages(train.images, train.labels))
    data = StudyData(train=unknown, test=context.data.test)
    bare = ExperimentContext(store, data, 42, 1, context.given)
    rows = store.open_array(read_fold(bare, 0, 4).arrays["rows"])
    assert np.bincount(train.labels[rows]).tolist() == [5] * 10


def test_a_model_of_all_images_reads_the_test_images(make_context, store):
    context = make_context(train=200, test=30)
    features = prepare_features(context, "scaled", "own")
    found = read_test(give(context, **{"features strokes": features}))
    probabilities = store.open_array(found.arrays["probabilities"])
    right = probabilities.argmax(axis=1) == open_test(context).labels
    assert found.values == {"accuracy": right.mean()}
    assert right.mean() > 0.5


def test_each_fold_is_read_once_and_all_that_is_asked_needs_them(mnist_scope):
    settings = mnist_scope.settings.model_copy(update={"folds": 3})
    steps = {s.name: s for s in plan(mnist_scope.model_copy(update={"settings": settings}))}
    folds = ("fold 1", "fold 2", "fold 3")
    assert [steps[name].params for name in folds] == [
        {"fold": fold, "folds": 3} for fold in range(3)
    ]
    assert steps["temperature"].needs == folds
    assert steps["labels"].needs == ("test images", "temperature", *folds)
