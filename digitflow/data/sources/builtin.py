"""The handwriting that comes with scikit-learn: 1,797 real digits, no network needed."""

import numpy as np

from digitflow.config.data import BuiltinSource
from digitflow.data.sets import Digits, LabelledImages
from digitflow.images.frame import frame_ink
from digitflow.store.lineage import installed_version

# They were scanned at 32x32 and stored as the number of ink pixels in each 4x4 cell.
_CELL_PIXELS = 16


def fingerprint(source: BuiltinSource) -> str:
    """Return what changes when other digits would be read: scikit-learn's version."""
    return f"scikit-learn load_digits {installed_version('scikit-learn')}"


def load(source: BuiltinSource) -> Digits:
    """Return the digits in the MNIST frame; they have no writers and no test of their own.

    Returns
    -------
    Digits
        Training images uint8 (1797, 28, 28), labels uint8.
    """
    from sklearn.datasets import load_digits

    cells, labels = load_digits().images, load_digits().target
    images = np.stack([frame_ink(ink) for ink in _enlarge(cells)])
    return Digits(
        train=LabelledImages(images, labels.astype(np.uint8)),
        test=None,
        origin="1,797 handwritten digits that come with scikit-learn, brought from 8x8 "
        "to the MNIST frame",
    )


def _enlarge(cells: np.ndarray) -> np.ndarray:
    # Padded: these digits fill their 8x8 cells, and the frame reads the ground there.
    ink = np.rint(cells * (255 / _CELL_PIXELS)).astype(np.uint8)
    return np.pad(ink, ((0, 0), (1, 1), (1, 1)))
