"""Section `evaluate`: the best of the searches on the test rows, and where it is wrong."""

from itertools import pairwise
from typing import Any

import numpy as np

from digitflow.catalogue import RECIPES
from digitflow.config.table import PLACE
from digitflow.errors import InputError
from digitflow.evaluation.regression import compare_intervals, measure_values
from digitflow.studies.plan import ExperimentContext, Findings, Plan, plan_experiment
from digitflow.studies.scope import TableScope
from digitflow.studies.table.data import Rows, open_test, open_train
from digitflow.studies.table.experiments import search
from digitflow.studies.table.models import Recipe, describe_recipe

PRICES, REGIONS, WORST = 5, 10, 20


def plan(scope: TableScope) -> Plan:
    """Return the searches, the best of them fitted on all training rows, and its errors."""
    settings = scope.settings
    tried = search.plan(scope)
    best = plan_experiment(
        "best",
        fit_best,
        *(each.name for each in tried),
        recipe=describe_recipe(settings),
        trees=settings.trees,
    ).select(RECIPES.module(settings.recipe))
    judged = plan_experiment("errors", judge_best, best.name, unit=scope.unit)
    groups = plan_experiment("groups", group_errors, best.name)
    return (*tried, best, judged, groups)


def fit_best(context: ExperimentContext, recipe: Recipe, trees: int) -> Findings:
    """Fit the best combination of all searches, the first of equals; predict the test rows.

    The test rows had no part in the choice.

    Returns
    -------
    Findings
        values "params", "score" (RMSE by cross-validation); arrays "predicted" float64 (n,);
        measured "fit_seconds", "predict_seconds".

    Raises
    ------
    InputError
        If no combination is valid.
    """
    scored = [facts.values for facts in context.given.values() if "score" in facts.values]
    if not scored:
        raise InputError("no combination of study.search is valid; the section search says why")
    chosen = min(scored, key=lambda values: values["score"])
    train, test = open_train(context), open_test(context)
    pipeline = search.build_choice(context, recipe, trees, chosen["params"])
    with context.timed("fit"):
        pipeline.fit(train.frame, train.targets)
    with context.timed("predict"):
        predicted = np.asarray(pipeline.predict(test.frame), np.float64)
    return Findings(
        values={"params": chosen["params"], "score": chosen["score"]},
        arrays=context.keep(predicted=predicted),
    )


def judge_best(context: ExperimentContext, unit: str) -> Findings:
    """Measure what was predicted of the test rows.

    Returns
    -------
    Findings
        values "figures" (RMSE, MAE, R2, ...) and "intervals" (the RMSE's at 95 %, by "t", "z"
        and "bootstrap").
    """
    rows, (predicted,) = open_test(context), context.open("best", "predicted")
    measured = measure_values(rows.targets, predicted, unit)
    intervals = compare_intervals(predicted - rows.targets, context.seed)
    return Findings(
        values={
            "figures": measured.list_figures(),
            "intervals": {name: list(bounds) for name, bounds in intervals},
        }
    )


def group_errors(context: ExperimentContext) -> Findings:
    """Measure errors by true value, by region and by the slices of the test rows.

    Returns
    -------
    Findings
        values "groups" ({by: [{"group", "rows", "rmse", "mae", "bias"}]}) and "worst" (rows
        of the largest errors, the largest first).
    """
    rows, (predicted,) = open_test(context), context.open("best", "predicted")
    errors = predicted - rows.targets
    groups = {"true value": _group_by_value(rows.targets)}
    if set(PLACE) <= set(rows.frame.columns):
        groups["region"] = _group_by_region(open_train(context), rows, context.seed)
    for name, mask in context.data.test.slices.items():
        by, _, group = name.partition(" ")
        groups.setdefault(by, {})[group] = context.store.open_array(mask)
    worst = np.argsort(-np.abs(errors), kind="stable")[:WORST]
    return Findings(
        values={
            "groups": {by: _measure_groups(found, errors) for by, found in groups.items()},
            "worst": worst.tolist(),
        }
    )


def _measure_groups(groups: dict[str, np.ndarray], errors: np.ndarray) -> list[dict[str, Any]]:
    return [
        {
            "group": name,
            "rows": int(rows.sum()),
            "rmse": float(np.sqrt(np.mean(errors[rows] ** 2))),
            "mae": float(np.abs(errors[rows]).mean()),
            "bias": float(errors[rows].mean()),
        }
        for name, rows in groups.items()
        if rows.any()
    ]


def _group_by_value(targets: np.ndarray) -> dict[str, np.ndarray]:
    """Return fifths of the rows, from the lowest true values to the highest."""
    edges = np.unique(np.quantile(targets, np.linspace(0, 1, PRICES + 1)))
    places = np.searchsorted(edges[1:-1], targets, side="left")
    return {
        f"{low:,.6g} to {high:,.6g}": places == place
        for place, (low, high) in enumerate(pairwise(edges))
    }


def _group_by_region(train: Rows, test: Rows, seed: int) -> dict[str, np.ndarray]:
    """Return clusters of the training rows on the map, named by their middles."""
    from sklearn.cluster import KMeans

    known = train.frame[list(PLACE)].dropna().to_numpy()
    clusters = KMeans(min(REGIONS, len(known)), n_init=10, random_state=seed).fit(known)
    nearest = clusters.predict(test.frame[list(PLACE)].fillna(0).to_numpy())
    middles = clusters.cluster_centers_
    groups: dict[str, np.ndarray] = {}
    for place in np.argsort(-middles[:, 1]):
        name = f"near {middles[place][1]:.1f}, {middles[place][0]:.1f}"
        # What is as near as that has one name, and is one group.
        groups[name] = groups.get(name, np.zeros(len(nearest), bool)) | (nearest == place)
    return groups
