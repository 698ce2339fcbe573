"""Section `tuning`: four ways to search for parameters, and what they bring.

A combination of the grids is an experiment of its own: what was tried before a kill is not
tried again, and one that is invalid is reported.
"""

from typing import Any

from digitflow.studies.experiments.tuning_trials import FEATURES, HAND_SET, MODELS
from digitflow.studies.features import plan_features
from digitflow.studies.plan import Experiment, Scope

# The spaces of the studies; that of the forest has a depth of 0, which is invalid.
GRIDS: dict[str, dict[str, list[Any]]] = {
    "forest": {
        "n_estimators": [50, 100, 200],
        "criterion": ["gini", "entropy"],
        "max_depth": [0, 10, None],
    },
    "knn": {"n_neighbors": [1, 3, 4, 5, 7, 9], "weights": ["uniform", "distance"]},
    "pca": {"variance": [0.7, 0.8, 0.9, 0.95, 0.99]},
}
DRAWN: dict[str, list[Any]] = {
    "C": [0.1, 1.0, 5.0, 10.0, 50.0, 100.0],
    "kernel": ["rbf", "poly", "linear"],
    "gamma": ["scale", 0.001, 0.01, 0.02, 0.05, 0.1],
}
DRAWS, CANDIDATES, TRIALS = 12, 27, 16
CHOICES = ("default", "hand-set", "tuned")
CURVES: dict[str, tuple[str, list[Any]]] = {
    "knn": ("n_neighbors", [1, 2, 4, 8, 16, 32]),
    "svm": ("C", [0.01, 0.1, 1.0, 10.0, 100.0]),
    "forest": ("max_depth", [2, 4, 8, 16, 32]),
}


def plan(scope: Scope) -> tuple[Experiment, ...]:
    """Return features, every combination, the searches, the finals and the curves."""
    images = min(scope.settings.search_size, scope.train_rows)
    folds = scope.settings.folds
    tried = (*_plan_grids(images, folds), *_plan_draws(scope, images, folds))
    asked = {"images": images, "folds": folds}
    searches = (
        _ask("halving svm", "search_by_halving", "svm", candidates=CANDIDATES, **asked),
        _ask("optuna svm", "search_by_optuna", "svm", trials=TRIALS, **asked),
    )
    finals = tuple(
        _ask_final(model, choice, [each.name for each in (*tried, *searches)])
        for model in MODELS
        for choice in CHOICES
    )
    features = [plan_features(recipe) for recipe in dict.fromkeys(FEATURES.values())]
    return (*features, *searches, *tried, *_plan_curves(images, folds), *finals)


def _plan_grids(images: int, folds: int) -> list[Experiment]:
    from sklearn.model_selection import ParameterGrid

    return [
        _try(model, "grid", params, images, folds)
        for model, grid in GRIDS.items()
        for params in ParameterGrid(grid)
    ]


def _plan_draws(scope: Scope, images: int, folds: int) -> list[Experiment]:
    from sklearn.model_selection import ParameterSampler

    drawn = ParameterSampler(DRAWN, DRAWS, random_state=scope.seed)
    return [_try("svm", "randomised", params, images, folds) for params in drawn]


def _try(
    model: str, search: str, params: dict[str, Any], images: int, folds: int
) -> Experiment:
    told = ", ".join(f"{name} {params[name]}" for name in sorted(params))
    return Experiment(
        name=f"{search} {model}: {told}",
        function="digitflow.studies.experiments.tuning_trials.try_params",
        params={"model": model, "params": params, "images": images, "folds": folds},
        needs=(plan_features(FEATURES[model]).name,),
    )


def _ask(name: str, function: str, model: str, **params: Any) -> Experiment:
    return Experiment(
        name=name,
        function=f"digitflow.studies.experiments.tuning_searches.{function}",
        params={"model": model} | params,
        needs=(plan_features(FEATURES[model]).name,),
    )


def _ask_final(model: str, choice: str, tried: list[str]) -> Experiment:
    words = [f"{search} {model}" for search in ("grid", "randomised", "halving", "optuna")]
    own = [name for name in tried if name.split(":")[0] in words] if choice == "tuned" else []
    return Experiment(
        name=f"{model} {choice}",
        function="digitflow.studies.experiments.tuning_trials.judge_choice",
        params={"model": model, "choice": choice},
        needs=(plan_features(FEATURES[model]).name, *own),
    )


def _plan_curves(images: int, folds: int) -> tuple[Experiment, ...]:
    learning = (
        _ask(f"learning {model}", "trace_learning", model, params=HAND_SET[model], folds=folds)
        for model in MODELS
    )
    validation = (
        _ask(
            f"validation {model}",
            "trace_parameter",
            model,
            parameter=parameter,
            values=values,
            images=images,
            folds=folds,
        )
        for model, (parameter, values) in CURVES.items()
    )
    return (*learning, *validation)
