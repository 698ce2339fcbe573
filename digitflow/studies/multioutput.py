"""Section `multioutput`: from noisy pixels to clean ones, 784 answers to an image."""

import time
from typing import Any

import numpy as np

from digitflow.data.splits import choose_subset
from digitflow.models.persistence import load_model
from digitflow.studies.experiment import Experiment, Findings, Lab, Scope
from digitflow.studies.fitting import plan_model, predict_probabilities

# Whole numbers from 0 to 99, added to every pixel, as in the studies.
HIGHEST_NOISE = 100
CLEANED = 1000
NEIGHBOURS = 5
DENOISERS = ("nearest", "mean of 5 nearest", "ridge")
READER = "svm"
SHOWN = 10


def plan(scope: Scope) -> tuple[Experiment, ...]:
    """Return the noisy images, each denoiser, and the model that reads what they make."""
    images = min(CLEANED, scope.test_rows)
    noise = Experiment(
        name="noise", function=f"{__name__}.add_noise", params={"images": images}
    )
    reader = plan_model(READER)
    denoisers = (
        Experiment(
            name=f"denoise by {denoiser}",
            function=f"{__name__}.denoise_images",
            params={"denoiser": denoiser, "reader": reader[1].name},
            needs=(noise.name, reader[1].name),
        )
        for denoiser in DENOISERS
    )
    return (noise, *reader, *denoisers)


def add_noise(lab: Lab, images: int) -> Findings:
    """Add noise to all training images, and to some test images.

    Returns
    -------
    Findings
        arrays "train" uint8 (n, 28, 28), "noisy" and "clean" uint8 (images, 28, 28),
        "labels" uint8 (images,). A pixel of noise on ink may pass 255: it is cut there.
    """
    train, test = lab.train(), lab.test()
    rows = choose_subset(test.labels, images, lab.seed)
    clean = np.array(test.images[rows])
    generator = np.random.default_rng(lab.seed)
    with lab.store.new_array(train.images.shape, np.uint8) as pending:
        for start in range(0, len(train), 4096):
            part = slice(start, start + 4096)
            pending.array[part] = _disturb(train.images[part], generator)
    return Findings(
        values={"images": images},
        arrays={
            "train": pending.ref,
            "noisy": lab.store.put_array(_disturb(clean, generator)),
            "clean": lab.store.put_array(clean),
            "labels": lab.store.put_array(test.labels[rows]),
        },
    )


def _disturb(images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    noise = generator.integers(0, HIGHEST_NOISE, images.shape, np.uint16)
    return np.minimum(images + noise, 255).astype(np.uint8)


def denoise_images(lab: Lab, denoiser: str, reader: str) -> Findings:
    """Learn clean from noisy pixels; clean the test images, and let a model read them.

    Returns
    -------
    Findings
        values "mse" and "psnr" (decibels, over all pixels) before and after, and "accuracy"
        {"clean", "noisy", "denoised"} of the reader, which learnt from clean images;
        arrays "denoised" uint8 (images, 28, 28); measured "fit_seconds", "predict_seconds".
    """
    arrays = lab.given["noise"].arrays
    noisy, clean, labels = (
        lab.store.open_array(arrays[name]) for name in ("noisy", "clean", "labels")
    )
    model = _build(denoiser)
    began = time.perf_counter()
    model.fit(_flatten(lab.store.open_array(arrays["train"])), _flatten(lab.train().images))
    fitted = time.perf_counter()
    cleaned = model.predict(_flatten(noisy))
    ended = time.perf_counter()
    denoised = np.rint(255 * cleaned.clip(0, 1)).astype(np.uint8).reshape(clean.shape)
    pipeline = load_model(lab.given[reader].models["model"], lab.store)
    stages = {"clean": clean, "noisy": noisy, "denoised": denoised}
    return Findings(
        values={
            "mse": {
                name: _measure_error(stages[name], clean) for name in ("noisy", "denoised")
            },
            "psnr": {
                name: _measure_psnr(stages[name], clean) for name in ("noisy", "denoised")
            },
            "accuracy": {
                name: float(
                    (predict_probabilities(pipeline, images).argmax(axis=1) == labels).mean()
                )
                for name, images in stages.items()
            },
        },
        measured={"fit_seconds": fitted - began, "predict_seconds": ended - fitted},
        arrays={"denoised": lab.store.put_array(denoised)},
    )


def _build(denoiser: str) -> Any:
    from sklearn.linear_model import Ridge
    from sklearn.neighbors import KNeighborsRegressor

    if denoiser == "ridge":
        return Ridge(alpha=1.0)
    count = 1 if denoiser == "nearest" else NEIGHBOURS
    return KNeighborsRegressor(count, algorithm="brute", n_jobs=1)


def _flatten(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1) * np.float32(1 / 255)


def _measure_error(images: np.ndarray, clean: np.ndarray) -> float:
    return float(((images.astype(np.float64) - clean) ** 2).mean())


def _measure_psnr(images: np.ndarray, clean: np.ndarray) -> float | None:
    """Return the peak signal-to-noise ratio in decibels; None of equal images."""
    error = _measure_error(images, clean)
    return float(10 * np.log10(255**2 / error)) if error else None
