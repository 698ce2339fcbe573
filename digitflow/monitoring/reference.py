"""What a model learnt from and how it read, kept beside it to compare later images with."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from digitflow.data.splits import choose_subset
from digitflow.images.frame import digest_image
from digitflow.images.statistics import STATISTICS, measure_images
from digitflow.models.bundle import Reference
from digitflow.store.artifacts import Store
from digitflow.store.references import ArrayRef

# Of the training images; more would not move the limits.
LARGEST = 10_000
COMPONENTS = 20
COLUMNS = (*STATISTICS, "residual")
"""The statistics, and what the principal components leave of an image (0 to 1, root mean
square)."""


@dataclass(frozen=True)
class OpenReference:
    """A `Reference` with its arrays."""

    columns: tuple[str, ...]
    classes: int
    statistics: np.ndarray
    components: np.ndarray
    projected: np.ndarray
    predicted: np.ndarray
    confidence: np.ndarray


def record_reference(
    store: Store,
    images: ArrayRef,
    labels: ArrayRef,
    probabilities: ArrayRef,
    seed: int,
    threads: int = 1,
) -> Reference:
    """Measure some training images; keep what the model predicted for the validation images.

    Parameters
    ----------
    images, labels : ArrayRef
        The training images, without altered copies: those would hide what was learnt from.
    probabilities : ArrayRef
        float (k, classes), of the validation images.
    """
    from sklearn.decomposition import PCA
    from threadpoolctl import threadpool_limits

    pictures = store.open_array(images)
    rows = _find_first(pictures)
    found = store.open_array(labels)[rows]
    rows = rows[choose_subset(found, min(LARGEST, len(found)), seed)]
    chosen = np.array(pictures[rows])
    read = store.open_array(probabilities)
    with threadpool_limits(threads):
        pixels = _flatten(chosen)
        kept = min(COMPONENTS, *pixels.shape)
        pca = PCA(kept, svd_solver="covariance_eigh").fit(pixels)
        components = np.zeros((1 + COMPONENTS, pixels.shape[1]), np.float32)
        components[0], components[1 : 1 + kept] = pca.mean_, pca.components_
        statistics, projected = describe_images(chosen, components)
    arrays = {
        "statistics": statistics,
        "components": components,
        "projected": projected,
        "predicted": read.argmax(axis=1).astype(np.uint8),
        "confidence": read.max(axis=1).astype(np.float32),
    }
    stored = {name: store.put_array(array) for name, array in arrays.items()}
    return Reference(columns=COLUMNS, classes=read.shape[1], **stored)


def _find_first(images: np.ndarray) -> np.ndarray:
    """Return the rows of different images: corrections are repeated for their weight."""
    digests = [digest_image(image) for image in images]
    return np.sort(np.unique(digests, return_index=True)[1])


def open_reference(store: Store, reference: Reference) -> OpenReference:
    """Open all arrays of a reference."""
    found: dict[str, Any] = {
        name: store.open_array(value) if isinstance(value, ArrayRef) else value
        for name, value in reference
    }
    return OpenReference(**found)


def describe_images(
    images: np.ndarray, components: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the statistics (n, 7) and the place along the components (n, 20), float32."""
    pixels = _flatten(images) - components[0]
    projected = pixels @ components[1:].T
    left = (pixels**2).mean(axis=1) - (projected**2).sum(axis=1) / pixels.shape[1]
    residual = np.sqrt(np.maximum(left, 0))
    return np.column_stack([measure_images(images), residual]), projected


def _flatten(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1).astype(np.float32) / np.float32(255)
