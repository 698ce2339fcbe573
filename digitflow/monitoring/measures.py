"""What a model learnt from and how it read, and how far a window of images is from it.

The reference is kept beside a model; the measures are effect sizes. Population stability
index: N. Siddiqi, "Credit Risk Scorecards" (2006). Domain classifier: D. Lopez-Paz and
M. Oquab, "Revisiting classifier two-sample tests" (ICLR 2017); S. Rabanser, S. Günnemann,
Z. Lipton, "Failing loudly" (NeurIPS 2019).
"""

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
BINS = 10
FOLDS = 5
RIDGE = 10.0
# Standard deviations at which a feature counts as its farthest.
FARTHEST = 5.0
# What orders the pictures of one bin, far less than a bin differs from another.
ORDERING, TINY = 1e-3, 1e-12


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
    rows = _find_first(pictures)
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


@dataclass(frozen=True)
class DescribedWindow:
    """A window's images as the measures see them.

    Attributes
    ----------
    statistics : ndarray of shape (n, 7)
    projected : ndarray of shape (n, 20)
    predicted : ndarray of shape (m,), integer
    confidence : ndarray of shape (m,)
    """

    statistics: np.ndarray
    projected: np.ndarray
    predicted: np.ndarray
    confidence: np.ndarray


class DriftMeter:
    """Measures windows against one reference; what doesn't change is computed once.

    Parameters
    ----------
    reference : OpenReference
        What windows are compared with.
    """

    def __init__(self, reference: OpenReference) -> None:
        self.reference = reference
        shares = np.linspace(0, 1, BINS + 1)[1:-1]
        columns = [*reference.statistics.T, reference.confidence]
        self._edges = [np.unique(np.quantile(column, shares)) for column in columns]
        # The bin of every row, once: parts of the reference are counted often.
        self._bins = [
            np.searchsorted(edges, column, side="right")
            for column, edges in zip(columns, self._edges, strict=True)
        ]
        features = np.hstack([reference.statistics, reference.projected])
        self._mean, spread = features.mean(axis=0), features.std(axis=0)
        self._spread = np.where(spread > 0, spread, 1.0)
        self._features = self._scale(features)

    @property
    def measures(self) -> tuple[str, ...]:
        """The measures' names.

        The population stability index of each statistic; the domain classifier's area under
        the ROC curve; the indices of the classes predicted and of how surely.
        """
        indices = (f"psi.{name}" for name in self.reference.columns)
        return (*indices, "domain", "predictions", "confidence")

    @property
    def rows(self) -> int:
        """How many images the reference holds."""
        return len(self._features)

    @property
    def read(self) -> int:
        """How many predictions the reference holds."""
        return len(self.reference.predicted)

    def describe_rows(self, rows: np.ndarray, read: np.ndarray) -> DescribedWindow:
        """Return some of the reference itself: images `rows`, predictions `read`."""
        known = self.reference
        return DescribedWindow(
            known.statistics[rows],
            known.projected[rows],
            known.predicted[read],
            known.confidence[read],
        )

    def measure(
        self, window: DescribedWindow, rows: np.ndarray, read: np.ndarray
    ) -> dict[str, float]:
        """Return the effect sizes of a window, by `measures`.

        Parameters
        ----------
        rows, read : ndarray of int
            The reference's images and predictions to compare with, in random order; as many
            of the first images as the window has are what the domain classifier is asked to
            tell it from.
        """
        columns = [*window.statistics.T, window.confidence]
        parts = [rows] * window.statistics.shape[1] + [read]
        indices = [
            compare_counts(
                np.bincount(bins[part], minlength=len(edges) + 1),
                np.bincount(
                    np.searchsorted(edges, column, side="right"), minlength=len(edges) + 1
                ),
            )
            for column, edges, bins, part in zip(
                columns, self._edges, self._bins, parts, strict=True
            )
        ]
        classes = [
            np.bincount(part, minlength=self.reference.classes)
            for part in (self.reference.predicted[read], window.predicted)
        ]
        features = self._scale(np.hstack([window.statistics, window.projected]))
        values = (
            *indices[:-1],
            tell_apart(features, self._features[rows[: len(features)]]),
            compare_counts(*classes),
            indices[-1],
        )
        return dict(zip(self.measures, map(float, values), strict=True))

    def attribute(
        self, images: np.ndarray, predicted: np.ndarray, confidence: np.ndarray, measure: str
    ) -> np.ndarray:
        """Return how much each picture of a window counts for a measure, (n,).

        Of an index: the logarithm of how much more often its bin comes in the window than in
        the reference; in one bin, the farther from the usual the more, by no more than tells
        their order. Of the domain classifier: its score, fitted on both.

        Parameters
        ----------
        images : ndarray of shape (n, 28, 28), uint8
        predicted, confidence : ndarray of shape (n,)
            What was read, and its probability.
        measure : str
            One of `measures`.
        """
        known = self.reference
        statistics, projected = describe_images(images, known.components)
        if measure == "domain":
            window = self._scale(np.hstack([statistics, projected]))
            wanted = np.repeat([1.0, 0.0], [len(window), len(self._features)])
            return window @ _fit_ridge(np.vstack([window, self._features]), wanted)
        if measure == "predictions":
            return _compare_bins(known.predicted, predicted, known.classes)
        place = self.measures.index(measure) if measure != "confidence" else -1
        column = [*statistics.T, confidence][place]
        edges = self._edges[place]
        bins = np.searchsorted(edges, column, side="right")
        distance = np.abs(column - np.median(edges))
        farther = distance / max(float(distance.max()), TINY)
        return _compare_bins(self._bins[place], bins, len(edges) + 1) + ORDERING * farther

    def _scale(self, features: np.ndarray) -> np.ndarray:
        """Standardise, and add the squares: a window may differ by how widely it varies."""
        scaled = ((features - self._mean) / self._spread).clip(-FARTHEST, FARTHEST)
        return np.hstack([scaled, scaled**2 - 1])


