"""Chapter `strategies`: one-vs-one, one-vs-rest and native; raw against scaled pixels."""

from typing import Any

from digitflow.reports.charts import draw_bars
from digitflow.studies.chapter import Chapter, ChapterContext, Part, PublishedFigure, Table
from digitflow.studies.digits.experiments.strategies import (
    CLASSIFIERS,
    PASSES,
    PIXELS,
    STRATEGIES,
    name_fit,
)

NAMES = {"sgd": "SGD", "logistic": "logistic regression", "svm": "SVM"}


def compose(context: ChapterContext) -> Chapter:
    """Show what strategy and scaling do to three classifiers."""
    found = context.gather(name_fit, CLASSIFIERS, STRATEGIES, PIXELS)
    return Chapter(
        section="strategies",
        title="Ten digits from classifiers of two",
        question="Does it matter whether digits are told apart pair by pair or each from the "
        "rest, and whether pixels are scaled first?",
        findings=_conclude(found),
        parts=(
            _check_published(found),
            *(_show_classifier(context, found, classifier) for classifier in CLASSIFIERS),
            _list_fits(found),
        ),
    )


def _score(found: Any, *key: str) -> float:
    return 100 * float(found[key].values["test_accuracy"])


def _lift(found: Any, name: str) -> float:
    return _score(found, name, "native", "scaled") - _score(found, name, "native", "raw")


def _conclude(found: Any) -> tuple[str, ...]:
    lifts = ", ".join(f"{NAMES[name]} {_lift(found, name):+.2f}" for name in CLASSIFIERS)
    best = max(found, key=lambda key: _score(found, *key))
    duels, rest = (
        sum(found[name, strategy, "scaled"].measured["fit_seconds"] for name in CLASSIFIERS)
        for strategy in ("one-vs-one", "one-vs-rest")
    )
    return (
        f"Scaling changes the accuracy of the native forms by (points): {lifts}.",
        f"The best is {NAMES[best[0]]}, {best[1]}, on {best[2]} pixels "
        f"({_score(found, *best):.2f} %). 45 duels together took {duels:.0f} s to fit, 10 "
        f"against the rest {rest:.0f} s: each duel sees two digits only.",
    )


def _check_published(found: Any) -> Part:
    raw, scaled = (_score(found, "sgd", "native", pixels) for pixels in ("raw", "scaled"))
    return PublishedFigure(
        what="scaling lifts SGD (test accuracy, %)",
        expected="scaled > raw",
        measured=f"{raw:.2f} to {scaled:.2f}",
        met=scaled > raw,
    )


def _show_classifier(context: ChapterContext, found: Any, name: str) -> Part:
    series = {
        f"{pixels} pixels, {part}": [
            100 * found[name, strategy, pixels].values[f"{part}_accuracy"]
            for strategy in STRATEGIES
        ]
        for pixels in PIXELS
        for part in ("train", "test")
    }
    gap = max(
        100 * (facts.values["train_accuracy"] - facts.values["test_accuracy"])
        for key, facts in found.items()
        if key[0] == name
    )
    images = found[name, "native", "raw"].values["images"]
    passes = f", at most {PASSES[name]} passes" if name in PASSES else ""
    return context.figure(
        f"{name}-strategies",
        f"{NAMES[name]}: strategy, scaling, training against test",
        f"Learnt from {images:,} images{passes}; at most {gap:.1f} points lie between what it "
        f"learnt from and the test images.",
        draw_bars,
        list(STRATEGIES),
        series,
        "accuracy (%)",
        step=5,
    )


def _list_fits(found: Any) -> Part:
    rows = (
        {
            "classifier": NAMES[classifier],
            "strategy": strategy,
            "pixels": pixels,
            "images": fit.values["images"],
            "classifiers of two": fit.values["classifiers"],
            "train (%)": 100 * fit.values["train_accuracy"],
            "test (%)": 100 * fit.values["test_accuracy"],
            "fit (s)": fit.measured["fit_seconds"],
            "predict (s)": fit.measured["predict_seconds"],
            "converged": "no" if any("onverge" in text for text in fit.warnings) else "yes",
        }
        for (classifier, strategy, pixels), fit in found.items()
    )
    return Table.of(
        rows,
        "strategies",
        "All fits",
        "Training accuracy is of at most 10,000 of the images that were learnt from; "
        "converged is whether the fit ended by itself, before its last pass.",
        decimals=2,
    )
