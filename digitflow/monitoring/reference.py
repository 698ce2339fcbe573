"""What a model learnt from and how it predicted, kept beside it: later samples are compared.

Of images there are statistics and their places along principal components, of rows their
cells.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from digitflow.data.facts import TableFacts
from digitflow.data.splits import choose_subset
from digitflow.feedback.learning import digest_samples
from digitflow.images.statistics import STATISTICS, measure_images
from digitflow.models.bundle import Reference
from digitflow.store.artifacts import Store
from digitflow.store.references import ArrayRef

# Of the training samples; more would not move the limits.
LARGEST = 10_000
COMPONENTS = 20
COLUMNS = (*STATISTICS, "residual")
"""The statistics of images, and what the principal components leave of one (0 to 1, root mean
square)."""


@dataclass(frozen=True)
class OpenReference:
    """A `Reference` with its arrays."""

    columns: tuple[str, ...]
    categories: tuple[tuple[str, ...], ...]
    classes: int
    statistics: np.ndarray
    predicted: np.ndarray
    components: np.ndarray | None = None
    projected: np.ndarray | None = None
    confidence: np.ndarray | None = None

    @property
    def features(self) -> np.ndarray:
        """What the domain classifier looks at, see `describe_samples`."""
        return _join_features(self.statistics, self.projected, self.categories)


def record_images(
    store: Store,
    images: ArrayRef,
    labels: ArrayRef,
    probabilities: ArrayRef,
    seed: int,
    sources: tuple[ArrayRef | None, ArrayRef | None] = (None, None),
    threads: int = 1,
) -> Reference:
    """Measure some training images; keep what the model predicted for the validation images.

    Parameters
    ----------
    images, labels : ArrayRef
        The training images, without altered copies: those would hide what was learnt from.
    probabilities : ArrayRef
        float (k, classes), of the validation images.
    sources : (ArrayRef or None, ArrayRef or None)
        Of the training and of the validation images of a mix: which part each is from. Only
        the first counts, on which a model is tested too: what users send need not hold a
        share of digits that were drawn to widen what is learnt.
    """
    from sklearn.decomposition import PCA
    from threadpoolctl import threadpool_limits

    pictures = store.open_array(images)
    own, own_read = (None if ref is None else store.open_array(ref) <= 0 for ref in sources)
    rows = _find_first(digest_samples(pictures))
    rows = rows if own is None else rows[own[rows]]
    found = store.open_array(labels)[rows]
    rows = rows[choose_subset(found, min(LARGEST, len(found)), seed)]
    chosen = np.array(pictures[rows])
    read = store.open_array(probabilities)
    read = read if own_read is None else read[own_read]
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
        **_describe_predictions(read),
    }
    stored = {name: store.put_array(array) for name, array in arrays.items()}
    return Reference(
        columns=COLUMNS, categories=((),) * len(COLUMNS), classes=read.shape[1], **stored
    )


def record_rows(
    store: Store, samples: ArrayRef, table: TableFacts, predictions: ArrayRef, seed: int
) -> Reference:
    """Keep the cells of some training rows, and what the model predicted for validation rows.

    Parameters
    ----------
    samples : ArrayRef
        The training rows.
    predictions : ArrayRef
        Probabilities (k, classes) or values (k,) of the validation rows.
    """
    records = store.open_array(samples)
    rows = _find_first(digest_samples(records))
    if len(rows) > LARGEST:
        rows = np.sort(np.random.default_rng(seed).choice(rows, LARGEST, replace=False))
    # A column of texts that never held one has a category too: it is none of numbers.
    categories = tuple(
        (column.values or ("",)) if column.type == "category" else ()
        for column in table.columns.values()
    )
    columns = tuple(table.columns)
    read = store.open_array(predictions)
    arrays = {
        "statistics": number_cells(records[rows], columns, categories),
        **_describe_predictions(read),
    }
    stored = {name: store.put_array(array) for name, array in arrays.items()}
    return Reference(
        columns=columns, categories=categories, classes=len(table.classes), **stored
    )


def _describe_predictions(predictions: np.ndarray) -> dict[str, np.ndarray]:
    if predictions.ndim == 1:
        return {"predicted": predictions.astype(np.float64)}
    return {
        "predicted": predictions.argmax(axis=1).astype(np.float64),
        "confidence": predictions.max(axis=1).astype(np.float32),
    }


def _find_first(digests: np.ndarray) -> np.ndarray:
    """Return the rows of different samples: corrections are repeated for their weight."""
    return np.sort(np.unique(digests, return_index=True)[1])


def open_reference(store: Store, reference: Reference) -> OpenReference:
    """Open all arrays of a reference."""
    found: dict[str, Any] = {
        name: store.open_array(value) if isinstance(value, ArrayRef) else value
        for name, value in reference
    }
    return OpenReference(**found)


def describe_samples(
    samples: np.ndarray, known: OpenReference
) -> tuple[np.ndarray, np.ndarray]:
    """Return the statistics (n, s) and features (n, d) of samples, float32.

    Features are what a classifier tells windows apart by: numbers, NaN where one is missing.
    """
    if known.components is not None:
        statistics, projected = describe_images(samples, known.components)
        return statistics, _join_features(statistics, projected, known.categories)
    statistics = number_cells(samples, known.columns, known.categories)
    return statistics, _join_features(statistics, None, known.categories)


def _join_features(
    statistics: np.ndarray,
    projected: np.ndarray | None,
    categories: Sequence[Sequence[str]],
) -> np.ndarray:
    """Put beside numbers a column of 0 and 1 for each category, and places on components."""
    parts = [
        column[:, np.newaxis] if not names else column[:, np.newaxis] == np.arange(len(names))
        for column, names in zip(statistics.T, categories, strict=True)
    ]
    more = [] if projected is None else [projected]
    return np.hstack([*parts, *more]).astype(np.float32, copy=False)


def number_cells(
    records: np.ndarray, columns: Sequence[str], categories: Sequence[Sequence[str]]
) -> np.ndarray:
    """Return cells of records as numbers, float32 (n, s): of a category its place.

    NaN stands for what is missing, or no known category.
    """

    def number(cells: np.ndarray, names: Sequence[str]) -> np.ndarray:
        if not names:
            return cells
        places = {name: float(place) for place, name in enumerate(names)}
        return np.array([places.get(text, np.nan) for text in cells.tolist()])

    found = [
        number(records[column], names)
        for column, names in zip(columns, categories, strict=True)
    ]
    return np.column_stack(found).astype(np.float32)


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
