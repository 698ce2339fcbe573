"""Section `multioutput`: from noisy pixels to clean ones, 784 answers to an image.

The way of A. Géron, "Hands-On Machine Learning", chapter 3.
"""

from typing import Any

import numpy as np

from digitflow.data.splits import choose_subset
from digitflow.models.persistence import load_model
from digitflow.studies.digits.algorithms import plan_model, predict_probabilities
from digitflow.studies.digits.data import open_test, open_train
from digitflow.studies.plan import ExperimentContext, Findings, Plan, plan_experiment
from digitflow.studies.scope import DigitsScope

# Whole numbers from 0 to 99, added to every pixel, as in the book.
HIGHEST_NOISE = 100
CLEANED = 2000
NEIGHBOURS = 5
DENOISERS = (
    "less the mean noise",
    "nearest",
    "vote of 5 nearest",
    "mean of 5 nearest",
    "ridge",
)
READER = "svm"
CHUNK_ROWS = 4096
# A PSNR without an end, of equal images, is cut to that of one pixel off by one.
LEAST_ERROR = 1 / 784


def plan(scope: DigitsScope) -> Plan:
    """Return the noisy images, each denoiser, and the model that reads what they make."""
    images = min(CLEANED, scope.test_rows)
    noise = plan_experiment("noise", add_noise, images=images)
    reader = plan_model(READER)
    denoisers = tuple(
        plan_experiment(name_denoising(denoiser), denoise_images, noise.name, denoiser=denoiser)
        for denoiser in DENOISERS
    )
    needs = [noise.name, reader[1].name, *(denoiser.name for denoiser in denoisers)]
    reading = plan_experiment("reading", read_images, *needs, reader=reader[1].name)
    return (noise, *denoisers, *reader, reading)


def name_denoising(denoiser: str) -> str:
    """Return what the experiment is called in which a denoiser learns and cleans."""
    return f"denoise by {denoiser}"


def add_noise(context: ExperimentContext, images: int) -> Findings:
    """Add noise to all training images, and to some test images.

    Returns
    -------
    Findings
        values as of `measure_cleaning` for the noisy images as they are, cut at 255; arrays
        "train" uint16 (n, 28, 28) and "raw" uint16 (images, 28, 28), up to 354, what is
        learnt from and cleaned; "noisy" and "clean" uint8 (images, 28, 28), "labels" uint8
        (images,), "psnr" float64 (images,).
    """
    train, test = open_train(context), open_test(context)
    rows = choose_subset(test.labels, images, context.seed)
    clean = np.array(test.images[rows])
    generator = np.random.default_rng(context.seed)
    with context.store.new_array(train.images.shape, np.uint16) as pending:
        for start in range(0, len(train), CHUNK_ROWS):
            part = slice(start, start + CHUNK_ROWS)
            pending.array[part] = disturb(train.images[part], generator)
    raw = disturb(clean, generator)
    noisy = np.minimum(raw, 255).astype(np.uint8)
    labels = np.array(test.labels[rows])
    values, errors = measure_cleaning(noisy, noisy, clean, labels)
    return Findings(
        values=values,
        arrays={"train": pending.ref}
        | context.keep(raw=raw, noisy=noisy, clean=clean, labels=labels, psnr=to_psnr(errors)),
    )


