"""Section `detector`: one digit against the rest, by its score and a threshold.

The way of A. Géron, "Hands-On Machine Learning", chapter 3, on raw pixels.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from digitflow.errors import InputError
from digitflow.models.persistence import dump_model
from digitflow.studies.digits.data import open_test, open_train
from digitflow.studies.plan import (
    Experiment,
    ExperimentContext,
    Findings,
    Plan,
    plan_experiment,
)
from digitflow.studies.scope import DigitsScope

# Points of a curve that are kept for the page; the figures are of all.
CURVE_POINTS = 400


def plan(scope: DigitsScope) -> Plan:
    """Return the experiments: folds by library and by hand, scores, a forest, what ships."""
    settings = scope.settings
    asked = {"digit": settings.digit, "folds": settings.folds}

    def ask(
        name: str, function: Callable[..., Findings], *needs: str, **params: Any
    ) -> Experiment:
        return plan_experiment(name, function, *needs, **asked | params)

    return (
        ask("folds by library", score_by_library, classifier="sgd"),
        ask("folds by hand", score_by_hand),
        ask("always no", score_by_library, classifier="dummy"),
        ask("scores", score_images, classifier="sgd"),
        ask("forest scores", score_images, classifier="forest"),
        ask("threshold", choose_threshold, "scores", precision=settings.precision),
        ask("shipped", ship_detector, "threshold"),
    )


def build_classifier(name: str, seed: int, threads: int) -> Any:
    """Return an unfitted detector: "sgd", "forest", or "dummy", which never says yes."""
    from sklearn.dummy import DummyClassifier
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import SGDClassifier

    if name == "sgd":
        return SGDClassifier(random_state=seed)
    if name == "forest":
        return RandomForestClassifier(random_state=seed, n_jobs=threads)
    return DummyClassifier(strategy="most_frequent")


def score_by_library(
    context: ExperimentContext, classifier: str, digit: int, folds: int
) -> Findings:
    """Return the accuracy of each fold as `cross_val_score` finds it, in values "scores"."""
    from sklearn.model_selection import cross_val_score

    pixels, wanted = _open_pixels(context, digit, folds)
    built = build_classifier(classifier, context.seed, context.threads)
    scores = cross_val_score(built, pixels, wanted, cv=folds, scoring="accuracy")
    return Findings(values={"scores": scores.tolist()})


def score_by_hand(context: ExperimentContext, digit: int, folds: int) -> Findings:
    """Return the same, by a loop that deals the rows out itself, in values "scores"."""
    pixels, wanted = _open_pixels(context, digit, folds)
    scores = []
    for held in deal_rows(wanted, folds):
        detector = build_classifier("sgd", context.seed, context.threads)
        detector.fit(pixels[~held], wanted[~held])
        hits = detector.predict(pixels[held]) == wanted[held]
        scores.append(int(hits.sum()) / len(hits))
    return Findings(values={"scores": scores})


def deal_rows(labels: np.ndarray, folds: int) -> list[np.ndarray]:
    """Deal rows out to folds, every label as often in each, in their order.

    Sorted by label, the rows are dealt out in turn like cards, so that folds differ by one
    row at most; each label's share of a fold is then taken from its rows in their order.

    Returns
    -------
    list of ndarray of shape (n,), bool
        For each fold, the rows that it holds out.
    """
    # A label's number is the order of its first row.
    first = [int(np.flatnonzero(labels == label)[0]) for label in np.unique(labels)]
    kinds = [labels[row] for row in sorted(first)]
    counts = [int((labels == kind).sum()) for kind in kinds]
    ends = np.cumsum([0, *counts])
    dealt = np.arange(len(labels)) % folds
    fold_of = np.empty(len(labels), int)
    for kind, (start, end) in zip(kinds, pairwise(ends), strict=True):
        shares = np.bincount(dealt[start:end], minlength=folds)
        fold_of[labels == kind] = np.repeat(np.arange(folds), shares)
    return [fold_of == fold for fold in range(folds)]


def score_images(
    context: ExperimentContext, classifier: str, digit: int, folds: int
) -> Findings:
    """Score every training image by a detector that was not fitted on it.

    Returns
    -------
    Findings
        values: "confusion" [[no as no, no as yes], [yes as no, yes as yes]], "precision",
        "recall", "f1", "auc", "roc" and "curve" (few points of both curves); arrays
        "scores": float64 (n,), a decision function or a probability.
    """
    from sklearn.model_selection import cross_val_predict

    pixels, wanted = _open_pixels(context, digit, folds)
    built = build_classifier(classifier, context.seed, context.threads)
    by_score = hasattr(built, "decision_function")
    method = "decision_function" if by_score else "predict_proba"
    found = cross_val_predict(built, pixels, wanted, cv=folds, method=method)
    scores = found if by_score else found[:, 1]
    # A forest of which half the trees say yes says no, as its own predictions do.
    said = scores > (0 if by_score else 0.5)
    return Findings(
        values=measure_answers(wanted, said) | trace_curves(wanted, scores),
        arrays=context.keep(scores=np.asarray(scores, np.float64)),
    )


def choose_threshold(
    context: ExperimentContext, digit: int, folds: int, precision: float
) -> Findings:
    """Find the lowest threshold that reaches a precision, on out-of-fold scores.

    Returns
    -------
    Findings
        values "threshold", and what it leaves: "precision", "recall", "f1", "confusion".
    """
    from sklearn.metrics import precision_recall_curve

    wanted = open_train(context).labels == digit
    (scores,) = context.open("scores", "scores")
    precisions, _, thresholds = precision_recall_curve(wanted, scores)
    threshold = float(thresholds[int((precisions >= precision).argmax())])
    return Findings(
        values={"threshold": threshold} | measure_answers(wanted, scores >= threshold)
    )


def ship_detector(context: ExperimentContext, digit: int, folds: int) -> Findings:
    """Fit the detector on all training images, with its threshold; judge it on the test's.

    Returns
    -------
    Findings
        values "plain" and "tuned": figures on the test images at 0 and at the threshold;
        models "detector": a classifier of uint8 images (n, 28, 28), True or False.
    """
    from sklearn.model_selection import FixedThresholdClassifier
    from sklearn.pipeline import make_pipeline

    from digitflow.features.recipes.pixels import RawPixels

    threshold = context.given["threshold"].values["threshold"]
    sgd = build_classifier("sgd", context.seed, context.threads)
    tuned = FixedThresholdClassifier(
        make_pipeline(RawPixels(), sgd),
        threshold=threshold,
        response_method="decision_function",
    )
    train, test = open_train(context), open_test(context)
    tuned.fit(np.asarray(train.images), train.labels == digit)
    wanted, images = test.labels == digit, np.asarray(test.images)
    return Findings(
        values={
            "plain": measure_answers(wanted, tuned.estimator_.predict(images)),
            "tuned": measure_answers(wanted, tuned.predict(images)),
        },
        models={"detector": dump_model(tuned, context.store)},
    )


def _open_pixels(
    context: ExperimentContext, digit: int, folds: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return raw pixels (n, 784), uint8, and which rows show the digit (n,), bool."""
    train = open_train(context)
    wanted = np.asarray(train.labels == digit)
    if wanted.sum() < folds:
        raise InputError(
            f"{folds} folds need as many images of the digit {digit}, there are "
            f"{wanted.sum()}: take fewer folds (study.folds), or more images"
        )
    return train.images.reshape(len(train), -1), wanted


