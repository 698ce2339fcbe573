"""The models that studies of a table compare: a recipe and a regressor, fitted together."""

from typing import Any

import numpy as np

from digitflow.config.table import TableStudy
from digitflow.errors import InputError
from digitflow.features.preparing import build_steps
from digitflow.studies.table.data import Rows

MODELS = (
    "linear regression",
    "decision tree",
    "random forest",
    "extra trees",
    "gradient boosting",
    "SVR",
    "KNN",
    "stack",
)
# Those that the stack joins.
MEMBERS = ("linear regression", "extra trees", "gradient boosting")
STACK_FOLDS = 3
Recipe = dict[str, Any]


def describe_recipe(settings: TableStudy) -> Recipe:
    """Return the recipe that models learn from, as an experiment's parameter."""
    return {"name": settings.recipe, "params": settings.recipe_params}


def build_regressor(name: str, trees: int, seed: int, threads: int) -> Any:
    """Return an unfitted regressor of scikit-learn, by its name in `MODELS`.

    Defaults are scikit-learn's, but for the number of trees, an SVR that learns from a
    standardised target (in USD its margin of 0.1 would be nothing), and 10 neighbours.

    Raises
    ------
    InputError
        If there is no such model.
    """
    from sklearn import compose, ensemble, linear_model, neighbors, preprocessing, svm, tree

    forest = {"n_estimators": trees, "random_state": seed, "n_jobs": threads}
    if name == "linear regression":
        return linear_model.LinearRegression()
    if name == "decision tree":
        return tree.DecisionTreeRegressor(random_state=seed)
    if name == "random forest":
        return ensemble.RandomForestRegressor(**forest)
    if name == "extra trees":
        return ensemble.ExtraTreesRegressor(**forest)
    if name == "gradient boosting":
        return ensemble.HistGradientBoostingRegressor(random_state=seed)
    if name == "SVR":
        return compose.TransformedTargetRegressor(
            svm.SVR(C=10), transformer=preprocessing.StandardScaler()
        )
    if name == "KNN":
        return neighbors.KNeighborsRegressor(n_neighbors=10, n_jobs=threads)
    if name == "stack":
        members = [(each, build_regressor(each, trees, seed, threads)) for each in MEMBERS]
        return ensemble.StackingRegressor(members, linear_model.RidgeCV(), cv=STACK_FOLDS)
    raise InputError(f"models are {', '.join(MODELS)}, not {name!r}")


def build_pipeline(recipe: Recipe, regressor: Any, seed: int) -> Any:
    """Return an unfitted pipeline from a frame's columns to values."""
    from sklearn.pipeline import Pipeline

    steps = build_steps(recipe["name"], seed, recipe["params"])
    return Pipeline([*steps, ("model", regressor)])


def divide(rows: int, folds: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return (learnt, held) rows of each fold, the same for every model.

    Shuffled: in many tables neighbours in the file are neighbours on the map.
    """
    from sklearn.model_selection import KFold

    return list(KFold(folds, shuffle=True, random_state=seed).split(np.arange(rows)))


def measure_rmse(model: Any, rows: Rows) -> float:
    """Return the root mean squared error of a fitted model, in the target's unit."""
    return float(np.sqrt(np.mean((model.predict(rows.frame) - rows.targets) ** 2)))
