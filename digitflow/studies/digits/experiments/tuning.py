"""Section `tuning`: four ways to search for parameters, and what they bring.

A combination of the grids is an experiment of its own: what was tried before a kill is not
tried again, and one that is invalid is reported.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from digitflow.data.splits import choose_subset
from digitflow.errors import InputError
from digitflow.studies.digits.data import PARTS, plan_features
from digitflow.studies.plan import (
    Experiment,
    ExperimentContext,
    Findings,
    Plan,
)
from digitflow.studies.scope import DigitsScope

MODELS = ("forest", "knn", "svm")
# Where a model's combinations are tried: an SVM on 784 pixels would take ten times as long.
FEATURES = {"forest": "pixels", "knn": "pixels", "svm": "components", "pca": "pixels"}
HAND_SET: dict[str, dict[str, Any]] = {
    "forest": {"n_estimators": 200, "criterion": "entropy"},
    "knn": {"n_neighbors": 4, "weights": "distance"},
    "svm": {"C": 5.0, "gamma": 0.02},
}


def build_model(model: str, params: dict[str, Any], seed: int, threads: int) -> Any:
    """Return an unfitted model of scikit-learn: its defaults, overridden by `params`.

    Parameters
    ----------
    model : str
        "forest", "knn", "svm", or "pca": neighbours after a projection that keeps the share
        `variance` of the variance.
    """
    from sklearn.decomposition import PCA
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import SVC

    if model == "forest":
        return RandomForestClassifier(random_state=seed, n_jobs=threads, **params)
    if model == "knn":
        return KNeighborsClassifier(algorithm="brute", n_jobs=threads, **params)
    if model == "svm":
        return SVC(**params)
    if model == "pca":
        projection = PCA(params["variance"], svd_solver="full", random_state=seed)
        return make_pipeline(projection, build_model("knn", HAND_SET["knn"], seed, threads))
    raise InputError(f"combinations are tried of {', '.join(MODELS)} and pca, not {model!r}")


def try_params(
    context: ExperimentContext, model: str, params: dict[str, Any], images: int, folds: int
) -> Findings:
    """Cross-validate one combination on some training images.

    Returns
    -------
    Findings
        values "params", and "scores" (accuracy of each fold) with their mean "score"; or
        "error": why the combination is invalid; measured "fit_seconds".
    """
    rows, labels = open_search_rows(context, model, images)
    try:
        with context.timed("fit"):
            scores = [
                score_fold(context, model, params, rows, labels, learnt, held)
                for learnt, held in divide(labels, folds)
            ]
    except (ValueError, TypeError) as exc:
        return Findings(values={"params": params, "error": str(exc).splitlines()[0]})
    return Findings(
        values={"params": params, "scores": scores, "score": float(np.mean(scores))}
    )


def score_fold(
    context: ExperimentContext,
    model: str,
    params: dict[str, Any],
    rows: np.ndarray,
    labels: np.ndarray,
    learnt: np.ndarray,
    held: np.ndarray,
) -> float:
    """Return the accuracy on the rows that are held out."""
    built = build_model(model, params, context.seed, context.threads)
    built.fit(rows[learnt], labels[learnt])
    return float((built.predict(rows[held]) == labels[held]).mean())


def divide(labels: np.ndarray, folds: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return (learnt, held) rows of each fold, the same for every combination."""
    from sklearn.model_selection import StratifiedKFold

    return list(StratifiedKFold(folds).split(labels, labels))


