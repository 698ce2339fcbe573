"""Section `strategies`: ten digits from classifiers of two, one-vs-one and one-vs-rest."""

from typing import Any

import numpy as np

from digitflow.data.splits import choose_subset
from digitflow.errors import InputError
from digitflow.studies.digits.data import open_test, open_train, plan_features
from digitflow.studies.plan import ExperimentContext, Findings, Plan, plan_experiment
from digitflow.studies.scope import DigitsScope

CLASSIFIERS = ("sgd", "logistic", "svm")
STRATEGIES = ("native", "one-vs-rest", "one-vs-one")
PIXELS = ("raw", "scaled")
# A machine for a digit against the rest takes the square of the images: all 60,000 would
# take hours, ten times over.
SVM_IMAGES = 5000
# Enough to compare by; where they end before they converge, the page says so.
PASSES = {"sgd": 10, "logistic": 50}
MEASURED_ROWS = 10_000


def plan(scope: DigitsScope) -> Plan:
    """Return the scaled features and a fit for each classifier, strategy and kind of pixels."""
    scaled = plan_features("scaled")
    most = {"svm": min(SVM_IMAGES, scope.train_rows)}
    fits = (
        plan_experiment(
            name_fit(classifier, strategy, pixels),
            fit_strategy,
            *([scaled.name] if pixels == "scaled" else []),
            classifier=classifier,
            strategy=strategy,
            pixels=pixels,
            images=most.get(classifier, scope.train_rows),
        )
        for classifier in CLASSIFIERS
        for strategy in STRATEGIES
        for pixels in PIXELS
    )
    return (scaled, *fits)


def name_fit(classifier: str, strategy: str, pixels: str) -> str:
    """Return what the experiment is called."""
    return f"{classifier} {strategy} on {pixels} pixels"


def fit_strategy(
    context: ExperimentContext, classifier: str, strategy: str, pixels: str, images: int
) -> Findings:
    """Fit ten digits in one way; measure it on what it learnt from and on the test images.

    Returns
    -------
    Findings
        values "classifiers" (how many of two classes), "train_accuracy" (of at most 10,000
        of the images it learnt from), "test_accuracy", "images"; measured "fit_seconds",
        "predict_seconds".
    """
    train, labels, test, truth = _open_rows(context, pixels, images)
    built = _build(classifier, strategy, context.seed)
    hits = context.fit_and_predict(built, train, labels, test) == truth
    some = np.linspace(0, len(labels) - 1, min(MEASURED_ROWS, len(labels))).astype(int)
    return Findings(
        values={
            "classifiers": _count_classifiers(built, strategy),
            "train_accuracy": float((built.predict(train[some]) == labels[some]).mean()),
            "test_accuracy": float(hits.mean()),
            "images": len(labels),
        }
    )


def _open_rows(
    context: ExperimentContext, pixels: str, images: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    train, test = open_train(context), open_test(context)
    rows = choose_subset(train.labels, images, context.seed)
    if pixels == "scaled":
        features = list(context.open("features scaled", "train", "test"))
    else:
        features = [part.images.reshape(len(part), -1) for part in (train, test)]
    return features[0][rows], train.labels[rows], features[1], np.asarray(test.labels)


def _build(classifier: str, strategy: str, seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression, SGDClassifier
    from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
    from sklearn.svm import SVC

    wrappers = {"one-vs-one": OneVsOneClassifier, "one-vs-rest": OneVsRestClassifier}
    if classifier == "sgd":
        built: Any = SGDClassifier(max_iter=PASSES["sgd"], random_state=seed)
    elif classifier == "logistic":
        built = LogisticRegression(max_iter=PASSES["logistic"], random_state=seed)
    elif classifier == "svm":
        built = SVC()
    else:
        raise InputError(
            f"a strategy is tried with {', '.join(CLASSIFIERS)}, not {classifier!r}"
        )
    return built if strategy == "native" else wrappers[strategy](built)


def _count_classifiers(built: Any, strategy: str) -> int:
    """Return how many classifiers of two classes there are; of a native form, its own."""
    if strategy != "native":
        return len(built.estimators_)
    duels = getattr(built, "n_support_", None)
    k = len(built.classes_)
    # SVC holds duels; SGD a classifier for each digit; logistic regression is one model.
    if duels is not None:
        return k * (k - 1) // 2
    return k if hasattr(built, "loss_function_") or hasattr(built, "t_") else 1
