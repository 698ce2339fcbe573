"""Errors of models, by scikit-learn's own cross-validation."""

import pytest
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold, cross_val_score
from threadpoolctl import threadpool_limits

from digitflow.studies.plan import ExperimentContext
from digitflow.studies.table.data import open_train
from digitflow.studies.table.experiments.models import fit_model, rank_features, score_fold
from digitflow.studies.table.models import MODELS, build_pipeline

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
