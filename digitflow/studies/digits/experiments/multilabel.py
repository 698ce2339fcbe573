"""Section `multilabel`: is a digit large (7, 8, 9), and is it odd? Both at once.

The way of A. Géron, "Hands-On Machine Learning", chapter 3: neighbours, and a chain.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from digitflow.data.sets import LabelledImages
from digitflow.store.references import Record
from digitflow.studies.digits.data import PARTS, open_test, open_train, plan_features
from digitflow.studies.digits.voting import compare_readers
from digitflow.studies.plan import ExperimentContext, Findings, Plan, plan_experiment
from digitflow.studies.scope import DigitsScope

QUESTIONS = ("large", "odd")
LEAST_LARGE = 7
# The four pairs of answers, in the order of 2 x large + odd.
PAIRS = ("small, even", "small, odd", "large, even", "large, odd")
JUDGED = ("by folds", "on test images")
NEIGHBOURS = 5
# A chain's second link learns from answers of the first to images that it did not see.
CHAIN_FOLDS = 3
SHOWN = 12


class Answerer(Record):
    """What answers both questions.

    Attributes
    ----------
    kind : str
        "neighbours" of both answers; "digit": neighbours of the digit, whose answers
        follow; "apart": a link for each question; "large first" or "odd first": a chain.
    link : str
        Of "apart" and the chains: "logistic" or "trees".
    pixels : bool
        Whether it learns from the raw pixels, else from 60 components.
    """

    kind: str
    link: str = ""
    pixels: bool = False


MODELS: Mapping[str, Answerer] = MappingProxyType(
    {
        "knn on pixels": Answerer(kind="neighbours", pixels=True),
        "knn": Answerer(kind="neighbours"),
        "knn by its digit": Answerer(kind="digit"),
    }
    | {
        f"{link}, {kind}": Answerer(kind=kind, link=link)
        for link in ("logistic", "trees")
        for kind in ("apart", "large first", "odd first")
    }
)
CHAINS = MappingProxyType(
    {
        name: f"{model.link}, apart"
        for name, model in MODELS.items()
        if model.kind in ("large first", "odd first")
    }
)


def plan(scope: DigitsScope) -> Plan:
    """Return the features, each model by folds and on the test images, chains compared."""
    features = plan_features("components")
    fits = tuple(
        plan_experiment(
            name_answers(name, judged),
            answer_questions,
            *([] if model.pixels else [features.name]),
            model=model.model_dump(),
            judged=judged,
            folds=scope.settings.folds,
            in_order=scope.source == "mnist",
        )
        for name, model in MODELS.items()
        for judged in JUDGED
    )
    pairs = [
        [name_answers(name, judged) for name in pair]
        for pair in CHAINS.items()
        for judged in JUDGED
    ]
    names = dict.fromkeys(name for pair in pairs for name in pair)
    compared = plan_experiment("chains", compare_chains, *names, pairs=pairs)
    return (features, *fits, compared)


def name_answers(model: str, judged: str) -> str:
    """Return what the experiment is called in which a model answers."""
    return f"{model}, {judged}"


def ask_questions(labels: np.ndarray) -> np.ndarray:
    """Return the true answers (n, 2), bool: large (at least 7), odd."""
    return np.column_stack([labels >= LEAST_LARGE, labels % 2 == 1])


def answer_questions(
    context: ExperimentContext,
    model: Mapping[str, Any],
    judged: str,
    folds: int,
    in_order: bool,
) -> Findings:
    """Answer both questions, for training images by cross-validation or for test images.

    Parameters
    ----------
    in_order : bool
        Whether folds are the rows in their order, as the published figures are; else every
        digit is as often in each, which a sorted source needs.

    Returns
    -------
    Findings
        values as of `measure_answers`, and "rows" and "answers": the first images of which
        one answer is right; arrays "right": uint8 (n,), how many answers are; measured
        "fit_seconds", "predict_seconds" (by folds both together are in the first).
    """
    chosen = Answerer(**model)
    train, test = open_rows(context, chosen)
    built = build_model(chosen, context.seed, context.threads)
    wanted = train.labels if chosen.kind == "digit" else _as_numbers(train.labels)
    if judged == "by folds":
        with context.timed("fit"):
            found = _answer_by_folds(built, train, wanted, folds, in_order)
    else:
        found = context.fit_and_predict(built, train.images, wanted, test.images)
    truth = ask_questions((train if judged == "by folds" else test).labels)
    answers = ask_questions(found) if chosen.kind == "digit" else np.asarray(found) > 0.5
    right = (answers == truth).sum(axis=1).astype(np.uint8)
    half = np.flatnonzero(right == 1)[:SHOWN]
    return Findings(
        values=measure_answers(truth, answers)
        | {"rows": half.tolist(), "answers": answers[half].tolist()},
        arrays=context.keep(right=right),
    )


def open_rows(
    context: ExperimentContext, model: Answerer
) -> tuple[LabelledImages, LabelledImages]:
    """Return training and test rows (n, d) with their labels.

    Pixels are whole numbers in float64: distances between them are exact.
    """
    if model.pixels:
        return _flatten(open_train(context)), _flatten(open_test(context))
    train, labels, test, truth = context.open("features components", *PARTS)
    return LabelledImages(train, labels), LabelledImages(test, truth)


def _flatten(images: LabelledImages) -> LabelledImages:
    rows = images.images.reshape(len(images), -1).astype(np.float64)
    return LabelledImages(rows, images.labels)


def build_model(model: Answerer, seed: int, threads: int) -> Any:
    """Return an unfitted model of two answers, or of the digit."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
    from sklearn.neighbors import KNeighborsClassifier

    if model.kind in ("neighbours", "digit"):
        return KNeighborsClassifier(NEIGHBOURS, algorithm="brute", n_jobs=threads)
    if model.link == "logistic":
        link = LogisticRegression(tol=1e-3, max_iter=300)
    else:
        link = HistGradientBoostingClassifier(
            max_iter=60, max_bins=32, early_stopping=False, random_state=seed
        )
    if model.kind == "apart":
        return MultiOutputClassifier(link)
    order = [0, 1] if model.kind == "large first" else [1, 0]
    return ClassifierChain(link, order=order, cv=CHAIN_FOLDS)


