"""Section `explore`: what the digits look like, before anything is learnt from them."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from digitflow.data.sets import LabelledImages
from digitflow.studies.digits.data import open_test, open_train
from digitflow.studies.plan import ExperimentContext, Findings, Plan, plan_experiment
from digitflow.studies.scope import DigitsScope

CLASSES = 10
# 95 % of MNIST's variance, and the two smaller ones of the studies.
KEPT = (10, 50, 154)
SHOWN = 10
# t-SNE compares all with all: so many images stay within half a minute.
MAPPED = 2000
CHUNK_ROWS = 4096


def plan(scope: DigitsScope) -> Plan:
    """Return the experiments: the pixels, the classes, PCA, two maps."""
    components = [k for k in KEPT if k <= min(scope.train_rows, 784)]
    return (
        plan_experiment("pixels", describe_pixels),
        plan_experiment("classes", describe_classes),
        plan_experiment("components", project_pixels, kept=components),
        plan_experiment("neighbourhoods", map_neighbours, images=min(MAPPED, scope.train_rows)),
    )


def describe_pixels(context: ExperimentContext) -> Findings:
    """Describe shapes, dtypes, missing values, and pixels before and after scaling.

    Returns
    -------
    Findings
        values "sets" (a dict a set), "stages" (statistics raw, normalised, standardised),
        "histogram" (pixels of each value, 0 to 255), "constant" (pixels that never change).
    """
    train = open_train(context)
    sets = {"train": train, "test": open_test(context)}
    _, variance = measure_columns(train.images)
    return Findings(
        values={
            "sets": {name: _describe_set(digits) for name, digits in sets.items()},
            "histogram": count_values(train.images).tolist(),
            "constant": int((variance == 0).sum()),
            "stages": summarise_stages(train.images),
        }
    )


def count_values(images: np.ndarray) -> np.ndarray:
    """Return how many pixels have each value, int64 (256,)."""
    counts = np.zeros(256, np.int64)
    for chunk in _iterate_chunks(images):
        counts += np.bincount(chunk.reshape(-1), minlength=256)
    return counts


def summarise_stages(images: np.ndarray) -> dict[str, dict[str, float | None]]:
    """Return statistics of all pixels: raw (0 to 255), normalised (0 to 1), standardised.

    Standardised, each pixel has the mean 0 and the standard deviation 1 over the images.

    Parameters
    ----------
    images : ndarray of shape (n, 28, 28), uint8
        May be memory-mapped; it is read in chunks.
    """
    counts = count_values(images)
    mean, variance = measure_columns(images)
    return {
        "raw": _summarise_counts(counts, 1.0),
        "normalised": _summarise_counts(counts, 1 / 255),
        "standardised": _summarise_standardised(images, mean, np.sqrt(variance)),
    }


def describe_classes(context: ExperimentContext) -> Findings:
    """Count, average and show every digit.

    Returns
    -------
    Findings
        values "counts" {set: [of 0, of 1, ...]}, "ink" (mean share of ink of each digit);
        arrays "samples" uint8 (10, k, 28, 28), "means" and "spreads" float32 (10, 28, 28),
        the pixels' mean and standard deviation within each digit, 0 to 255.
    """
    train, test = open_train(context), open_test(context)
    means = np.empty((CLASSES, 28, 28), np.float32)
    spreads = np.empty_like(means)
    samples = np.zeros((CLASSES, SHOWN, 28, 28), np.uint8)
    for digit in range(CLASSES):
        rows = np.flatnonzero(train.labels == digit)
        mean, variance = measure_columns(train.images[rows])
        means[digit] = mean.reshape(28, 28)
        spreads[digit] = np.sqrt(variance).reshape(28, 28)
        chosen = rows[np.linspace(0, len(rows) - 1, min(SHOWN, len(rows))).astype(int)]
        samples[digit, : len(chosen)] = train.images[chosen]
    return Findings(
        values={
            "counts": {
                name: np.bincount(part.labels, minlength=CLASSES).tolist()
                for name, part in (("train", train), ("test", test))
            },
            "ink": [float(mean.mean()) / 255 for mean in means],
        },
        arrays=context.keep(samples=samples, means=means, spreads=spreads),
    )


def project_pixels(context: ExperimentContext, kept: list[int]) -> Findings:
    """Find the principal components of the pixels, 0 to 1; rebuild digits from a few.

    Returns
    -------
    Findings
        values "cumulated" (share of the variance held by the first k components),
        "needed" {"0.9": k, ...}, "error" {k: mean squared error over 0..1 pixels};
        arrays "originals" uint8 (10, 28, 28), "rebuilt" uint8 (len(kept), 10, 28, 28),
        "map" float32 (m, 2) and "labels" uint8 (m,) of the first two components.
    """
    train = open_train(context)
    found = find_components(train.images)
    variances, cumulated = found.variances, found.cumulated
    rows = [int(np.flatnonzero(train.labels == digit)[0]) for digit in range(CLASSES)]
    originals = np.array(train.images[rows])
    rebuilt = [found.rebuild(originals, k) for k in kept]
    some = _choose_some(context, MAPPED)
    points = (some.images.reshape(len(some), -1) / 255 - found.mean) @ found.vectors[:, :2]
    return Findings(
        values={
            "cumulated": cumulated.tolist(),
            "needed": {
                str(share): int(np.searchsorted(cumulated, share) + 1)
                for share in (0.8, 0.9, 0.95, 0.99)
            },
            # What the components left out hold is what is lost.
            "error": {str(k): float(variances[k:].sum() / 784) for k in kept},
        },
        arrays=context.keep(
            originals=originals,
            rebuilt=np.array(rebuilt),
            map=points.astype(np.float32),
            labels=some.labels,
        ),
    )


@dataclass(frozen=True)
class Components:
    """The principal components of images.

    Attributes
    ----------
    mean : ndarray of shape (784,)
        The mean image, 0 to 1.
    variances : ndarray of shape (784,)
        Along each component, falling.
    vectors : ndarray of shape (784, 784)
        A column each.
    """

    mean: np.ndarray
    variances: np.ndarray
    vectors: np.ndarray

    @property
    def cumulated(self) -> np.ndarray:
        """The share of the variance that the first k components hold, (784,)."""
        return np.asarray(np.cumsum(self.variances) / self.variances.sum())

    def rebuild(self, images: np.ndarray, count: int) -> np.ndarray:
        """Return images, uint8 (n, 28, 28), as the first components alone would have them."""
        kept = self.vectors[:, :count]
        centred = images.reshape(len(images), -1) / 255 - self.mean
        return _to_images(self.mean + centred @ kept @ kept.T)


def find_components(images: np.ndarray) -> Components:
    """Find the principal components of images, uint8 (n, 28, 28), which may be mapped."""
    mean, covariance = _measure_covariance(images)
    variances, vectors = np.linalg.eigh(covariance)
    variances, vectors = variances[::-1].clip(0), vectors[:, ::-1]
    # The sign of a component means nothing: the largest entry is made positive.
    vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(784)])
    return Components(mean, variances, vectors)


def map_neighbours(context: ExperimentContext, images: int) -> Findings:
    """Lay some images out so that neighbours stay neighbours (t-SNE on 50 components).

    L. van der Maaten and G. Hinton, "Visualizing data using t-SNE", JMLR 2008.

    Returns
    -------
    Findings
        arrays "map" float32 (images, 2), "labels" uint8 (images,).
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    some = _choose_some(context, images)
    pixels = some.images.reshape(len(some), -1).astype(np.float32) / 255
    reduced = PCA(min(50, *pixels.shape), svd_solver="full").fit_transform(pixels)
    perplexity = min(30.0, (len(some) - 1) / 3)
    # One thread, or the order of sums would differ from run to run.
    placed = TSNE(
        perplexity=perplexity, init="pca", random_state=context.seed, n_jobs=1
    ).fit_transform(reduced)
    return Findings(
        values={"images": len(some)},
        arrays=context.keep(map=placed.astype(np.float32), labels=some.labels),
    )


