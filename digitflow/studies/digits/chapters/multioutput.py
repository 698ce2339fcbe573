"""Chapter `multioutput`: noise taken away, pixel by pixel."""

from typing import Any

import numpy as np

from digitflow.reports.charts import draw_bars, draw_histogram, draw_image_rows, draw_matrix
from digitflow.studies.chapter import Chapter, ChapterContext, Part, Parts, Table
from digitflow.studies.digits.experiments.multioutput import (
    DENOISERS,
    HIGHEST_NOISE,
    NEIGHBOURS,
    READER,
    name_denoising,
)

SHOWN = 10
STAGES = ("noisy", *DENOISERS)


def compose(context: ChapterContext) -> Chapter:
    """Show images before and after, how near they come, and what a model reads in them."""
    found = {"noisy": context.results["noise"]} | {
        name: context.results[name_denoising(name)] for name in DENOISERS
    }
    read = context.results["reading"].values
    best = min(DENOISERS, key=lambda name: found[name].values["mse"])
    return Chapter(
        section="multioutput",
        title="From noisy pixels to clean ones",
        question=f"Noise of 0 to {HIGHEST_NOISE - 1} is added to every pixel: can a model that "
        f"answers with 784 pixels take it away?",
        findings=_conclude(found, read, best),
        parts=(
            _show_images(context, found),
            _show_psnr(context, found, best),
            _list_scores(found, read),
            _show_spread(context, found, best),
            *_show_digits(context, found, best),
            _show_worst(context, found, read),
            _show_reading(context, read, found["noisy"].values["n"]),
        ),
    )


def _psnr(facts: Any) -> float:
    return float("inf") if facts.values["psnr"] is None else float(facts.values["psnr"])


def _conclude(found: Any, read: Any, best: str) -> tuple[str, ...]:
    plain, worst = DENOISERS[0], max(DENOISERS, key=lambda name: found[name].values["mse"])
    reader = max(DENOISERS, key=lambda name: read[name])
    helped = "helps" if read[reader] > read["noisy"] else "does not help"
    return (
        f"{best.capitalize()} cleans best: {_psnr(found['noisy']):.1f} dB before, "
        f"{_psnr(found[best]):.1f} dB after. Taking off the mean of the noise, without "
        f"learning, gives {_psnr(found[plain]):.1f} dB, {worst} least: "
        f"{_psnr(found[worst]):.1f} dB.",
        f"Cleaning {helped} to read: an {READER.upper()} that learnt from clean images reads "
        f"{read['clean']:.1%} of them, {read['noisy']:.1%} of the noisy ones, and "
        f"{read[reader]:.1%} of those cleaned by {reader}.",
    )


def _open_images(context: ChapterContext, found: Any, rows: Any) -> dict[str, np.ndarray]:
    """Return the rows' images: clean (the aim), before, after by each denoiser."""
    noise = found["noisy"].arrays
    refs = {"clean": noise["clean"], "before": noise["noisy"]} | {
        f"after: {name}": found[name].arrays["denoised"] for name in DENOISERS
    }
    return {name: np.array(context.store.open_array(ref)[rows]) for name, ref in refs.items()}


def _show_images(context: ChapterContext, found: Any) -> Part:
    labels = context.store.open_array(found["noisy"].arrays["labels"])
    rows = [int(np.flatnonzero(labels == digit)[0]) for digit in np.unique(labels)]
    return context.figure(
        "before-after",
        "Before and after",
        f"The first cleaned test image of each digit. The nearest image answers with "
        f"the strokes of another hand, the mean of several with blurred ones; ridge keeps the "
        f"strokes that are there, and comes nearest of all to the clean pixels in "
        f"{_share_nearest(context, found, 'ridge'):.0%} of the images.",
        draw_image_rows,
        _open_images(context, found, rows),
    )


def _share_nearest(context: ChapterContext, found: Any, denoiser: str) -> float:
    scores = np.stack([_open_psnr(context, found, name) for name in DENOISERS])
    return float((scores.argmax(axis=0) == DENOISERS.index(denoiser)).mean())


def _open_psnr(context: ChapterContext, found: Any, name: str) -> np.ndarray:
    return context.store.open_array(found[name].arrays["psnr"])


def _show_psnr(context: ChapterContext, found: Any, best: str) -> Part:
    gain = _psnr(found[best]) - _psnr(found["noisy"])
    return context.figure(
        "psnr",
        "Peak signal-to-noise ratio before and after",
        f"{best.capitalize()} gains {gain:.1f} dB: its mean squared error is "
        f"{found[best].values['mse']:.0f} instead of {found['noisy'].values['mse']:,.0f}.",
        draw_bars,
        ["before (noisy)", *(f"after: {name}" for name in DENOISERS)],
        {"PSNR": [facts.values["psnr"] for facts in found.values()]},
        "PSNR (dB), more is better",
        1,
    )


