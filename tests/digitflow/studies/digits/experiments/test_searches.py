"""Searches are those of the libraries, and curves too."""

import numpy as np
import pytest
from sklearn.model_selection import cross_val_score, learning_curve

from digitflow.studies.digits.data import prepare_features
from digitflow.studies.digits.experiments import searches
from digitflow.studies.digits.experiments.searches import (
    search_by_halving,
    search_by_optuna,
    trace_learning,
    trace_parameter,
)
from digitflow.studies.digits.experiments.tuning import build_model, open_search_rows
from digitflow.studies.plan import ExperimentContext


@pytest.fixture
def context(make_study, store):
    """Three hundred real digits, their components and their pixels."""
    scope, data = make_study(300)
    bare = ExperimentContext(store, data, scope.seed, 1)
    given = {
        f"features {recipe}": prepare_features(bare, recipe, "own")
        for recipe in ("components", "pixels")
    }
    return ExperimentContext(store, data, scope.seed, 1, given)


def score(context, params, images, folds):
    rows, labels = open_search_rows(context, "svm", images)
    return cross_val_score(build_model("svm", params, 42, 1), rows, labels, cv=folds).mean()


def test_each_round_of_halving_keeps_the_better_third_on_three_times_the_images(context):
    found = search_by_halving(context, "svm", 120, 2, 9).values
    first, last = found["rounds"]
    assert (first["candidates"], last["candidates"]) == (9, 3)
    assert (first["images"], last["images"]) == (40, 120)
    assert len(found["trials"]) == 3
    assert max(trial["score"] for trial in found["trials"]) == last["best"]
    for trial in found["trials"]:
        assert 0.1 <= trial["params"]["C"] <= 100
        assert 1e-3 <= trial["params"]["gamma"] <= 1e-1
    assert found == search_by_halving(context, "svm", 120, 2, 9).values


def test_a_finished_trials_score_is_the_mean_of_its_folds(context):
    pytest.importorskip("optuna")
    trials = search_by_optuna(context, "svm", 150, 2, 6).values["trials"]
    assert len(trials) == 6
    # The first four are ended by nobody.
    assert all(trial["score"] is not None for trial in trials[:4])
    for trial in trials:
        assert 0.1 <= trial["params"]["C"] <= 100
        assert 1e-3 <= trial["params"]["gamma"] <= 1e-1
        if trial["score"] is not None:
            assert trial["score"] == pytest.approx(score(context, trial["params"], 150, 2))
    # No two are alike: each is drawn from a seed of its own.
    assert len({trial["params"]["C"] for trial in trials}) == 6


def test_what_lags_behind_is_ended_early(context, monkeypatch):
    pytest.importorskip("optuna")
    # The fifth lags behind the median of four after its first fold, and is not asked again.
    calls = []

    def lag(*arguments):
        calls.append(arguments)
        return 0.9 if len(calls) <= 8 else 0.1

    monkeypatch.setattr(searches, "score_fold", lag)
    trials = search_by_optuna(context, "svm", 150, 2, 5).values["trials"]
    assert [trial["score"] for trial in trials] == [0.9] * 4 + [None]
    assert len(calls) == 9


def test_a_learning_curve_is_that_of_scikit_learn_up_to_ten_thousand(context, monkeypatch):
    assert searches.LEARNING_IMAGES == 10_000
    monkeypatch.setattr(searches, "LEARNING_IMAGES", 120)
    found = trace_learning(context, "knn", {"n_neighbors": 3}, 3).values
    rows, labels = context.open("features pixels", "train", "train_labels")
    chosen = np.random.default_rng(42).permutation(300)[:120]
    sizes, train, held = learning_curve(
        build_model("knn", {"n_neighbors": 3}, 42, 1),
        rows[chosen],
        labels[chosen],
        train_sizes=np.array([0.1, 0.2, 0.4, 0.7, 1.0]),
        cv=3,
    )
    assert found["images"] == sizes.tolist() == [8, 16, 32, 56, 80]
    np.testing.assert_allclose(found["train"], train)
    np.testing.assert_allclose(found["held"], held)


def test_a_validation_curve_scores_each_value_on_the_folds(context):
    found = trace_parameter(context, "svm", "C", [0.01, 10.0], 150, 3).values
    assert found["values"] == [0.01, 10.0]
    assert np.shape(found["train"]) == np.shape(found["held"]) == (2, 3)
    for place, value in enumerate(found["values"]):
        wanted = score(context, {"C": value}, 150, 3)
        assert np.mean(found["held"][place]) == pytest.approx(wanted)
    assert np.mean(found["train"][1]) >= np.mean(found["held"][1])


def test_the_first_trials_are_drawn_by_logarithms_each_from_a_seed_of_its_own(context):
    optuna = pytest.importorskip("optuna")
    trials = search_by_optuna(context, "svm", 150, 2, 3).values["trials"]
    for number, trial in enumerate(trials):
        sampler = optuna.samplers.TPESampler(seed=42 + number, n_startup_trials=4)
        asked = optuna.create_study(sampler=sampler).ask()
        assert trial["params"] == {
            "C": asked.suggest_float("C", 0.1, 100, log=True),
            "gamma": asked.suggest_float("gamma", 1e-3, 1e-1, log=True),
        }


def test_halving_draws_by_logarithms_as_scikit_learn_does(context):
    from scipy.stats import loguniform
    from sklearn.model_selection import ParameterSampler

    spaces = {"C": loguniform(0.1, 100), "gamma": loguniform(1e-3, 1e-1)}
    drawn = list(ParameterSampler(spaces, 9, random_state=np.random.RandomState(42)))
    for trial in search_by_halving(context, "svm", 120, 2, 9).values["trials"]:
        assert any(
            np.allclose([each["C"], each["gamma"]], list(trial["params"].values()))
            for each in drawn
        )
