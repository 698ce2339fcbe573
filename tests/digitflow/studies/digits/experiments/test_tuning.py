"""Searches report what is invalid, and a search that was killed goes on."""

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV

from digitflow.studies.digits.data import plan_features
from digitflow.studies.digits.experiments import searches
from digitflow.studies.digits.experiments.searches import search_by_optuna
from digitflow.studies.digits.experiments.tuning import (
    HAND_SET,
    build_model,
    judge_choice,
    open_search_rows,
    try_params,
)
from digitflow.studies.plan import ExperimentContext, plan_section


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
