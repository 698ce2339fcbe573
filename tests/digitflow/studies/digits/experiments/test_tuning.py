"""Searches report what is invalid, and a search that was killed goes on."""

from itertools import pairwise

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV

from digitflow.errors import InputError
from digitflow.studies.digits.data import plan_features
from digitflow.studies.digits.experiments import searches
from digitflow.studies.digits.experiments.searches import search_by_optuna
from digitflow.studies.digits.experiments.tuning import (
    HAND_SET,
    build_model,
    judge_choice,
    list_trials,
    open_search_rows,
    try_params,
)
from digitflow.studies.plan import ExperimentContext, Findings, plan_section


@pytest.fixture
def context(make_study, store, run_plan):
    scope, data = make_study(300)
    given = run_plan([plan_features("pixels"), plan_features("components")], data)
    return ExperimentContext(store, data, scope.seed, 1, given)


def test_an_invalid_combination_is_reported_and_not_fatal(context):
    found = try_params(context, "forest", {"max_depth": 0, "n_estimators": 5}, 200, 2)
    assert "max_depth" in found.values["error"]
    assert "score" not in found.values


def test_scores_are_those_of_the_librarys_grid_search(context):
    rows, labels = open_search_rows(context, "knn", 200)
    grid = GridSearchCV(build_model("knn", {}, 42, 1), {"n_neighbors": [1, 5]}, cv=3)
    expected = grid.fit(rows, labels).cv_results_["mean_test_score"]
    found = [
        try_params(context, "knn", {"n_neighbors": k}, 200, 3).values["score"] for k in (1, 5)
    ]
    np.testing.assert_allclose(found, expected)


def test_the_tuned_one_is_the_best_that_was_tried(context, store):
    tried = {
        f"grid knn: {k}": try_params(context, "knn", {"n_neighbors": k}, 200, 2)
        for k in (1, 150)
    }
    given = ExperimentContext(store, context.data, context.seed, 1, {**context.given, **tried})
    assert judge_choice(given, "knn", "tuned").values["params"] == {"n_neighbors": 1}
    assert judge_choice(given, "knn", "hand-set").values["params"] == HAND_SET["knn"]


def test_a_search_that_was_cut_off_tries_only_what_is_left(context, monkeypatch):
    pytest.importorskip("optuna")
    calls = []

    def score(*arguments):
        calls.append(arguments)
        if len(calls) == 7:
            raise KeyboardInterrupt
        return tuning_score(*arguments)

    tuning_score = searches.score_fold
    monkeypatch.setattr(searches, "score_fold", score)
    with pytest.raises(KeyboardInterrupt):
        search_by_optuna(context, "svm", 150, 2, 5)
    found = search_by_optuna(context, "svm", 150, 2, 5).values["trials"]
    assert len(found) == 5
    # Three trials of two folds had ended, the fourth had begun: two more are tried.
    assert len(calls) <= 7 + 2 * 2


def test_a_search_finds_the_same_again(context, store):
    pytest.importorskip("optuna")
    first = search_by_optuna(context, "svm", 150, 2, 4).values
    store.remove("searches")
    assert search_by_optuna(context, "svm", 150, 2, 4).values == first


def test_without_optuna_the_section_says_so(context, monkeypatch):
    monkeypatch.setattr(searches, "has_optuna", lambda: False)
    found = search_by_optuna(context, "svm", 150, 2, 4).values
    assert found == {"trials": [], "missing": found["missing"]}
    assert "digitflow[tune]" in found["missing"]


def test_each_combination_is_an_experiment_of_its_own(make_study):
    scope, _ = make_study(300)
    names = [experiment.name for experiment in plan_section("tuning", scope)]
    assert sum(name.startswith("grid forest") for name in names) == 18
    assert "grid forest: criterion gini, max_depth 0, n_estimators 50" in names


