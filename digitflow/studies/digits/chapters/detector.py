"""Chapter `detector`: is it the digit, or is it not?"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from digitflow.reports.charts import draw_lines, draw_matrix
from digitflow.studies.chapter import Chapter, ChapterContext, Part, Parts, Table, check_number
from digitflow.studies.scope import DigitsScope

# One of the last digit that was published: it may have been rounded either way.
SEVEN, FIVE, FOUR = 1e-7, 1e-5, 1e-4
PUBLISHED_SEED, PUBLISHED_DIGIT, PUBLISHED_FOLDS, PUBLISHED_PRECISION = 42, 5, 3, 0.9


def compose(context: ChapterContext) -> Chapter:
    """Show how the detector scores, and what another threshold makes of it."""
    found = {name: result.values for name, result in context.results.items()}
    digit = DigitsScope.of(context.scope).settings.digit
    return Chapter(
        section="detector",
        title=f"A detector of the digit {digit}",
        question=f"Is it a {digit}? A linear classifier (SGD) on raw pixels, cross-validated.",
        findings=_conclude(found, context),
        parts=(
            *_list_published(context, found),
            _compare_folds(found),
            _show_confusion(context, found, digit),
            *_show_thresholds(context, found),
            *_show_roc(context, found),
            _show_shipped(found),
        ),
    )


def _conclude(found: Any, context: ChapterContext) -> tuple[str, ...]:
    scores, tuned = found["scores"], found["threshold"]
    dummy = np.mean(found["always no"]["scores"])
    accuracy = np.mean(found["folds by library"]["scores"])
    settings = DigitsScope.of(context.scope).settings
    wanted = settings.precision
    return (
        f"{accuracy:.1%} accuracy says little where always saying no reaches {dummy:.1%}: "
        f"{scores['precision']:.1%} of what it says yes to is a "
        f"{settings.digit}, and it finds {scores['recall']:.1%} of them.",
        f"A threshold of {tuned['threshold']:.1f} buys {tuned['precision']:.1%} precision "
        f"(asked: {wanted:.0%}) with a recall of {tuned['recall']:.1%}.",
        f"A random forest ranks better: AUC {found['forest scores']['auc']:.4f} against "
        f"{scores['auc']:.4f}."
        if found["forest scores"]["auc"] > scores["auc"]
        else f"A random forest ranks no better: AUC {found['forest scores']['auc']:.4f} "
        f"against {scores['auc']:.4f}.",
    )


def _list_published(context: ChapterContext, found: Any) -> Parts:
    settings = DigitsScope.of(context.scope).settings
    asked = (context.scope.seed, settings.digit, settings.folds, settings.precision)
    published = (PUBLISHED_SEED, PUBLISHED_DIGIT, PUBLISHED_FOLDS, PUBLISHED_PRECISION)
    if asked != published:
        return ()
    scores, tuned = found["scores"], found["threshold"]
    counts = [count for row in scores["confusion"] for count in row]
    folds = found["folds by library"]["scores"]
    return (
        check_number("accuracy of the three folds", (0.95035, 0.96035, 0.9604), folds, FIVE),
        check_number("confusion matrix", (53892, 687, 1891, 3530), counts, 0),
        check_number("precision", 0.8370880, scores["precision"], SEVEN),
        check_number("recall", 0.6511714, scores["recall"], SEVEN),
        check_number("F1", 0.7325171, scores["f1"], SEVEN),
        check_number("threshold for 90 % precision", 3370.0195, tuned["threshold"], FOUR),
        check_number("recall at that threshold", 0.4799853, tuned["recall"], SEVEN),
        check_number("AUC", 0.9604939, scores["auc"], SEVEN),
    )


def _compare_folds(found: Any) -> Part:
    library, hand = (found[f"folds by {name}"]["scores"] for name in ("library", "hand"))
    equal = "equal in every digit" if library == hand else "not equal"
    scores = zip(library, hand, found["always no"]["scores"], strict=True)
    return Table.of(
        (
            {"fold": fold, "SGD, by library": ours, "SGD, by hand": same, "always no": never}
            for fold, (ours, same, never) in enumerate(scores, 1)
        ),
        "folds",
        "Accuracy of each fold",
        f"By cross_val_score and by a loop that deals the rows out itself: {equal}.",
        decimals=5,
    )


def _show_confusion(context: ChapterContext, found: Any, digit: int) -> Part:
    counts = np.array(found["scores"]["confusion"])
    names = [f"not {digit}", str(digit)]
    return context.figure(
        "confusion",
        "Confusion matrix: number of images",
        f"{counts[0, 1]:,} others are taken for a {digit}, and {counts[1, 0]:,} of "
        f"{counts[1].sum():,} images of a {digit} are missed; each image was scored by a "
        f"detector that had not seen it.",
        draw_matrix,
        counts,
        "said",
        "true",
        names,
        names,
        decimals=0,
    )


def _show_thresholds(context: ChapterContext, found: Any) -> Parts:
    curve, tuned = found["scores"]["curve"], found["threshold"]
    precision, recall = (np.array(curve[name]) for name in ("precision", "recall"))
    here = tuned["threshold"]
    return (
        context.figure(
            "threshold",
            "Precision and recall against the threshold",
            f"At a threshold of {here:.1f} the precision is {tuned['precision']:.1%}, and "
            f"{tuned['recall']:.1%} of the digits are still found.",
            draw_thresholds,
            curve,
            here,
            tuned["precision"],
        ),
        context.figure(
            "precision-recall",
            "Precision against recall",
            f"Both together are best where {_find_best(precision, recall):.0%} of the digits "
            f"are found; beyond that precision falls steeply.",
            draw_lines,
            {"SGD": (100 * recall, 100 * precision)},
            "recall (%)",
            "precision (%)",
            marks={"chosen": (100 * tuned["recall"], 100 * tuned["precision"])},
        ),
        Table.behind(
            "precision-recall",
            ("threshold", "precision", "recall"),
            zip(curve["threshold"], curve["precision"], curve["recall"], strict=True),
        ),
    )


def draw_thresholds(
    title: str, curve: Mapping[str, Sequence[float]], threshold: float, precision: float
) -> bytes:
    """Draw precision and recall against the threshold; return a PNG.

    Parameters
    ----------
    curve : mapping of str to sequence of float
        "threshold", "precision" and "recall", as `trace_curves` finds them.
    threshold, precision : float
        The chosen one, and what it reaches, 0 to 1; marked.
    """
    at, *shares = (np.array(curve[name]) for name in ("threshold", "precision", "recall"))
    low, high = span_thresholds(curve)
    return draw_lines(
        title,
        {
            name: (at, 100 * share)
            for name, share in zip(("precision", "recall"), shares, strict=True)
        },
        "threshold of the decision score (no unit)",
        "share (%)",
        marks={"chosen": (threshold, 100 * precision)},
        x_range=(low, max(high, threshold)),
    )


def span_thresholds(curve: Mapping[str, Sequence[float]]) -> tuple[float, float]:
    """Return the thresholds between which something happens.

    Scores far outside say nothing more, and would squeeze what matters.
    """
    return float(np.quantile(curve["threshold"], 0.02)), float(max(curve["threshold"]))


def _find_best(precision: np.ndarray, recall: np.ndarray) -> float:
    """Return the recall at which precision and recall together are most (the best F1)."""
    together = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return float(recall[together.argmax()])


def _show_roc(context: ChapterContext, found: Any) -> Parts:
    scores, forest = found["scores"], found["forest scores"]
    both = {"SGD": scores, "random forest": forest}
    lines = {
        f"{name} (AUC {facts['auc']:.4f})": (
            100 * np.array(facts["roc"]["false"]),
            100 * np.array(facts["roc"]["true"]),
        )
        for name, facts in both.items()
    }
    chance = {"chance (AUC 0.5)": (np.array([0, 100]), np.array([0, 100]))}
    rows = [
        (name, false, true)
        for name, facts in both.items()
        for false, true in zip(facts["roc"]["false"], facts["roc"]["true"], strict=True)
    ]
    return (
        context.figure(
            "roc",
            "ROC curves",
            f"The area under the curve is {scores['auc']:.4f} for SGD and "
            f"{forest['auc']:.4f} for a random forest of 100 trees.",
            draw_lines,
            lines | chance,
            "false positive rate (% of all other digits)",
            "true positive rate, recall (%)",
        ),
        Table.behind("roc", ("classifier", "false positive rate", "true positive rate"), rows),
        Table.of(
            (
                {"classifier": name} | _name_figures(facts) | {"AUC": facts["auc"]}
                for name, facts in both.items()
            ),
            "classifiers",
            "SGD and a random forest, cross-validated",
            decimals=7,
        ),
    )


def _name_figures(facts: Any) -> dict[str, float]:
    return {"precision": facts["precision"], "recall": facts["recall"], "F1": facts["f1"]}


def _show_shipped(found: Any) -> Part:
    shipped = found["shipped"]
    both = {"at a threshold of 0": shipped["plain"], "at the chosen one": shipped["tuned"]}
    rows = (
        {"detector": name, "accuracy": facts["accuracy"]} | _name_figures(facts)
        for name, facts in both.items()
    )
    return Table.of(
        rows,
        "shipped",
        "The shipped detector on the test images",
        "Fitted on all training images; its threshold is part of the stored model, a "
        "classifier that answers yes or no to images.",
    )