def _list_scores(found: Any, read: Any) -> Part:
    before = found["noisy"].values
    rows = (
        {
            "model": name,
            "MSE before": before["mse"],
            "MSE after": found[name].values["mse"],
            "PSNR before (dB)": before["psnr"],
            "PSNR after (dB)": found[name].values["psnr"],
            "images nearer (%)": 100 * found[name].values["better"],
            "read right after (%)": 100 * read[name],
            "fit (s)": found[name].measured["fit_seconds"],
            "predict (s)": found[name].measured["predict_seconds"],
        }
        for name in DENOISERS
    )
    return Table.of(
        rows,
        "denoising",
        "How near to the clean pixels, before and after",
        f"On {before['n']:,} test images, every digit as often as in all of them. MSE "
        f"is the mean squared error of a pixel (0 to 255); PSNR is 10 log10(255² / MSE). "
        f"Neighbours vote on each pixel by itself (KNN classifier of 784 answers), or the "
        f"values of one or {NEIGHBOURS} are averaged (KNN regressor); ridge is a linear "
        f"regression of each clean pixel on all noisy ones.",
        decimals=2,
    )


def _show_spread(context: ChapterContext, found: Any, best: str) -> Part:
    shown = ("noisy", *dict.fromkeys((best, "mean of 5 nearest")))
    values = {
        "before" if name == "noisy" else f"after: {name}": _open_psnr(context, found, name)
        for name in shown
    }
    low, high = np.quantile(_open_psnr(context, found, best), [0.05, 0.95])
    return context.figure(
        "psnr-spread",
        "Not every image gains alike",
        f"After {best}, nine tenths of the images have {low:.1f} to {high:.1f} dB; "
        f"{found[best].values['better']:.1%} are nearer to the clean image than before.",
        draw_histogram,
        values,
        "PSNR (dB)",
        "number of images",
    )


def _show_digits(context: ChapterContext, found: Any, best: str) -> Parts:
    errors = found[best].values["by_digit"]
    easy, hard = (pick(errors, key=lambda digit: errors[digit]) for pick in (min, max))
    digits = list(errors)
    return (
        context.figure(
            "digits",
            "Mean squared error of a pixel by digit",
            f"{best.capitalize()} leaves least in a {easy} (MSE {errors[easy]:.0f}) and most "
            f"in a {hard} ({errors[hard]:.0f}).",
            draw_matrix,
            np.array([list(found[name].values["by_digit"].values()) for name in STAGES]),
            "digit",
            "",
            digits,
            ["before", *DENOISERS],
            decimals=0,
        ),
        Table.behind(
            "digits",
            ("digit", "before", *DENOISERS),
            (
                (digit, *(found[name].values["by_digit"][digit] for name in STAGES))
                for digit in digits
            ),
        ),
    )


def _show_worst(context: ChapterContext, found: Any, read: Any) -> Part:
    """Show images that the neighbours' mean moves farthest from the clean ones."""
    name = "mean of 5 nearest"
    rows = np.argsort(_open_psnr(context, found, name), kind="stable")[:SHOWN]
    images = _open_images(context, found, rows)
    kept = ("clean", "before", f"after: {name}", "after: ridge")
    said = context.store.open_array(context.results["reading"].arrays[name])
    labels = context.store.open_array(found["noisy"].arrays["labels"])
    changed = int((said[rows] != labels[rows]).sum())
    return context.figure(
        "invented",
        "What neighbours invent",
        f"The {len(rows)} images that the {name} misses by most: where no training image has "
        f"such strokes, it draws those of others. {changed} of them are read as another digit "
        f"after it, of all images {1 - read[name]:.1%}.",
        draw_image_rows,
        {key: images[key] for key in kept},
    )


def _show_reading(context: ChapterContext, read: Any, n: int) -> Part:
    best = max(DENOISERS, key=lambda name: read[name])
    gain = 100 * (read[best] - read["noisy"])
    return context.figure(
        "reading",
        f"What one {READER.upper()} that learnt from clean images reads",
        f"On {n:,} test images: {best} changes the share read right by {gain:+.1f} points "
        f"against reading the noisy images as they are; clean ones are read "
        f"{100 * (read['clean'] - read[best]):+.1f} points beside that.",
        draw_bars,
        ["clean", "before (noisy)", *(f"after: {name}" for name in DENOISERS)],
        {"accuracy": [100 * share for share in read.values()]},
        "accuracy (%)",
        step=5,
    )
