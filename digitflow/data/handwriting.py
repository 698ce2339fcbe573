"""The 1,797 real digits that come with scikit-learn, brought to the MNIST frame."""

import numpy as np

from digitflow.images.frame import frame_ink

# They were scanned at 32x32 and stored as the number of ink pixels in each 4x4 cell.
_CELL_PIXELS = 16


def read_handwriting(count: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return images uint8 (n, 28, 28) and labels uint8 (n,): all, or the first few."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    cells, labels = bunch.images[:count], bunch.target[:count]
    images = np.stack([frame_ink(ink) for ink in _enlarge(cells)])
    return images, labels.astype(np.uint8)


def _enlarge(cells: np.ndarray) -> np.ndarray:
    # Padded: these digits fill their 8x8 cells, and the frame reads the ground there.
    ink = np.rint(cells * (255 / _CELL_PIXELS)).astype(np.uint8)
    return np.pad(ink, ((0, 0), (1, 1), (1, 1)))
