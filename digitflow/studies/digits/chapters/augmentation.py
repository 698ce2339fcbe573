"""Chapter `augmentation`: the same number of images, made in different ways."""

from typing import Any

import numpy as np

from digitflow.reports.charts import draw_bars, draw_image_rows, draw_lines
from digitflow.studies.chapter import (
    Chapter,
    ChapterContext,
    Part,
    Parts,
    Table,
    Text,
    check_number,
)
from digitflow.studies.digits.experiments.augmentation import (
    BACKENDS,
    COPIES,
    MODELS,
    STRESSES,
    name_fit,
)
from digitflow.studies.digits.experiments.robustness import ALTERATIONS

PUBLISHED, ABOUT = 97.6, 0.3


def compose(context: ChapterContext) -> Chapter:
    """Show what each backend makes, and what learning from it brings."""
    made = {name: context.results[f"copies by {name}"] for name in BACKENDS}
    there = [name for name, facts in made.items() if "missing" not in facts.values]
    found = context.gather(name_fit, MODELS, there)
    shifted = context.results["knn on all images and their shifts"].values
    return Chapter(
        section="augmentation",
        title="More images from the same ones",
        question="Which way to make copies brings most: for accuracy, for robustness, for the "
        "time it takes?",
        findings=_conclude(found, made, there, shifted),
        parts=(
            _check_published(shifted),
            *_list_missing(made),
            Text(
                text=f"Each way makes {COPIES} copies of each of the same "
                f"{made['none'].values['images']:,} originals, and all learn from equally "
                f"many images; without copies, from the originals alone. KNN with shifts "
                f"learns from all "
                f"{shifted['images']:,} besides. Features are fitted on the copies too."
            ),
            _show_copies(context, made, there),
            _show_accuracy(context, found, there),
            *(
                _show_stress(context, found, there, model, stress)
                for stress in STRESSES
                for model in MODELS
            ),
            _list_scores(found, made),
            _list_curves(found),
        ),
    )


def _accuracy(found: Any, model: str, name: str) -> float:
    return 100 * float(found[model, name].values["accuracy"])


def _gain(found: Any, model: str, name: str) -> float:
    return _accuracy(found, model, name) - _accuracy(found, model, "none")


def _conclude(found: Any, made: Any, there: Any, shifted: Any) -> tuple[str, ...]:
    best = {
        model: max(there, key=lambda name, m=model: _accuracy(found, m, name))  # type: ignore[misc]
        for model in MODELS
    }
    gains = ", ".join(f"{m} {_gain(found, m, best[m]):+.2f} by {best[m]}" for m in MODELS)
    speed = {name: made[name].measured["images_per_second"] for name in there if name != "none"}
    quick, slow = (choose(speed, key=lambda name: speed[name]) for choose in (max, min))
    return (
        f"The most that copies add to accuracy (points): {gains}.",
        f"KNN on all {shifted['images']:,} images and shifts reads {shifted['accuracy']:.2%}, "
        f"without shifts {shifted['plain_accuracy']:.2%}.",
        f"{quick} makes {speed[quick]:,.0f} images a second, {slow} {speed[slow]:,.0f}.",
    )


def _check_published(shifted: Any) -> Part:
    measured = round(100 * shifted["accuracy"], 2)
    return check_number(
        "accuracy of KNN with four 1-pixel shifts, about (%)", PUBLISHED, measured, ABOUT
    )


def _list_missing(made: Any) -> Parts:
    return tuple(
        Text(text=f"{name} is left out: {facts.values['missing']}.")
        for name, facts in made.items()
        if "missing" in facts.values
    )


def _show_copies(context: ChapterContext, made: Any, there: Any) -> Part:
    rows = {}
    for name in there:
        shown = context.store.open_array(made[name].arrays["shown"])
        # The first copy of each digit; of no backend, the originals.
        rows[name] = np.array(shown[min(1, len(shown) - 1)])
    return context.figure(
        "copies",
        "What each makes",
        "The same ten originals (first row) and one copy of each by every backend.",
        draw_image_rows,
        rows,
    )


def _show_accuracy(context: ChapterContext, found: Any, there: Any) -> Part:
    series = {model: [_accuracy(found, model, name) for name in there] for model in MODELS}
    model, name = max(found, key=lambda key: found[key].values["accuracy"])
    return context.figure(
        "accuracy",
        "Accuracy by backend",
        f"The best is {model} with {name} ({_accuracy(found, model, name):.2f} %).",
        draw_bars,
        list(there),
        series,
        "accuracy (%)",
        step=5,
    )


def _show_stress(
    context: ChapterContext, found: Any, there: Any, model: str, stress: str
) -> Part:
    levels = ALTERATIONS[stress].levels
    lines = {
        name: (np.array(levels), 100 * np.array(found[model, name].values["altered"][stress]))
        for name in there
    }
    middle = len(levels) // 2
    at = {name: values[middle] for name, (_, values) in lines.items()}
    best = max(at, key=lambda name: at[name])
    unit = ALTERATIONS[stress].unit
    return context.figure(
        f"{stress}-{model}",
        f"{model} under {stress}",
        f"At {levels[middle]:g} ({unit}) {model} without copies reads {at['none']:.0f} %, with "
        f"{best} {at[best]:.0f} %.",
        draw_lines,
        lines,
        f"{stress} ({unit})",
        "accuracy (%)",
        y_range=(0, 102),
    )


def _list_scores(found: Any, made: Any) -> Part:
    rows = (
        {
            "model": model,
            "backend": name,
            "images learnt from": made[name].values["images"],
            "accuracy (%)": _accuracy(found, model, name),
            "fit (s)": fit.measured["fit_seconds"],
            "copies a second": (
                None if name == "none" else round(made[name].measured["images_per_second"])
            ),
        }
        for (model, name), fit in found.items()
    )
    return Table.of(
        rows,
        "augmentation",
        "All fits",
        "Images a second are copies made, in one thread, the backend already loaded.",
        decimals=2,
    )


def _list_curves(found: Any) -> Part:
    return Table.behind(
        "stresses",
        ("model", "backend", "alteration", "level", "accuracy"),
        (
            (model, name, stress, level, share)
            for (model, name), facts in found.items()
            for stress in STRESSES
            for level, share in zip(
                ALTERATIONS[stress].levels, facts.values["altered"][stress], strict=True
            )
        ),
    )