def open_search_rows(
    context: ExperimentContext, model: str, images: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return features (images, d) and labels of the training images that searches use."""
    rows, labels = context.open(f"features {FEATURES[model]}", "train", "train_labels")
    chosen = choose_subset(labels, images, context.seed)
    return rows[chosen], labels[chosen]


def judge_choice(context: ExperimentContext, model: str, choice: str) -> Findings:
    """Fit on all training images with default, hand-set or tuned parameters; judge on test.

    Tuned is the best combination of all searches, the first of equals. The test images had
    no part in that.

    Returns
    -------
    Findings
        values "params", "accuracy"; measured "fit_seconds", "predict_seconds".
    """
    params = _choose_params(context, model, choice)
    train, labels, test, truth = context.open(f"features {FEATURES[model]}", *PARTS)
    built = build_model(model, params, context.seed, context.threads)
    hits = context.fit_and_predict(built, train, labels, test) == truth
    return Findings(values={"params": params, "accuracy": float(hits.mean())})


def _choose_params(context: ExperimentContext, model: str, choice: str) -> dict[str, Any]:
    if choice == "default":
        return {}
    if choice == "hand-set":
        return HAND_SET[model]
    tried = [trial for facts in context.given.values() for trial in list_trials(facts)]
    found: dict[str, Any] = max(tried, key=lambda trial: trial["score"])["params"]
    return found


def list_trials(facts: Findings) -> list[dict[str, Any]]:
    """Return the trials in an experiment's findings that have a score on all images."""
    values = facts.values
    trials = values.get("trials", [values])
    return [trial for trial in trials if trial.get("score") is not None]


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


def plan(scope: DigitsScope) -> Plan:
    """Return features, every combination, the searches, the finals and the curves."""
    folds = scope.settings.folds
    asked = {"images": min(scope.settings.search_size, scope.train_rows), "folds": folds}
    features = [plan_features(recipe) for recipe in dict.fromkeys(FEATURES.values())]
    searches = [
        _ask(
            "halving svm", "searches.search_by_halving", "svm", candidates=CANDIDATES, **asked
        ),
        # Its trials are in an SQLite database, which several machines can't share.
        _ask(
            "optuna svm", "searches.search_by_optuna", "svm", trials=TRIALS, **asked
        ).stay_local(),
    ]
    tried = [
        _ask(f"{search}: {_tell(params)}", "tuning.try_params", model, params=params, **asked)
        for search, model, params in _list_combinations(scope.seed)
    ]
    finals = [
        _ask_final(model, choice, [*tried, *searches]) for model in MODELS for choice in CHOICES
    ]
    return (*features, *searches, *tried, *_plan_curves(asked), *finals)


def _list_combinations(seed: int) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield (search, model, parameters) of what the grids hold and of what is drawn."""
    from sklearn.model_selection import ParameterGrid, ParameterSampler

    for model, grid in GRIDS.items():
        for params in ParameterGrid(grid):
            yield f"grid {model}", model, params
    for params in ParameterSampler(DRAWN, DRAWS, random_state=seed):
        yield "randomised svm", "svm", params


def _tell(params: dict[str, Any]) -> str:
    return ", ".join(f"{name} {params[name]}" for name in sorted(params))


def _ask_final(model: str, choice: str, searches: list[Experiment]) -> Experiment:
    words = [f"{search} {model}" for search in ("grid", "randomised", "halving", "optuna")]
    own = [each.name for each in searches if each.name.split(":")[0] in words]
    needs = own if choice == "tuned" else []
    return _ask(f"{model} {choice}", "tuning.judge_choice", model, *needs, choice=choice)


def _ask(name: str, function: str, model: str, *needs: str, **params: Any) -> Experiment:
    """Plan a function of this module or of `searches`, on the features of a model."""
    return Experiment(
        name=name,
        function=f"digitflow.studies.digits.experiments.{function}",
        params={"model": model} | params,
        needs=(plan_features(FEATURES[model]).name, *needs),
    )


def _plan_curves(asked: dict[str, int]) -> Plan:
    folds = asked["folds"]
    learning = (
        _ask(f"learning {model}", "searches.trace_learning", model, params=params, folds=folds)
        for model, params in HAND_SET.items()
    )
    validation = (
        _ask(
            f"validation {model}",
            "searches.trace_parameter",
            model,
            parameter=parameter,
            values=values,
            **asked,
        )
        for model, (parameter, values) in CURVES.items()
    )
    return (*learning, *validation)
