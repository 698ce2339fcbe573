"""Section `errors`: what goes wrong, whose hand it was, and whose fault."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from digitflow.evaluation.resampling import wilson_interval
from digitflow.models.building import build_estimator
from digitflow.monitoring.attribution import find_nearest
from digitflow.studies.digits.algorithms import predict_probabilities
from digitflow.studies.digits.data import open_test, open_train, plan_features
from digitflow.studies.digits.voting import cool, fit_temperature
from digitflow.studies.plan import ExperimentContext, Findings, Plan, plan_experiment
from digitflow.studies.scope import DigitsScope


@dataclass(frozen=True)
class Suspects:
    """Rows whose label is probably wrong, the likeliest first.

    Attributes
    ----------
    rows : ndarray of shape (k,), int64
    suggested : ndarray of shape (k,), int64
        What the label is thought to be.
    margin : ndarray of shape (k,), float64
        Probability of what is suggested over that of the label; sorted, falling.
    joint : ndarray of shape (c, c), int64
        The confident joint: how many images labelled i (row) are confidently j (column).
    """

    rows: np.ndarray
    suggested: np.ndarray
    margin: np.ndarray
    joint: np.ndarray


def find_suspects(labels: np.ndarray, probabilities: np.ndarray) -> Suspects:
    """Find labels that out-of-fold probabilities confidently contradict.

    An image is confidently of a class if its probability of it is at least the mean
    probability of that class over the images that are labelled so; of several, the most
    probable counts.

    Parameters
    ----------
    labels : ndarray of shape (n,), int
        From 0 to c - 1, each at least once.
    probabilities : ndarray of shape (n, c)
        Of a model that has not seen the row.
    """
    classes = probabilities.shape[1]
    thresholds = np.array([probabilities[labels == c, c].mean() for c in range(classes)])
    confident = probabilities >= thresholds
    best = np.where(confident, probabilities, -1.0).argmax(axis=1)
    counted = confident.any(axis=1)
    joint = np.zeros((classes, classes), np.int64)
    np.add.at(joint, (labels[counted], best[counted]), 1)
    rows = np.flatnonzero(counted & (best != labels))
    own = probabilities[rows, labels[rows]]
    margin = np.asarray(probabilities[rows, best[rows]] - own, np.float64)
    order = np.argsort(-margin, kind="stable")
    return Suspects(rows[order], best[rows][order], margin[order], joint)


RECIPE, ESTIMATOR = "strokes", "nystroem"
MISTAKES, NEIGHBOURS, SUSPECTS, PAIRS, PER_PAIR = 24, 5, 40, 3, 8
LEAST = 1e-12


def plan(scope: DigitsScope) -> Plan:
    """Return a model judged on the test images, one a fold, and what their errors say."""
    features, count = plan_features(RECIPE), scope.settings.folds
    folds = [
        plan_experiment(f"fold {fold + 1}", read_fold, features.name, fold=fold, folds=count)
        for fold in range(count)
    ]
    names = [fold.name for fold in folds]
    return (
        features,
        plan_experiment("test images", read_test, features.name),
        *folds,
        plan_experiment("temperature", find_temperature, *names),
        plan_experiment("mistakes", describe_mistakes, "test images", "temperature"),
        plan_experiment("neighbours", find_neighbours, "mistakes"),
        plan_experiment("labels", suspect_labels, "test images", "temperature", *names),
        plan_experiment("hands", score_hands, "test images"),
    )


def read_test(context: ExperimentContext) -> Findings:
    """Fit on all training images; read the test images.

    Returns
    -------
    Findings
        values "accuracy"; arrays "probabilities" float32 (n, 10).
    """
    train, labels, test = context.open(f"features {RECIPE}", "train", "train_labels", "test")
    model = build_estimator(ESTIMATOR, {}, context.seed, context.threads).fit(train, labels)
    probabilities = predict_probabilities(model, test)
    hits = probabilities.argmax(axis=1) == open_test(context).labels
    return Findings(
        values={"accuracy": float(hits.mean())},
        arrays=context.keep(probabilities=probabilities),
    )


def read_fold(context: ExperimentContext, fold: int, folds: int) -> Findings:
    """Read the training images of one fold by a model that saw none of their writers.

    Returns
    -------
    Findings
        arrays "rows" int64 (m,), "probabilities" float32 (m, 10).
    """
    from sklearn.model_selection import StratifiedGroupKFold

    train, labels = context.open(f"features {RECIPE}", "train", "train_labels")
    writers = open_train(context).writers
    groups = np.arange(len(labels)) if writers is None else np.asarray(writers)
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=context.seed)
    learnt, held = list(splitter.split(labels, labels, groups))[fold]
    model = build_estimator(ESTIMATOR, {}, context.seed, context.threads)
    model.fit(train[learnt], labels[learnt])
    return Findings(
        values={"images": len(held)},
        arrays=context.keep(
            rows=held.astype(np.int64), probabilities=predict_probabilities(model, train[held])
        ),
    )


def find_temperature(context: ExperimentContext) -> Findings:
    """Find how sharp the probabilities must be to fit the labels, out of fold.

    One number for all images: no image's own label moves its probabilities by more than a
    trace.

    Returns
    -------
    Findings
        values "temperature": what the logarithms of probabilities are divided by.
    """
    labels = np.asarray(open_train(context).labels)
    found = fit_temperature(_gather_folds(context), labels, LEAST)
    return Findings(values={"temperature": found})


def _calibrate(context: ExperimentContext, probabilities: np.ndarray) -> np.ndarray:
    return cool(probabilities, context.given["temperature"].values["temperature"])


def _gather_folds(context: ExperimentContext) -> np.ndarray:
    """Return the out-of-fold probabilities of all training images, (n, 10)."""
    gathered = np.zeros((len(open_train(context)), 10))
    for name, facts in context.given.items():
        if "rows" in facts.arrays:
            rows, probabilities = context.open(name, "rows", "probabilities")
            gathered[rows] = probabilities
    return gathered


def _read_test_calibrated(context: ExperimentContext) -> np.ndarray:
    """Return the calibrated probabilities of the test images, (n, 10)."""
    return _calibrate(context, *context.open("test images", "probabilities"))


def describe_mistakes(context: ExperimentContext) -> Findings:
    """Find the surest mistakes on the test images, and the pairs confused most.

    Returns
    -------
    Findings
        values "counts" (10 x 10), "surest" (rows, the surest first), "wrong" (how many), and
        "pairs": for the most confused pairs (a, b) the rows of images of a read as a, a as
        b, b as a and b as b.
    """
    labels, probabilities = open_test(context).labels, _read_test_calibrated(context)
    predicted, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != labels)
    surest = wrong[np.argsort(-sure[wrong], kind="stable")][:MISTAKES]
    counts = np.zeros((10, 10), np.int64)
    np.add.at(counts, (labels, predicted), 1)
    both = np.triu(counts + counts.T, 1)
    pairs = []
    for place in np.argsort(-both, axis=None, kind="stable")[:PAIRS]:
        a, b = (int(digit) for digit in np.unravel_index(place, both.shape))
        cells = [
            np.flatnonzero((labels == true) & (predicted == said))[:PER_PAIR].tolist()
            for true, said in ((a, a), (a, b), (b, a), (b, b))
        ]
        pairs.append({"digits": [a, b], "errors": int(both[a, b]), "cells": cells})
    return Findings(
        values={
            "counts": counts.tolist(),
            "wrong": len(wrong),
            "surest": [
                {
                    "row": int(row),
                    "label": int(labels[row]),
                    "said": int(predicted[row]),
                    "sure": float(sure[row]),
                }
                for row in surest
            ],
            "pairs": pairs,
        }
    )


def find_neighbours(context: ExperimentContext) -> Findings:
    """Find the training images that are nearest to the surest mistakes, pixel by pixel.

    Returns
    -------
    Findings
        values "near": for each mistake a list of {"row", "label", "distance"} (Euclidean,
        over pixels of 0 to 1), the nearest first.
    """
    train, test = open_train(context), open_test(context)
    rows = [mistake["row"] for mistake in context.given["mistakes"].values["surest"]]
    nearest, distances = find_nearest(train.images, test.images[rows], NEIGHBOURS)
    return Findings(
        values={
            "near": [
                [
                    {
                        "row": int(row),
                        "label": int(train.labels[row]),
                        "distance": round(float(distance), 4),
                    }
                    for row, distance in zip(*found, strict=True)
                ]
                for found in zip(nearest, distances, strict=True)
            ]
        }
    )


def suspect_labels(context: ExperimentContext) -> Findings:
    """Find labels that are probably wrong, among training and among test images.

    Returns
    -------
    Findings
        values, for "train" and "test": "found" (how many), "joint" (10 x 10) and "likeliest"
        (row, label, suggested, margin); "accuracy", out of fold, on the training images.
    """
    labels = np.asarray(open_train(context).labels)
    out_of_fold = _calibrate(context, _gather_folds(context))
    on_test = _read_test_calibrated(context)
    return Findings(
        values={
            "accuracy": float((out_of_fold.argmax(axis=1) == labels).mean()),
            "train": _list_suspects(labels, out_of_fold),
            "test": _list_suspects(np.asarray(open_test(context).labels), on_test),
        }
    )


def _list_suspects(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, Any]:
    found = find_suspects(labels, probabilities)
    likeliest = zip(
        found.rows[:SUSPECTS], found.suggested[:SUSPECTS], found.margin[:SUSPECTS], strict=True
    )
    return {
        "found": len(found.rows),
        "joint": found.joint.tolist(),
        "likeliest": [
            {
                "row": int(row),
                "label": int(labels[row]),
                "suggested": int(digit),
                "margin": round(float(margin), 6),
            }
            for row, digit, margin in likeliest
        ],
    }


def score_hands(context: ExperimentContext) -> Findings:
    """Score each writer and each series of writers on the test images, where known.

    Returns
    -------
    Findings
        values "writers" and "series": a list of {"name", "n", "correct", "low", "high"} (the
        bounds of a 95 % Wilson interval of the accuracy); empty where unknown.
    """
    test = open_test(context)
    (probabilities,) = context.open("test images", "probabilities")
    hits = probabilities.argmax(axis=1) == test.labels
    return Findings(
        values={
            "writers": _score_groups(test.writers, hits),
            "series": _score_groups(test.series, hits),
        }
    )


def _score_groups(groups: np.ndarray | None, hits: np.ndarray) -> list[dict[str, Any]]:
    if groups is None:
        return []
    found = []
    for group in np.unique(groups[np.asarray(groups) >= 0]):
        chosen = hits[np.asarray(groups) == group]
        correct, n = int(chosen.sum()), len(chosen)
        low, high = wilson_interval(correct, n)
        found.append({"name": int(group), "n": n, "correct": correct, "low": low, "high": high})
    return found
