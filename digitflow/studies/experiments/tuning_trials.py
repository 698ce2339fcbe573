"""One combination of parameters tried: by cross-validation, or on the test images."""

import time
from typing import Any

import numpy as np

from digitflow.data.splits import choose_subset
from digitflow.errors import InputError
from digitflow.studies.features import PARTS
from digitflow.studies.plan import ExperimentContext, Findings

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
    began = time.perf_counter()
    try:
        scores = [
            score_fold(context, model, params, rows, labels, learnt, held)
            for learnt, held in divide(labels, folds)
        ]
    except (ValueError, TypeError) as exc:
        return Findings(values={"params": params, "error": str(exc).splitlines()[0]})
    return Findings(
        values={"params": params, "scores": scores, "score": float(np.mean(scores))},
        measured={"fit_seconds": time.perf_counter() - began},
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
    began = time.perf_counter()
    built.fit(train, labels)
    fitted = time.perf_counter()
    hits = built.predict(test) == truth
    return Findings(
        values={"params": params, "accuracy": float(hits.mean())},
        measured={
            "fit_seconds": fitted - began,
            "predict_seconds": time.perf_counter() - fitted,
        },
    )


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