def measure_answers(wanted: np.ndarray, said: np.ndarray) -> dict[str, Any]:
    """Return "confusion" as in `score_images`, "accuracy", "precision", "recall" and "f1".

    Parameters
    ----------
    wanted, said : bool ndarray of shape (n,)
        Whether it is the digit, and whether the detector says so.
    """
    from sklearn.metrics import (
        accuracy_score,
        confusion_matrix,
        f1_score,
        precision_score,
        recall_score,
    )

    return {
        "confusion": confusion_matrix(wanted, said, labels=[False, True]).tolist(),
        "accuracy": float(accuracy_score(wanted, said)),
        # Who never says yes has no precision: 0, as for a digit that is never found.
        "precision": float(precision_score(wanted, said, zero_division=0)),
        "recall": float(recall_score(wanted, said)),
        "f1": float(f1_score(wanted, said)),
    }


def trace_curves(wanted: np.ndarray, scores: np.ndarray) -> dict[str, Any]:
    """Return "auc", and few points of "curve" (threshold, precision, recall) and "roc"."""
    from sklearn.metrics import precision_recall_curve, roc_auc_score, roc_curve

    precision, recall, thresholds = precision_recall_curve(wanted, scores)
    false, true, _ = roc_curve(wanted, scores)
    # The last point of precision and recall, 1 and 0, has no threshold.
    curve = (thresholds, precision[:-1], recall[:-1])
    return {
        "auc": float(roc_auc_score(wanted, scores)),
        "curve": dict(zip(("threshold", "precision", "recall"), _thin(*curve), strict=True)),
        "roc": dict(zip(("false", "true"), _thin(false, true), strict=True)),
    }


def _thin(*columns: np.ndarray) -> list[list[float]]:
    """Keep some points of a curve, evenly spread over its rows, both ends among them."""
    rows = np.linspace(0, len(columns[0]) - 1, min(CURVE_POINTS, len(columns[0])))
    return [column[rows.astype(int)].tolist() for column in columns]
