"""Estimators are found by the name of their module and built from a config's values."""

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier

from digitflow.config.training import Classifier
from digitflow.data.sets import LabelledImages, Splits, store_set
from digitflow.errors import CandidateRefused
from digitflow.features.preparing import build_steps, fit_recipe, transform_images
from digitflow.models.building import EstimatorChoice, RecipeChoice, build_estimator
from digitflow.models.fitting import (
    REFIT_FOLDS,
    PreparedFeatures,
    _group_rows,
    _join_parts,
    _part_folds,
    _place_classes,
    complete_refit,
    draw_rows,
    fit_candidate,
    predict_fold,
    prepare_recipe,
    refit_candidate,
)
from digitflow.models.persistence import dump_model, load_model
from digitflow.project.code import ProjectCode

LINEAR = EstimatorChoice(estimator="logistic", params={}, calibration="temperature", seed=3)
TREE = EstimatorChoice(estimator="tree", params={"max_depth": 6}, calibration="sigmoid", seed=3)


SEARCH = """
from sklearn.model_selection import GridSearchCV
from sklearn.tree import DecisionTreeClassifier

search = GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1, 4]}, cv=2)
"""


@pytest.fixture
def prepared(store):
    """Striped images of ten classes, in two parts, with the recipe `pixels`."""
    random = np.random.default_rng(0)
    labels = np.arange(400, dtype=np.uint8) % 10
    images = random.integers(0, 60, (400, 28, 28)).astype(np.uint8)
    images[np.arange(400), labels * 2 + 3, :] = 200
    recipe, train = fit_recipe("pixels", images[:300], 0, store, 1)
    held = transform_images(recipe, images[300:], store, 1)
    features = PreparedFeatures(
        recipe=dump_model(recipe, store), train=train, calibration=held, validation=held
    )
    return images, labels, features, _put(store, labels[:300], labels[300:])


def _put(store, *arrays):
    return tuple(store.put_array(array) for array in arrays)


def test_a_candidate_is_what_scikit_learn_fits_and_calibrates(store, prepared):
    images, labels, features, rows = prepared
    fitted = fit_candidate(store, TREE, features, *rows, threads=1)
    pixels = (images.reshape(400, -1) * np.float32(1 / 255)).astype(np.float32)
    tree = DecisionTreeClassifier(max_depth=6, random_state=3)
    model = load_model(fitted.model, store)
    ours = model[-1].calibrated_classifiers_[0].estimator.estimator
    tree.set_params(**ours.get_params()).fit(pixels[:300], labels[:300])
    expected = CalibratedClassifierCV(FrozenEstimator(tree), method="sigmoid")
    expected.fit(pixels[300:], labels[300:])
    np.testing.assert_allclose(
        model.predict_proba(images), expected.predict_proba(pixels), rtol=1e-6
    )


def test_the_model_takes_raw_images(store, prepared):
    images, labels, features, rows = prepared
    fitted = fit_candidate(store, TREE, features, *rows, threads=1)
    model = load_model(fitted.model, store)
    assert isinstance(model, Pipeline)
    assert [name for name, _ in model.steps[:-1]] == [
        name for name, _ in build_steps("pixels", 0)
    ]
    assert (model.predict(images) == labels).mean() > 0.5


def test_the_same_seed_gives_the_same_file(store, prepared):
    _, _, features, rows = prepared
    digests = {
        fit_candidate(store, TREE, features, *rows, threads).model.digest for threads in (1, 2)
    }
    assert len(digests) == 1


def test_at_most_so_many_rows_are_learnt_each_class_in_proportion(store, prepared):
    _, labels, features, targets = prepared
    bounded = LINEAR.model_copy(update={"max_rows": 50})
    fitted = fit_candidate(store, bounded, features, *targets)
    assert fitted == fit_candidate(store, bounded, features, *targets).model_copy(
        update={name: getattr(fitted, name) for name in ("fit_seconds", "processor_seconds")}
    )
    rows = draw_rows(labels[:300], 50, LINEAR.seed, classes=True)
    np.testing.assert_array_equal(np.bincount(labels[rows]), [5] * 10)
    assert (np.diff(rows) > 0).all()
    own = load_model(fitted.model, store)[-1].estimator.coef_
    expected = build_estimator("logistic", {}, LINEAR.seed, 1)
    expected.fit(store.open_array(features.train)[rows], labels[rows])
    np.testing.assert_allclose(own, expected.coef_, atol=1e-6)


