"""Every combination is tried once, in an experiment of its own."""

import numpy as np
import pytest

from digitflow.studies.plan import ExperimentContext, plan_section
from digitflow.studies.table.data import open_test
from digitflow.studies.table.experiments.search import build_choice, try_params

RECIPE = {"name": "districts", "params": {"clusters": 4}}


def test_the_grid_and_what_is_drawn_are_planned_once_each(make_study):
    scope, _ = make_study()
    grid = ({"max_features": (1, 2), "recipe.clusters": (2,)}, {"max_features": (2,)})
    again = scope.settings.search.model_copy(update={"grid": (*grid, grid[0])})
    settings = scope.settings.model_copy(update={"search": again})
    plan = plan_section("search", scope.model_copy(update={"settings": settings}))
    names = [experiment.name for experiment in plan]
    assert names[:3] == [
        "grid: max_features 1, recipe.clusters 2",
        "grid: max_features 2, recipe.clusters 2",
        "grid: max_features 2",
    ]
    assert all(name.startswith("randomised: ") for name in names[3:])
    for experiment in plan[3:]:
        drawn = experiment.params["params"]
        assert 1 <= drawn["max_features"] < 9
        assert 2 <= drawn["recipe.clusters"] < 9


def test_parameters_reach_the_recipe_and_the_forest(make_study, store):
    _, data = make_study()
    context = ExperimentContext(store, data, 42, 1)
    params = {"recipe.clusters": 3, "max_features": 2}
    pipeline = build_choice(context, RECIPE, 5, params)
    assert pipeline[-1].get_params()["max_features"] == 2
    assert pipeline[-1].get_params()["n_estimators"] == 5
    rows = open_test(context)
    names = pipeline[:-1].fit(rows.frame, rows.targets).get_feature_names_out()
    assert sum("cluster" in name for name in names) == 3


@pytest.mark.parametrize("params", [{"max_features": 0}, {"recipe.cluster": 3}, {"feature": 1}])
def test_an_invalid_combination_says_why(make_study, store, params):
    context = ExperimentContext(store, make_study()[1], 42, 1)
    found = try_params(context, params, RECIPE, 2, 2).values
    assert found["params"] == params
    assert found["error"]
    assert "score" not in found


def test_the_best_of_all_is_fitted_and_judged_on_the_test_rows(make_study, store, run_plan):
    scope, data = make_study()
    found = run_plan(plan_section("evaluate", scope), data)
    tried = [facts.values for facts in found.values() if "scores" in facts.values]
    best = min(tried, key=lambda values: values["score"])
    assert found["best"].values == {"params": best["params"], "score": best["score"]}
    predicted = store.open_array(found["best"].arrays["predicted"])
    targets = open_test(ExperimentContext(store, data, 42, 1)).targets
    rmse = float(np.sqrt(np.mean((predicted - targets) ** 2)))
    errors = found["errors"].values
    assert errors["figures"]["RMSE"] == pytest.approx(rmse)
    assert all(low < rmse < high for low, high in errors["intervals"].values())
    groups = found["groups"].values["groups"]
    assert {"true value", "region", "ocean_proximity"} == groups.keys()
    for own in groups.values():
        assert sum(group["rows"] for group in own) == len(targets)
        squares = sum(group["rows"] * group["rmse"] ** 2 for group in own)
        assert np.sqrt(squares / len(targets)) == pytest.approx(rmse)
    worst = found["groups"].values["worst"]
    assert abs(predicted - targets)[worst[0]] == abs(predicted - targets).max()
