"""Errors of models, by scikit-learn's own cross-validation."""

import numpy as np
import pytest
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold, cross_val_score
from threadpoolctl import threadpool_limits

from digitflow.errors import InputError
from digitflow.studies.plan import ExperimentContext
from digitflow.studies.table.data import open_train
from digitflow.studies.table.experiments.models import fit_model, rank_features, score_fold
from digitflow.studies.table.models import MODELS, build_pipeline, build_regressor, divide

RECIPE = {"name": "districts", "params": {"clusters": 3}}


@pytest.fixture
def context(make_study, store):
    return ExperimentContext(store, make_study()[1], 42, 1)


def test_the_folds_are_those_of_cross_validation(context):
    rows = open_train(context)
    scores = cross_val_score(
        build_pipeline(RECIPE, LinearRegression(), 42),
        rows.frame,
        rows.targets,
        scoring="neg_root_mean_squared_error",
        cv=KFold(3, shuffle=True, random_state=42),
    )
    found = [
        score_fold(context, "linear regression", RECIPE, 5, fold, 3).values["rmse"]
        for fold in range(3)
    ]
    assert found == pytest.approx(-scores)


def test_a_tree_knows_its_training_rows_by_heart(context):
    assert fit_model(context, "decision tree", RECIPE, 5).values["rmse"] == 0
    assert context.seconds.keys() == {"fit_seconds", "predict_seconds"}


def test_importances_name_features_and_columns(context):
    found = rank_features(context, RECIPE, 5, 3).values
    assert sum(found["impurity"].values()) == pytest.approx(1)
    assert any("rooms_per_house" in name for name in found["impurity"])
    assert set(found["permutation"]) == set(open_train(context).frame.columns)
    costs = {name: facts["mean"] for name, facts in found["permutation"].items()}
    assert max(costs, key=costs.get) == "median_income"


@pytest.mark.parametrize("model", MODELS)
def test_every_model_learns_more_than_the_mean(context, model):
    # Threads that share busy cores wait for one another.
    with threadpool_limits(1):
        rmse = score_fold(context, model, RECIPE, 5, 0, 3).values["rmse"]
    assert rmse < 0.95 * open_train(context).targets.std()


def test_models_are_those_that_the_page_tells_of():
    def build(name):
        return build_regressor(name, 7, 3, 2)

    for name in ("random forest", "extra trees"):
        forest = build(name)
        assert (forest.n_estimators, forest.random_state, forest.n_jobs) == (7, 3, 2)
    assert build("decision tree").random_state == build("gradient boosting").random_state == 3
    assert build("SVR").regressor.C == 10
    assert build("KNN").n_neighbors == 10
    stack = build("stack")
    assert stack.cv == 3
    assert [name for name, _ in stack.estimators] == [
        "linear regression",
        "extra trees",
        "gradient boosting",
    ]
    with pytest.raises(InputError, match=r"models are linear regression, .*, not 'oak'"):
        build("oak")


def test_folds_are_shuffled_and_hold_every_row_once():
    parts = divide(10, 3, 42)
    held = [part[1].tolist() for part in parts]
    assert sorted(row for rows in held for row in rows) == list(range(10))
    assert held != [[0, 1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert [np.setdiff1d(np.arange(10), h).tolist() for h in held] == [
        part[0].tolist() for part in parts
    ]


def test_a_shuffled_column_costs_the_mean_of_five_shuffles(context):
    found = rank_features(context, RECIPE, 5, 3).values["permutation"]
    rows = open_train(context)
    learnt, held = (rows.take(part) for part in divide(len(rows), 3, 42)[0])
    forest = build_pipeline(RECIPE, build_regressor("random forest", 5, 42, 1), 42)
    forest.fit(learnt.frame, learnt.targets)
    wanted = permutation_importance(
        forest,
        held.frame,
        held.targets,
        scoring="neg_root_mean_squared_error",
        n_repeats=5,
        random_state=42,
    )
    assert [facts["mean"] for facts in found.values()] == pytest.approx(wanted.importances_mean)
    assert [facts["deviation"] for facts in found.values()] == pytest.approx(
        wanted.importances_std
    )