def test_as_many_rows_as_there_are_change_nothing(store, prepared):
    _, _, features, targets = prepared
    fitted = [
        fit_candidate(store, LINEAR.model_copy(update={"max_rows": rows}), features, *targets)
        for rows in (None, 300, 10**9)
    ]
    assert len({each.model.digest for each in fitted}) == 1


def test_fewer_rows_than_classes_are_refused(store, prepared):
    _, _, features, targets = prepared
    with pytest.raises(CandidateRefused, match="train_size = 5 should be greater"):
        fit_candidate(store, LINEAR.model_copy(update={"max_rows": 5}), features, *targets)


def test_values_are_drawn_without_regard_to_them():
    rows = draw_rows(np.random.default_rng(0).normal(size=100), 20, 1, classes=False)
    assert len(set(rows.tolist())) == 20
    np.testing.assert_array_equal(rows, draw_rows(np.zeros(100), 20, 1, classes=False))


def test_refused_parameters_are_the_candidates_failure(store, prepared):
    _, _, features, rows = prepared
    choice = TREE.model_copy(update={"params": {"max_depth": 0}})
    with pytest.raises(CandidateRefused, match="max_depth"):
        fit_candidate(store, choice, features, *rows, threads=1)


def test_a_search_leaves_what_it_found(store, prepared):
    from sklearn.model_selection import GridSearchCV

    _, _, features, rows = prepared
    code = ProjectCode(sources={"my_search.py": SEARCH})
    choice = TREE.model_copy(
        update={"estimator": "my_search:search", "params": {}, "code": code}
    )
    fitted = fit_candidate(store, choice, features, *rows, threads=1)
    (calibrated,) = load_model(fitted.model, store)[-1].calibrated_classifiers_
    found = calibrated.estimator.estimator
    assert not isinstance(found, GridSearchCV)
    assert (found.max_depth, found.random_state) == (4, 3)


def test_warnings_of_a_fit_are_kept(store, prepared):
    _, _, features, rows = prepared
    choice = EstimatorChoice(
        estimator="logistic", params={"max_iter": 1}, calibration="temperature", seed=0
    )
    fitted = fit_candidate(store, choice, features, *rows, threads=1)
    assert any("converge" in warning for warning in fitted.warnings)