def _as_numbers(labels: np.ndarray) -> np.ndarray:
    return ask_questions(labels).astype(np.uint8)


def _answer_by_folds(
    built: Any, train: LabelledImages, wanted: np.ndarray, folds: int, in_order: bool
) -> np.ndarray:
    from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict

    dealt = KFold(folds) if in_order else StratifiedKFold(folds)
    parts = list(dealt.split(train.labels, train.labels))
    return np.asarray(cross_val_predict(built, train.images, wanted, cv=parts))


def measure_answers(truth: np.ndarray, answers: np.ndarray) -> dict[str, Any]:
    """Measure two answers (n, 2), bool, to each image.

    Returns
    -------
    dict
        "n"; "f1_macro" (mean of both questions), "f1_weighted" (each by how often its
        answer is yes); "precision", "recall", "f1" and "confusion" [[no as no, no as yes],
        [yes as no, yes as yes]] by question; "both", "half", "none": shares of the images
        with two, one, no right answers; "pairs" (4 x 4), a row a true pair of `PAIRS`.
    """
    from sklearn.metrics import (
        confusion_matrix,
        f1_score,
        multilabel_confusion_matrix,
        precision_recall_fscore_support,
    )

    scores = precision_recall_fscore_support(truth, answers, average=None, zero_division=0)
    right = (answers == truth).sum(axis=1)
    figures = dict(zip(("precision", "recall", "f1"), scores, strict=False))
    pairs = confusion_matrix(*(part @ [2, 1] for part in (truth, answers)), labels=range(4))
    return {
        "n": len(truth),
        "f1_macro": float(f1_score(truth, answers, average="macro", zero_division=0)),
        "f1_weighted": float(f1_score(truth, answers, average="weighted", zero_division=0)),
        **{
            name: dict(zip(QUESTIONS, values.tolist(), strict=True))
            for name, values in figures.items()
        },
        "confusion": dict(
            zip(QUESTIONS, multilabel_confusion_matrix(truth, answers).tolist(), strict=True)
        ),
        **{
            name: float((right == count).mean())
            for count, name in enumerate(("none", "half", "both"))
        },
        "pairs": pairs.tolist(),
    }


def compare_chains(context: ExperimentContext, pairs: list[list[str]]) -> Findings:
    """Compare each chain with the same links apart, by both answers right.

    Returns
    -------
    Findings
        values: by the chain's experiment "against", "wins", "losses" (images that only one
        of them has right), "p" of equal models (exact McNemar test, two-sided).
    """
    found = {}
    for chain, apart in pairs:
        ours, theirs = (context.open(name, "right")[0] for name in (chain, apart))
        both = np.full(len(ours), len(QUESTIONS))
        found[chain] = {"against": apart} | compare_readers(ours, theirs, both)
    return Findings(values=found)
