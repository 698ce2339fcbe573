"""Section `search`: grid and randomised search over the whole pipeline of a forest.

A combination is an experiment of its own: what was tried before a kill is not tried again,
and one that is invalid is reported. Its parameters are those of the forest and, named
`recipe.<name>`, those of the recipe that the forest learns from.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from digitflow.catalogue import RECIPES
from digitflow.config.table import SearchRule
from digitflow.errors import InputError
from digitflow.studies.plan import ExperimentContext, Findings, Plan, plan_experiment
from digitflow.studies.scope import TableScope
from digitflow.studies.table.data import open_train
from digitflow.studies.table.models import (
    Recipe,
    build_pipeline,
    build_regressor,
    describe_recipe,
    divide,
    measure_rmse,
)

MODEL = "random forest"
OF_RECIPE = "recipe."
SEARCHES = ("grid", "randomised")


def plan(scope: TableScope) -> Plan:
    """Return an experiment for every combination of the grids, and for those drawn."""
    settings = scope.settings
    given: dict[str, Any] = {
        "recipe": describe_recipe(settings),
        "trees": settings.trees,
        "folds": settings.search.folds,
    }
    planned = (
        plan_experiment(f"{search}: {tell(params)}", try_params, params=params, **given)
        for search, params in _list_combinations(settings.search, scope.seed)
    )
    return tuple(each.select(RECIPES.module(settings.recipe)) for each in planned)


def tell(params: dict[str, Any]) -> str:
    """Say which parameters have which values: "max_features 6, recipe.clusters 10"."""
    return ", ".join(f"{name} {params[name]}" for name in sorted(params))


def _list_combinations(rule: SearchRule, seed: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (search, parameters), in each search each combination once."""
    from sklearn.model_selection import ParameterGrid

    grids = [{name: list(values) for name, values in grid.items()} for grid in rule.grid]
    drawn = _draw_combinations(rule, seed) if rule.ranges else ()
    for search, found in (("grid", ParameterGrid(grids)), ("randomised", drawn)):
        told = set[str]()
        for params in found:
            if tell(params) not in told:
                told.add(tell(params))
                yield search, params


def _draw_combinations(rule: SearchRule, seed: int) -> Iterator[dict[str, Any]]:
    """Yield as many draws as are asked for; parameters are drawn in the config's order."""
    from scipy.stats import randint
    from sklearn.model_selection import ParameterSampler

    # The sampler draws in the order of the names, which here are places.
    ranges = {place: randint(*span) for place, span in enumerate(rule.ranges.values())}
    for drawn in ParameterSampler(ranges, rule.draws, random_state=seed):
        yield {name: int(drawn[place]) for place, name in enumerate(rule.ranges)}


def build_choice(
    context: ExperimentContext, recipe: Recipe, trees: int, params: dict[str, Any]
) -> Any:
    """Return the unfitted pipeline that a combination of parameters is about.

    Raises
    ------
    ValueError, InputError
        If there is no such parameter.
    """
    own = {name: value for name, value in params.items() if not name.startswith(OF_RECIPE)}
    rest = {name.removeprefix(OF_RECIPE): params[name] for name in params.keys() - own.keys()}
    chosen = {"name": recipe["name"], "params": recipe["params"] | rest}
    forest = build_regressor(MODEL, trees, context.seed, context.threads).set_params(**own)
    return build_pipeline(chosen, forest, context.seed)


def try_params(
    context: ExperimentContext, params: dict[str, Any], recipe: Recipe, trees: int, folds: int
) -> Findings:
    """Cross-validate one combination on the training rows.

    Returns
    -------
    Findings
        values "params", and "scores" (RMSE of each fold) with their mean "score"; or
        "error": why the combination is invalid; measured "fit_seconds".
    """
    rows, scores = open_train(context), list[float]()
    try:
        with context.timed("fit"):
            for part in divide(len(rows), folds, context.seed):
                learnt, held = (rows.take(chosen) for chosen in part)
                pipeline = build_choice(context, recipe, trees, params)
                pipeline.fit(learnt.frame, learnt.targets)
                scores.append(measure_rmse(pipeline, held))
    except (ValueError, TypeError, InputError) as exc:
        return Findings(values={"params": params, "error": str(exc).splitlines()[0]})
    return Findings(
        values={"params": params, "scores": scores, "score": float(np.mean(scores))}
    )
