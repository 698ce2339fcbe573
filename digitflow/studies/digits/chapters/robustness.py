"""Chapter `robustness`: a curve for every alteration, a line for every algorithm."""

from typing import Any

import numpy as np

from digitflow.reports.charts import draw_image_rows, draw_lines, draw_matrix
from digitflow.studies.chapter import Chapter, ChapterContext, Part, Table, Text
from digitflow.studies.digits.algorithms import ALGORITHMS
from digitflow.studies.digits.experiments.robustness import ALTERATIONS

SHOWN_DIGITS = 10


def compose(context: ChapterContext) -> Chapter:
    """Show what each algorithm still reads, the more an image is altered."""
    found = {name: context.results[f"read by {name}"].values["accuracy"] for name in ALGORITHMS}
    images = context.results[f"read by {next(iter(ALGORITHMS))}"].values["images"]
    return Chapter(
        section="robustness",
        title="What algorithms stand",
        question="How much of it is still read when a digit is moved, turned, scaled, sheared, "
        "thicker, blurred, noisy or partly covered?",
        findings=_conclude(found),
        parts=(
            Text(
                text=f"{images:,} test images, every digit as often, altered within the frame "
                f"and not centred again: the algorithms are tried, not what a picture goes "
                f"through before it is predicted. By chance alone a share of them may be off "
                f"by {196 * 0.5 / images**0.5:.1f} points."
            ),
            _show_summary(context, found),
            *(
                part
                for name in ALTERATIONS
                for part in (_show_pictures(context, name), _show_curves(context, found, name))
            ),
            _list_numbers(found),
        ),
    )


def _keep_share(found: Any, algorithm: str, alteration: str) -> float:
    """Return the mean accuracy over the altered levels, in per cent."""
    chosen = ALTERATIONS[alteration]
    values = [
        share
        for level, share in zip(chosen.levels, found[algorithm][alteration], strict=True)
        if level != chosen.none
    ]
    return float(100 * np.mean(values))


def _conclude(found: Any) -> tuple[str, ...]:
    together = {
        name: float(np.mean([_keep_share(found, name, each) for each in ALTERATIONS]))
        for name in ALGORITHMS
    }
    best = max(together, key=lambda name: together[name])
    worst = min(together, key=lambda name: together[name])
    harm = {
        each: float(np.mean([_keep_share(found, name, each) for name in ALGORITHMS]))
        for each in ALTERATIONS
    }
    hardest = min(harm, key=lambda name: harm[name])
    return (
        f"Over all alterations {best} keeps most ({together[best]:.1f} % read right) and "
        f"{worst} least ({together[worst]:.1f} %).",
        f"{hardest.capitalize()} does most harm: {harm[hardest]:.1f} % are still read right, "
        f"over all its levels and algorithms.",
    )


def _show_summary(context: ChapterContext, found: Any) -> Part:
    shares = np.array(
        [[_keep_share(found, name, each) for each in ALTERATIONS] for name in ALGORITHMS]
    )
    row, column = np.unravel_index(shares.argmin(), shares.shape)
    return context.figure(
        "summary",
        "Mean accuracy over the levels of an alteration (%)",
        f"The least is read by {list(ALGORITHMS)[row]} under {list(ALTERATIONS)[column]}: "
        f"{shares.min():.0f} %.",
        draw_matrix,
        shares,
        "alteration",
        "",
        list(ALTERATIONS),
        list(ALGORITHMS),
        decimals=0,
        highest=100,
        blank=(),
    )


def _show_pictures(context: ChapterContext, name: str) -> Part:
    images, labels = context.open(f"alter by {name}", "images", "labels")
    rows = [int(np.flatnonzero(labels == digit)[0]) for digit in np.unique(labels)]
    unit = ALTERATIONS[name].unit
    return context.figure(
        f"{name}-pictures",
        f"{name.capitalize()}: what it looks like",
        f"One image of each digit; at the left how much ({unit}).",
        draw_image_rows,
        {
            f"{level:g}": images[place][rows[:SHOWN_DIGITS]]
            for place, level in enumerate(ALTERATIONS[name].levels)
        },
    )


def _show_curves(context: ChapterContext, found: Any, name: str) -> Part:
    chosen = ALTERATIONS[name]
    lines = {
        algorithm: (np.array(chosen.levels), 100 * np.array(found[algorithm][name]))
        for algorithm in ALGORITHMS
    }
    strongest = max(
        range(len(chosen.levels)), key=lambda i: abs(chosen.levels[i] - chosen.none)
    )
    ends = {algorithm: shares[strongest] for algorithm, (_, shares) in lines.items()}
    best, worst = (choose(ends, key=lambda key: ends[key]) for choose in (max, min))
    return context.figure(
        f"{name}-curves",
        f"{name.capitalize()}: what is still read",
        f"At {chosen.levels[strongest]:g} ({chosen.unit}) {best} reads {ends[best]:.0f} % and "
        f"{worst} {ends[worst]:.0f} %.",
        draw_lines,
        lines,
        f"{name} ({chosen.unit})",
        "accuracy (%)",
        y_range=(0, 102),
    )


def _list_numbers(found: Any) -> Part:
    return Table.behind(
        "robustness",
        ("alteration", "unit", "level", "algorithm", "accuracy"),
        (
            (name, chosen.unit, level, algorithm, found[algorithm][name][place])
            for name, chosen in ALTERATIONS.items()
            for place, level in enumerate(chosen.levels)
            for algorithm in ALGORITHMS
        ),
    )
