"""Chapter `multioutput`: noise taken away, pixel by pixel."""

from typing import Any

import numpy as np

from digitflow.chapters.chapter import Chapter, Part, Press, Table
from digitflow.charts import draw_bars, draw_image_rows
from digitflow.studies.multioutput import DENOISERS, HIGHEST_NOISE, READER

STAGES = ("clean", "noisy", "denoised")


def compose(press: Press) -> Chapter:
    """Show images before and after, and what a model reads in them."""
    found = {name: press.results[f"denoise by {name}"] for name in DENOISERS}
    return Chapter(
        section="multioutput",
        title="From noisy pixels to clean ones",
        question=f"Noise of 0 to {HIGHEST_NOISE - 1} is added to every pixel: can a model that "
        f"answers with 784 pixels take it away?",
        findings=_conclude(found),
        parts=(
            _show_images(press, found),
            _list_scores(press, found),
            _show_reading(press, found),
        ),
    )


def _conclude(found: Any) -> tuple[str, ...]:
    best = max(DENOISERS, key=lambda name: found[name].values["psnr"]["denoised"])
    values = found[best].values
    accuracy = values["accuracy"]
    reader = max(DENOISERS, key=lambda name: found[name].values["accuracy"]["denoised"])
    return (
        f"{best} cleans best: {values['psnr']['noisy']:.1f} dB before, "
        f"{values['psnr']['denoised']:.1f} dB after.",
        f"An {READER.upper()} that learnt from clean images reads {accuracy['clean']:.1%} of "
        f"them, {accuracy['noisy']:.1%} of the noisy ones, and "
        f"{found[reader].values['accuracy']['denoised']:.1%} of what {reader} cleaned.",
    )


def _show_images(press: Press, found: Any) -> Part:
    arrays = press.results["noise"].arrays
    labels = press.store.open_array(arrays["labels"])
    rows = [int(np.flatnonzero(labels == digit)[0]) for digit in np.unique(labels)]
    stages = {
        name: np.array(press.store.open_array(arrays[name])[rows])
        for name in ("clean", "noisy")
    }
    cleaned = {
        name: np.array(press.store.open_array(facts.arrays["denoised"])[rows])
        for name, facts in found.items()
    }
    return press.figure(
        "before-after",
        "Before and after",
        "The first test image of each digit: clean, with noise, and cleaned by each model. The "
        "nearest neighbours answer with strokes of other hands, ridge with blurred ones.",
        draw_image_rows(stages | cleaned, "Clean, noisy, and cleaned"),
    )


def _list_scores(press: Press, found: Any) -> Table:
    images = press.results["noise"].values["images"]
    return Table(
        name="denoising",
        title="How near to the clean pixels",
        sentence=f"On {images:,} test images. MSE is the mean squared error of a pixel (0 to "
        f"255); PSNR is the peak signal-to-noise ratio.",
        columns=(
            "model", "MSE before", "MSE after", "PSNR before (dB)", "PSNR after (dB)",
            "fit (s)", "predict (s)",
        ),
        rows=tuple(
            (
                name,
                *(facts.values["mse"][stage] for stage in ("noisy", "denoised")),
                *(facts.values["psnr"][stage] for stage in ("noisy", "denoised")),
                facts.measured["fit_seconds"],
                facts.measured["predict_seconds"],
            )
            for name, facts in found.items()
        ),
        decimals=2,
    )  # fmt: skip


def _show_reading(press: Press, found: Any) -> Part:
    first = found[DENOISERS[0]].values["accuracy"]
    shares = {"clean": 100 * first["clean"], "noisy": 100 * first["noisy"]} | {
        f"cleaned by {name}": 100 * facts.values["accuracy"]["denoised"]
        for name, facts in found.items()
    }
    gain = max(list(shares.values())[2:]) - shares["noisy"]
    word = "wins back" if gain > 0 else "loses"
    return press.figure(
        "reading",
        "What is read before and after",
        f"The best cleaning {word} {abs(gain):.1f} points of accuracy against reading the "
        f"noisy images as they are.",
        draw_bars(
            list(shares),
            {"accuracy": list(shares.values())},
            f"Accuracy of the {READER.upper()} that learnt from clean images",
            "accuracy (%)",
        ),
    )