@pytest.fixture
def parted(store, prepared):
    """Features, training samples with copies, and splits of the striped images: 300, 60, 40."""
    images, labels, features, _ = prepared
    held = np.array(store.open_array(features.validation))
    calibration, validation = _put(store, held[:60], held[60:])
    features = features.model_copy(
        update={"calibration": calibration, "validation": validation}
    )
    parts = [
        store_set(store, LabelledImages(images[part], labels[part]))
        for part in (slice(0, 300), slice(300, 360), slice(360, 400))
    ]
    copied = parts[0].model_copy(update={"parents": store.put_array(np.arange(300) // 4)})
    splits = Splits(train=parts[0], calibration=parts[1], validation=parts[2], test=parts[2])
    return features, copied, splits


def _refit(store, choice, parted):
    features, train, splits = parted
    whole = refit_candidate(store, choice, features, train, splits)
    folds = [
        predict_fold(store, choice, features, train, splits, fold)
        for fold in range(REFIT_FOLDS)
    ]
    return complete_refit(store, choice, whole, folds, train, splits), folds


@pytest.mark.parametrize("choice", [TREE, LINEAR], ids=lambda choice: choice.estimator)
def test_a_refit_learns_from_all_and_is_calibrated_out_of_fold_as_scikit_learn_does(
    store, prepared, parted, choice
):
    images = prepared[0]
    features, train, splits = parted
    fitted, _ = _refit(store, choice, parted)
    rows = _join_parts(store, features, train, splits)
    assert len(rows.targets) == 400
    estimator = build_estimator(choice.estimator, choice.params, choice.seed, 1)
    known = CalibratedClassifierCV(
        estimator, method=choice.calibration, cv=_part_folds(rows, choice), ensemble=False
    ).fit(rows.features, rows.targets)
    np.testing.assert_allclose(
        load_model(fitted.model, store).predict_proba(images[:50]),
        known.predict_proba(rows.features[:50]),
        atol=1e-6,
    )


def test_the_folds_of_a_refit_hold_each_row_out_once_and_no_group_in_part(store, parted):
    features, train, splits = parted
    _, folds = _refit(store, TREE, parted)
    held = [np.array(store.open_array(fold.rows)) for fold in folds]
    assert sorted(np.concatenate(held)) == list(range(400))
    groups = _join_parts(store, features, train, splits).groups
    assert not set(groups[held[0]]) & set(groups[held[1]])


def test_a_refitted_regression_keeps_what_it_predicted_of_rows_it_had_not_seen(store, parted):
    choice = EstimatorChoice(
        estimator="sklearn.linear_model.Ridge", params={}, calibration=None, seed=0
    )
    features, train, splits = parted
    fitted, folds = _refit(store, choice, parted)
    targets, values = (store.open_array(ref) for ref in fitted.held_out)
    rows = _join_parts(store, features, train, splits)
    np.testing.assert_array_equal(targets, rows.targets)
    known = cross_val_predict(
        Ridge(), rows.features, rows.targets, cv=_part_folds(rows, choice)
    )
    np.testing.assert_allclose(values, known, atol=1e-4)  # float32 features
    assert fitted.fit_seconds >= sum(fold.fit_seconds for fold in folds)


def test_a_class_that_a_fold_never_saw_has_the_least_score():
    scores, seen = np.array([[0.2, 0.8]]), np.array([0, 2])
    placed = _place_classes(scores, seen, np.arange(3), "predict_proba")
    np.testing.assert_array_equal(placed, [[0.2, 0.0, 0.8]])
    placed = _place_classes(scores, seen, np.arange(3), "decision_function")
    assert placed.argmin() == 1


def test_a_writer_or_else_an_image_with_its_copies_is_one_group(store):
    images, labels = np.zeros((4, 28, 28), np.uint8), np.arange(4, dtype=np.uint8)
    alone = store_set(store, LabelledImages(images, labels))
    copied = alone.model_copy(update={"parents": store.put_array(np.array([0, 1, 0, 1]))})
    writers = np.array([5, 5, 6, 6], np.int32)
    written = store_set(store, LabelledImages(images, labels, writers))
    groups = [_group_rows(store, number, part) for number, part in enumerate((alone, copied))]
    assert len(set(groups[0])) == 4
    assert groups[1][0] == groups[1][2] != groups[1][1]
    assert not set(groups[0]) & set(groups[1])
    np.testing.assert_array_equal(_group_rows(store, 1, written), writers)


@pytest.mark.parametrize("recipe", ["pixels", "pca"])
def test_all_three_sets_are_transformed_by_what_the_training_images_fitted(store, recipe):
    images = np.random.default_rng(0).integers(0, 256, (230, 28, 28), dtype=np.uint8)
    parts = [images[:150], images[150:190], images[190:]]
    prepared = prepare_recipe(
        store, RecipeChoice(name=recipe), *map(store.put_array, parts), seed=1, threads=1
    )
    fitted = load_model(prepared.recipe, store)
    for part, ref in zip(
        parts, (prepared.train, prepared.calibration, prepared.validation), strict=True
    ):
        assert ref.dtype == "float32"
        np.testing.assert_allclose(
            store.open_array(ref), fitted.transform(part), rtol=1e-4, atol=1e-4
        )


def test_a_network_ends_in_its_time_and_goes_on_when_it_has_more(store, prepared):
    images, _, features, rows = prepared
    recipe, pixels = fit_recipe("raw", images[:300], 0, store, 1)
    raw = features.model_copy(update={"recipe": dump_model(recipe, store), "train": pixels})
    raw = raw.model_copy(
        update={"calibration": transform_images(recipe, images[300:], store, 1)}
    )
    short = EstimatorChoice(
        estimator="cnn", params={"blocks": [[4], [4]], "epochs": 4}, calibration="temperature",
        seed=3, ends_after=1e-3,
    )  # fmt: skip
    (said,) = fit_candidate(store, short, raw, *rows).warnings
    assert said.startswith("its time was up after 1 of 8 steps")
    assert len(list((store.root / "checkpoints").iterdir())) == 1
    longer = fit_candidate(store, short.model_copy(update={"ends_after": 1000.0}), raw, *rows)
    assert not longer.warnings
    assert not list((store.root / "checkpoints").iterdir())
    whole = fit_candidate(store, short.model_copy(update={"ends_after": None}), raw, *rows)
    assert whole.model == longer.model


def test_a_time_limit_counts_in_the_key_of_a_fit_that_it_ends():
    config = SimpleNamespace(project=None, trust=(), seed=3)
    for name, expected in (("cnn", 60), ("tree", None)):
        candidate = Classifier(name="one", estimator=name, recipe="raw", time_limit=60)
        choice = EstimatorChoice.from_candidate(candidate, config)
        assert choice.ends_after == expected
    assert "ends_after" not in EstimatorChoice.NOT_IN_KEY