def compare_counts(known: np.ndarray, found: np.ndarray) -> float:
    """Return the population stability index of two counts over the same bins.

    Half an image is added to every bin, so that an empty one is far and not infinitely far.
    """
    expected, seen = ((counts + 0.5) / (counts + 0.5).sum() for counts in (known, found))
    return float(((seen - expected) * np.log(seen / expected)).sum())


def _compare_bins(known: np.ndarray, found: np.ndarray, bins: int) -> np.ndarray:
    """Return for each of `found` how much more often its bin comes there, logarithm."""
    counts = (np.bincount(part, minlength=bins) + 0.5 for part in (known, found))
    expected, seen = (count / count.sum() for count in counts)
    return np.asarray(np.log(seen / expected)[found])


def tell_apart(window: np.ndarray, others: np.ndarray) -> float:
    """Return how well a linear classifier tells two sets of features (n, d), (m, d) apart.

    Ridge regression by its normal equations: limits are calibrated on thousands of windows,
    and checking its input takes an estimator ten times as long as fitting this little.

    Returns
    -------
    float
        Cross-validated area under the ROC curve: 0.5 by chance (or less, by bad luck), 1
        for certain.
    """
    rows = np.vstack([window, others])
    wanted = np.repeat([1.0, 0.0], [len(window), len(others)])
    scores = np.empty(len(rows))
    # Both sets are in random order: each fold has its share of both.
    folds = np.concatenate([np.arange(len(part)) % FOLDS for part in (window, others)])
    for fold in range(FOLDS):
        held = folds == fold
        weights = _fit_ridge(rows[~held], wanted[~held])
        # Each fold has a model of its own: only ranks within it can be compared.
        scores[held] = _rank(rows[held] @ weights) / held.sum()
    # The area, by the Mann-Whitney statistic.
    ranks = _rank(scores)[: len(window)].sum() - len(window) * (len(window) + 1) / 2
    return float(ranks / (len(window) * len(others)))


def _fit_ridge(rows: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the weights (d,); without the intercept, which changes no rank."""
    centred = rows - rows.mean(axis=0)
    gram = centred.T @ centred
    gram[np.diag_indices_from(gram)] += RIDGE
    return np.asarray(np.linalg.solve(gram, centred.T @ (wanted - wanted.mean())))


def _rank(values: np.ndarray) -> np.ndarray:
    from scipy.stats import rankdata

    return np.asarray(rankdata(values))