def disturb(images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Add whole numbers from 0 to 99, each as likely, to uint8 pixels; return uint16."""
    return images + generator.integers(0, HIGHEST_NOISE, images.shape, np.uint16)


def denoise_images(context: ExperimentContext, denoiser: str) -> Findings:
    """Learn clean from noisy pixels; clean the test images.

    Returns
    -------
    Findings
        values as of `measure_cleaning`; arrays "denoised" uint8 (images, 28, 28), "psnr"
        float64 (images,), in decibels; measured "fit_seconds", "predict_seconds".
    """
    learnt, raw, noisy, clean, labels = context.open(
        "noise", "train", "raw", "noisy", "clean", "labels"
    )
    model = build_denoiser(denoiser)
    with context.timed("fit"):
        if model is not None:
            wanted = open_train(context).images.reshape(len(open_train(context)), -1)
            model.fit(_flatten(learnt), _of_kind(model, wanted))
    with context.timed("predict"):
        if model is None:
            cleaned = raw - (HIGHEST_NOISE - 1) / 2
        else:
            cleaned = model.predict(_flatten(raw)).reshape(clean.shape)
        denoised = np.rint(cleaned.clip(0, 255)).astype(np.uint8)
    values, errors = measure_cleaning(denoised, noisy, clean, labels)
    return Findings(values=values, arrays=context.keep(denoised=denoised, psnr=to_psnr(errors)))


def build_denoiser(denoiser: str) -> Any:
    """Return an unfitted model of 784 answers; None where nothing is to be learnt.

    Neighbours vote on each pixel's value by itself (a classifier of 784 answers, as in the
    book), or are averaged (a regressor).
    """
    from sklearn.linear_model import Ridge
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

    nearest: dict[str, Any] = {"algorithm": "brute", "n_jobs": 1}
    if denoiser == "ridge":
        return Ridge(alpha=1.0)
    if denoiser == "vote of 5 nearest":
        return KNeighborsClassifier(NEIGHBOURS, **nearest)
    if denoiser == "mean of 5 nearest":
        return KNeighborsRegressor(NEIGHBOURS, **nearest)
    return KNeighborsRegressor(1, **nearest) if denoiser == "nearest" else None


def _flatten(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1).astype(np.float32)


def _of_kind(model: Any, wanted: np.ndarray) -> np.ndarray:
    from sklearn.base import is_classifier

    return wanted if is_classifier(model) else wanted.astype(np.float32)


def measure_cleaning(
    images: np.ndarray, noisy: np.ndarray, clean: np.ndarray, labels: np.ndarray
) -> tuple[dict[str, Any], np.ndarray]:
    """Measure how near uint8 images (n, 28, 28) come to the clean ones.

    Returns
    -------
    dict
        "n"; "mse" (mean squared error of a pixel, 0 to 255) and its "psnr" (decibels; None
        of equal images); "better": the share of images nearer to the clean one than the
        noisy one is; "by_digit": the mean squared error of each digit's images.
    ndarray of shape (n,), float64
        The mean squared error of each image.
    """
    errors, before = (
        ((part.astype(np.float64) - clean) ** 2).mean(axis=(1, 2)) for part in (images, noisy)
    )
    mse = float(errors.mean())
    return {
        "n": len(clean),
        "mse": mse,
        "psnr": float(to_psnr(np.array([mse]))[0]) if mse else None,
        "better": float((errors < before).mean()),
        "by_digit": {
            str(digit): float(errors[labels == digit].mean()) for digit in np.unique(labels)
        },
    }, errors


def to_psnr(errors: np.ndarray) -> np.ndarray:
    """Return the peak signal-to-noise ratio, in decibels, of mean squared errors (n,)."""
    return np.asarray(10 * np.log10(255**2 / np.maximum(errors, LEAST_ERROR)))


def read_images(context: ExperimentContext, reader: str) -> Findings:
    """Let a model that learnt from clean images read clean, noisy and cleaned ones.

    Returns
    -------
    Findings
        values: accuracy by "clean", "noisy" and each denoiser; arrays: by the same names,
        the predicted digits, uint8 (images,).
    """
    arrays = context.given["noise"].arrays
    labels = context.store.open_array(arrays["labels"])
    stages = {name: arrays[name] for name in ("clean", "noisy")} | {
        name: context.given[name_denoising(name)].arrays["denoised"] for name in DENOISERS
    }
    pipeline = load_model(context.given[reader].models["model"], context.store)
    predicted = {
        name: predict_probabilities(pipeline, context.store.open_array(ref)).argmax(axis=1)
        for name, ref in stages.items()
    }
    return Findings(
        values={name: float((said == labels).mean()) for name, said in predicted.items()},
        arrays=context.keep(
            **{name: said.astype(np.uint8) for name, said in predicted.items()}
        ),
    )
