"""Section `multilabel`: is a digit large (7, 8, 9), and is it odd? Both at once."""

import time
from typing import Any

import numpy as np

from digitflow.studies.experiment import Experiment, Findings, Lab, Scope
from digitflow.studies.features import plan_features

QUESTIONS = ("large", "odd")
LEAST_LARGE = 7
# What answers, and the features that it learns from.
MODELS = {
    "knn": "components",
    "one by one": "components",
    "chain, large first": "components",
    "chain, odd first": "components",
}
NEIGHBOURS = 5


def plan(scope: Scope) -> tuple[Experiment, ...]:
    """Return the features, and each model by folds of training and on the test images."""
    features = plan_features("components")
    fits = (
        Experiment(
            name=f"{model}, {judged}",
            function=f"{__name__}.answer_questions",
            params={"model": model, "judged": judged, "folds": scope.settings.folds},
            needs=(features.name,),
        )
        for model in MODELS
        for judged in ("by folds", "on test images")
    )
    return (features, *fits)


def ask_questions(labels: np.ndarray) -> np.ndarray:
    """Return the true answers (n, 2), bool: large (at least 7), odd."""
    return np.column_stack([labels >= LEAST_LARGE, labels % 2 == 1])


def answer_questions(lab: Lab, model: str, judged: str, folds: int) -> Findings:
    """Answer both questions, for training images by cross-validation or for test images.

    Returns
    -------
    Findings
        values "f1_macro", "f1_weighted", "both" (share of images with two right answers),
        "half" (one right), "confusion" {question: [[no as no, no as yes], [...]]},
        "predictions" of images answered half right: up to 12 row numbers and answers;
        measured "fit_seconds", "predict_seconds" (0 by folds: they come together).
    """
    from sklearn.metrics import f1_score, multilabel_confusion_matrix
    from sklearn.model_selection import cross_val_predict

    arrays = lab.given["features components"].arrays
    names = ("train", "train_labels", "test", "test_labels")
    rows, labels, test, truth = (lab.store.open_array(arrays[name]) for name in names)
    built = build_model(model, lab.seed, lab.threads)
    began = time.perf_counter()
    if judged == "by folds":
        wanted = ask_questions(labels)
        # Folds as by digit: which two answers go together is then as frequent in each.
        found = cross_val_predict(built, rows, wanted, cv=_split(labels, folds))
        fitted = time.perf_counter()
    else:
        wanted = ask_questions(truth)
        built.fit(rows, ask_questions(labels))
        fitted = time.perf_counter()
        found = built.predict(test)
    ended = time.perf_counter()
    answers = np.asarray(found) > 0.5
    right = (answers == wanted).sum(axis=1)
    half = np.flatnonzero(right == 1)[:12]
    matrices = multilabel_confusion_matrix(wanted, answers)
    return Findings(
        values={
            "f1_macro": float(f1_score(wanted, answers, average="macro")),
            "f1_weighted": float(f1_score(wanted, answers, average="weighted")),
            "f1": dict(zip(QUESTIONS, f1_score(wanted, answers, average=None), strict=True)),
            "both": float((right == 2).mean()),
            "half": float((right == 1).mean()),
            "confusion": dict(zip(QUESTIONS, matrices.tolist(), strict=True)),
            "rows": half.tolist(),
            "answers": answers[half].tolist(),
        },
        measured={"fit_seconds": fitted - began, "predict_seconds": ended - fitted},
    )


def build_model(model: str, seed: int, threads: int) -> Any:
    """Return an unfitted model of two answers."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
    from sklearn.neighbors import KNeighborsClassifier

    if model == "knn":
        return KNeighborsClassifier(NEIGHBOURS, algorithm="brute", n_jobs=threads)
    # A chain's later answer sees its earlier one: its links must be able to use that.
    link = HistGradientBoostingClassifier(
        max_iter=60, max_bins=32, early_stopping=False, random_state=seed
    )
    if model == "one by one":
        return MultiOutputClassifier(link)
    order = [0, 1] if model == "chain, large first" else [1, 0]
    return ClassifierChain(link, order=order, random_state=seed)


def _split(labels: np.ndarray, folds: int) -> Any:
    from sklearn.model_selection import StratifiedKFold

    return list(StratifiedKFold(folds).split(labels, labels))