def test_the_spaces_of_all_of_mnist_are_tried_once_each(mnist_scope):
    steps = plan_section("tuning", mnist_scope)
    named = {step.name: step for step in steps}
    counts = {
        search: sum(name.startswith(f"{search}:") for name in named)
        for search in ("grid forest", "grid knn", "grid pca", "randomised svm")
    }
    assert counts == {"grid forest": 18, "grid knn": 12, "grid pca": 5, "randomised svm": 12}
    tried = [named[name].params for name in named if name.startswith("grid knn")]
    assert sorted({each["params"]["n_neighbors"] for each in tried}) == [1, 3, 4, 5, 7, 9]
    forests = [named[name].params for name in named if name.startswith("grid forest")]
    assert {each["params"]["n_estimators"] for each in forests} == {50, 100, 200}
    assert {each["params"]["max_depth"] for each in forests} == {0, 10, None}
    shares = [named[name].params for name in named if name.startswith("grid pca")]
    assert [each["params"]["variance"] for each in shares] == [0.7, 0.8, 0.9, 0.95, 0.99]
    drawn = [named[name].params["params"] for name in named if name.startswith("randomised")]
    assert {each["C"] for each in drawn} <= {0.1, 1.0, 5.0, 10.0, 50.0, 100.0}
    assert {each["gamma"] for each in drawn} <= {"scale", 0.001, 0.01, 0.02, 0.05, 0.1}
    size, folds = mnist_scope.settings.search_size, mnist_scope.settings.folds
    for step in steps:
        if "images" in step.params:
            assert (step.params["images"], step.params["folds"]) == (size, folds)
    assert named["halving svm"].params["candidates"] == 27
    assert named["optuna svm"].params["trials"] == 16
    few = mnist_scope.model_copy(update={"train_rows": 77})
    assert plan_section("tuning", few)[3].params["images"] == 77


def test_only_what_was_tuned_needs_the_searches_of_its_model(mnist_scope):
    named = {step.name: step for step in plan_section("tuning", mnist_scope)}
    assert named["knn default"].needs == named["knn hand-set"].needs == ("features pixels",)
    needed = {name.split(":")[0] for name in named["svm tuned"].needs}
    assert needed == {"features components", "randomised svm", "halving svm", "optuna svm"}
    assert {name.split(":")[0] for name in named["forest tuned"].needs} == {
        "features pixels",
        "grid forest",
    }
    assert named["learning svm"].params["params"] == {"C": 5.0, "gamma": 0.02}
    assert named["learning knn"].params["params"] == {"n_neighbors": 4, "weights": "distance"}
    assert named["learning forest"].params["params"]["n_estimators"] == 200
    for model, parameter, first, last in (
        ("knn", "n_neighbors", 1, 32),
        ("svm", "C", 0.01, 100.0),
        ("forest", "max_depth", 2, 32),
    ):
        asked = named[f"validation {model}"].params
        assert asked["parameter"] == parameter
        values = asked["values"]
        assert (values[0], values[-1]) == (first, last)
        # Each is as many times the one before it.
        assert len({round(b / a, 6) for a, b in pairwise(values)}) == 1


def test_models_are_built_with_their_parameters_and_seed():
    forest = build_model("forest", {"n_estimators": 7}, 3, 2)
    assert (forest.n_estimators, forest.random_state, forest.n_jobs) == (7, 3, 2)
    assert build_model("knn", {}, 3, 1).n_neighbors == 5
    assert build_model("svm", {"C": 9.0}, 3, 1).C == 9.0
    projection, neighbours = build_model("pca", {"variance": 0.8}, 3, 1)
    assert projection.n_components == 0.8
    assert (neighbours.n_neighbors, neighbours.weights) == (4, "distance")
    with pytest.raises(InputError, match="forest, knn, svm and pca, not 'tree'"):
        build_model("tree", {}, 3, 1)


def test_an_unscored_trial_is_none_and_a_choice_is_judged_on_the_test_images(context):
    trials = [{"params": {"n_neighbors": 3}, "score": 0.5}, {"params": {}, "score": None}]
    assert list_trials(Findings(values={"trials": trials})) == trials[:1]
    assert list_trials(Findings(values={"params": {}, "error": "no"})) == []
    assert list_trials(Findings(values=trials[0])) == trials[:1]
    found = judge_choice(context, "knn", "default").values
    train, labels, test, truth = context.open(
        "features pixels", "train", "train_labels", "test", "test_labels"
    )
    knn = build_model("knn", {}, 42, 1).fit(train, labels)
    assert found == {"params": {}, "accuracy": (knn.predict(test) == truth).mean()}


def test_the_mean_of_the_folds_is_the_score(context):
    values = try_params(context, "knn", {"n_neighbors": 3}, 200, 3).values
    assert len(values["scores"]) == 3
    assert values["score"] == pytest.approx(sum(values["scores"]) / 3)
    assert values["params"] == {"n_neighbors": 3}
