"""A blend against its formula, worked out from its parts' whole pipelines."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp
from sklearn.base import BaseEstimator, ClassifierMixin

from digitflow.data.sets import LabelledImages, Splits, store_set
from digitflow.errors import CandidateRefused
from digitflow.evaluation.scoring import evaluate_candidate
from digitflow.models.blending import blend_candidates, blend_refits, join_features
from digitflow.models.building import EstimatorChoice, RecipeChoice
from digitflow.models.estimators.blend import LEAST, Blend, average_logarithms
from digitflow.models.fitting import (
    REFIT_FOLDS,
    complete_refit,
    fit_candidate,
    predict_fold,
    prepare_recipe,
    refit_candidate,
)
from digitflow.models.persistence import load_model
from digitflow.project.code import ProjectCode

MINE = """
from sklearn.neighbors import KNeighborsClassifier

class Mine(KNeighborsClassifier):
    def __init__(self, n_neighbors=3):
        super().__init__(n_neighbors, algorithm="brute")
"""


def choose(estimator, **settings):
    given = {"params": {}, "calibration": "temperature", "seed": 3} | settings
    return EstimatorChoice(estimator=estimator, **given)


LINEAR, NEAREST, TREE = choose("logistic"), choose("knn"), choose("tree")
MIXED = choose("blend")


@pytest.fixture(scope="module")
def samples():
    """Blurred stripes of ten classes that every part misreads some of: images, labels."""
    random = np.random.default_rng(0)
    labels = (np.arange(700) % 10).astype(np.uint8)
    images = random.integers(0, 120, (700, 28, 28)).astype(np.uint8)
    places = labels * 2 + 3 + random.integers(-1, 2, 700)
    images[np.arange(700), places, 8:20] = 150
    return images, labels


@pytest.fixture
def splits(store, samples):
    train, calibration, validation = (
        store_set(store, LabelledImages(*(part[rows] for part in samples)))
        for rows in (slice(0, 300), slice(300, 500), slice(500, 700))
    )
    return Splits(train=train, calibration=calibration, validation=validation, test=train)


@pytest.fixture
def prepare(store, splits):
    """Compute the features of a recipe."""
    parts = [part.samples for part in (splits.train, splits.calibration, splits.validation)]
    return lambda name: prepare_recipe(store, RecipeChoice(name=name), *parts, seed=0)


@pytest.fixture
def blend(store, splits, prepare):
    """Fit candidates, each a choice on a recipe, and blend them."""

    def make(*candidates):
        prepared = [prepare(recipe) for _, recipe in candidates]
        targets = splits.train.targets, splits.calibration.targets
        parts = [
            fit_candidate(store, choice, features, *targets)
            for (choice, _), features in zip(candidates, prepared, strict=True)
        ]
        joined = join_features(store, prepared)
        return blend_candidates(store, MIXED, parts, joined, targets[1]), parts, joined

    return make


def sharpen(logarithms, power=1.0):
    """Return probabilities from logarithms (n, k)."""
    powers = power * logarithms
    return np.exp(powers - logsumexp(powers, axis=1, keepdims=True))


def find_power(logarithms, labels):
    """Return the power (the inverse of a temperature) with the least log loss."""
    rows = np.arange(len(labels))
    return minimize_scalar(
        lambda power: -np.log(sharpen(logarithms, power)[rows, labels]).mean(),
        bounds=(0.05, 20),
        method="bounded",
        options={"xatol": 1e-6},
    ).x


def test_a_blend_is_the_mean_of_its_parts_logarithms_calibrated_as_any_candidate(
    store, samples, blend
):
    images, labels = samples
    fitted, parts, _ = blend((LINEAR, "scaled"), (NEAREST, "pca"))
    said = [load_model(part.model, store).predict_proba(images) for part in parts]
    mean = np.mean([np.log(np.maximum(each, LEAST)) for each in said], axis=0)
    expected = sharpen(mean, find_power(mean[300:500], labels[300:500]))
    found = load_model(fitted.model, store).predict_proba(images)
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert fitted.processor_seconds >= sum(part.processor_seconds for part in parts)


def test_parts_on_one_recipe_compute_it_once_and_say_the_same(store, samples, blend):
    images, _ = samples
    fitted, parts, joined = blend((TREE, "pca"), (NEAREST, "pca"))
    assert joined.columns[0] == joined.columns[1]
    model = load_model(fitted.model, store)
    assert [name for name, _ in model.steps[:-1]] == [
        name for name, _ in load_model(parts[0].model, store).steps[:-1]
    ]
    mean = average_logarithms([load_model(p.model, store).predict_proba(images) for p in parts])
    # Calibration keeps the order.
    np.testing.assert_array_equal(model.predict(images), mean.argmax(axis=1))


def test_a_blend_is_evaluated_by_features_as_its_pipeline_predicts(
    store, samples, splits, blend
):
    network = choose("cnn", params={"blocks": [[4]], "epochs": 1})
    fitted, parts, joined = blend((NEAREST, "pca"), (network, "raw"), (TREE, "pca"))
    assert joined.columns[1][2] == "uint8"
    evaluation = evaluate_candidate(store, fitted, joined, splits.validation)
    np.testing.assert_allclose(
        store.open_array(evaluation.predictions),
        load_model(fitted.model, store).predict_proba(samples[0][500:]),
        atol=1e-4,
    )
    assert blend_candidates(store, MIXED, parts, joined, splits.calibration.targets).model == (
        fitted.model
    )


def refit(store, choice, features, train, splits):
    whole = refit_candidate(store, choice, features, train, splits)
    folds = [
        predict_fold(store, choice, features, train, splits, fold)
        for fold in range(REFIT_FOLDS)
    ]
    return complete_refit(store, choice, whole, folds, train, splits), folds


def test_a_refit_is_calibrated_by_what_its_parts_said_out_of_fold_of_rows_they_share(
    store, samples, splits, prepare
):
    images, labels = samples
    twice = LabelledImages(*(np.concatenate([part[:300], part[:300]]) for part in samples))
    copied = store_set(store, twice).model_copy(
        update={"parents": store.put_array(np.tile(np.arange(300), 2))}
    )
    scaled, pca = prepare("scaled"), prepare("pca")
    features = np.tile(store.open_array(scaled.train), (2, 1))
    more = scaled.model_copy(update={"train": store.put_array(features)})
    refits = [
        refit(store, LINEAR, more, copied, splits),
        refit(store, LINEAR, pca, splits.train, splits),
    ]
    parts, folds = zip(*refits, strict=True)
    joined = join_features(store, [more, pca])
    fitted = blend_refits(store, MIXED, parts, joined, folds, splits)

    logarithms = []
    for held in folds:
        scores = np.empty((sum(fold.rows.shape[0] for fold in held), 10))
        for fold in held:
            scores[store.open_array(fold.rows)] = store.open_array(fold.values)
        power = find_power(
            scores, np.concatenate([np.resize(labels[:300], len(scores) - 400), labels[300:]])
        )
        logarithms.append(np.log(np.maximum(sharpen(scores, power), LEAST)))
    mean = np.mean([each[-400:] for each in logarithms], axis=0)
    said = [load_model(part.model, store).predict_proba(images) for part in parts]
    expected = sharpen(
        np.mean([np.log(np.maximum(each, LEAST)) for each in said], axis=0),
        find_power(mean, labels[300:]),
    )
    found = load_model(fitted.model, store).predict_proba(images)
    np.testing.assert_allclose(found, expected, atol=2e-3)
    assert fitted.fit_seconds >= sum(part.fit_seconds for part in parts)


def test_parts_that_know_other_classes_are_refused(store, splits, prepare, blend):
    _, (part, _), joined = blend((TREE, "pca"), (NEAREST, "pca"))
    fewer = store.put_array(store.open_array(splits.train.targets) % 9)
    other = fit_candidate(store, TREE, prepare("pca"), fewer, fewer_targets(store, splits))
    with pytest.raises(CandidateRefused, match="must know the same classes"):
        blend_candidates(store, MIXED, [part, other], joined, splits.calibration.targets)


def fewer_targets(store, splits):
    return store.put_array(store.open_array(splits.calibration.targets) % 9)


def test_what_a_part_may_hold_a_blend_may_hold_and_brings_its_code(store, samples, blend):
    code = ProjectCode(sources={"my_nearest.py": MINE})
    mine = choose("my_nearest:Mine", code=code, trust=("my_nearest.Mine",))
    fitted, _, _ = blend((mine, "pca"), (TREE, "pca"))
    assert fitted.model.trusted == ("my_nearest.Mine",)
    images, labels = samples
    assert (load_model(fitted.model, store).predict(images[:300]) == labels[:300]).mean() > 0.5


class Told(ClassifierMixin, BaseEstimator):
    """Says what its features are, which must be of a kind."""

    def __init__(self, dtype, classes=2):
        self.dtype, self.classes_ = dtype, np.arange(classes)

    def predict_proba(self, features):
        assert features.dtype == self.dtype
        return np.asarray(features, float) / 10


def test_each_member_gets_its_own_columns_as_it_was_fitted_on_them():
    blend = Blend([Told("uint8"), Told("float32")], [(2, 4, "uint8"), (0, 2, "float32")]).fit()
    rows = np.array([[4, 6, 1, 9], [8, 2, 0, 10]], np.float32)
    odds = [np.log(9) + np.log(6 / 4), -np.log(LEAST) + np.log(2 / 8)]
    np.testing.assert_allclose(blend.decision_function(rows), np.array(odds) / 2)
    np.testing.assert_array_equal(blend.predict(rows), [1, 1])