def _choose_some(context: ExperimentContext, images: int) -> LabelledImages:
    train = open_train(context)
    rows = np.random.default_rng(context.seed).permutation(len(train))[:images]
    return train.take(np.sort(rows))


def _describe_set(digits: LabelledImages) -> dict[str, Any]:
    floating = np.issubdtype(digits.images.dtype, np.floating)
    return {
        "shape": list(digits.images.shape),
        "dtype": digits.images.dtype.name,
        "labels_dtype": digits.labels.dtype.name,
        "bytes": int(digits.images.nbytes),
        "lowest": int(digits.images.min()),
        "highest": int(digits.images.max()),
        "missing": int(np.isnan(digits.images).sum()) if floating else 0,
        "classes": len(np.unique(digits.labels)),
        "writers": None if digits.writers is None else len(np.unique(digits.writers)),
    }


def _iterate_chunks(images: np.ndarray) -> Any:
    for start in range(0, len(images), CHUNK_ROWS):
        chunk = images[start : start + CHUNK_ROWS]
        yield chunk.reshape(len(chunk), -1)


def measure_columns(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and variance of each pixel (784,), from whole numbers and so exact.

    Parameters
    ----------
    images : ndarray of shape (n, 28, 28), uint8
        May be memory-mapped; it is read in chunks.
    """
    total, squares = np.zeros(784, np.int64), np.zeros(784, np.int64)
    for chunk in _iterate_chunks(images):
        wide = chunk.astype(np.int64)
        total += wide.sum(axis=0)
        squares += (wide * wide).sum(axis=0)
    n = len(images)
    mean = total / n
    return mean, (squares / n - mean**2).clip(0)


def _measure_covariance(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean (784,) and covariance (784, 784) of pixels from 0 to 1, chunk by chunk."""
    mean = measure_columns(images)[0] / 255
    product = np.zeros((784, 784))
    for chunk in _iterate_chunks(images):
        centred = chunk / 255 - mean
        product += centred.T @ centred
    return mean, product / (len(images) - 1)


def _summarise_counts(counts: np.ndarray, unit: float) -> dict[str, float | None]:
    values, n = np.arange(256) * unit, counts.sum()
    mean = float((counts * values).sum() / n)
    variance = float((counts * (values - mean) ** 2).sum() / n)
    used = np.flatnonzero(counts)
    return {
        "mean": mean,
        "deviation": math.sqrt(variance),
        "lowest": float(values[used[0]]),
        "median": float(values[np.searchsorted(np.cumsum(counts), n / 2)]),
        "highest": float(values[used[-1]]),
    }


def _summarise_standardised(
    images: np.ndarray, mean: np.ndarray, deviation: np.ndarray
) -> dict[str, float | None]:
    """Summarise pixels of mean 0 and deviation 1; one that never changes is only centred."""
    scale = np.where(deviation > 0, deviation, 1)
    total = squares = 0.0
    lowest, highest = math.inf, -math.inf
    for chunk in _iterate_chunks(images):
        scaled = (chunk - mean) / scale
        total += float(scaled.sum())
        squares += float((scaled**2).sum())
        lowest, highest = min(lowest, scaled.min()), max(highest, scaled.max())
    n = images.size
    return {
        "mean": round(total / n, 12) + 0.0,
        "deviation": math.sqrt(squares / n - (total / n) ** 2),
        "lowest": float(lowest),
        "median": None,
        "highest": float(highest),
    }


def _to_images(pixels: np.ndarray) -> np.ndarray:
    shape = (*pixels.shape[:-1], 28, 28)
    return np.rint(pixels.clip(0, 1) * 255).astype(np.uint8).reshape(shape)
