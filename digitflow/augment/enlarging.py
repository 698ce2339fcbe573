"""Bring a coarse scan of a digit up to a smooth drawing that would be scanned alike.

Interpolated and made firm as ink is, a scan loses the small holes of a 6 or a 9. So what
the drawing's cells hold is compared with the scan, and what is missing is added before
the next try: M. Irani and S. Peleg, "Improving resolution by image registration", CVGIP 53
(1991).
"""

import numpy as np

from digitflow.errors import InputError

CELLS = 8
FULL_CELL = 16
CELL_PIXELS = 8
MARGIN = 1
"""Empty cells around the scan, so that a stroke at its edge ends softly too."""

# Between these shares of ink a stroke has its edge.
_INK_FROM, _INK_TO = 0.3, 0.7
# After these, cells are off by .002 on average and by .03 at most.
_PASSES, _STEP = 12, 0.6
# What is asked of a cell may be more than full ink and less than none, within limits.
_LEAST, _MOST = -0.6, 1.6


def enlarge_cells(cells: np.ndarray) -> np.ndarray:
    """Draw a scanned digit large: smooth strokes whose means over the cells are the scan.

    Parameters
    ----------
    cells : ndarray of shape (8, 8)
        Ink from 0 to 16, as `sklearn.datasets.load_digits` gives it.

    Returns
    -------
    ndarray of shape (80, 80), float32
        How much of each pixel is inked, 0 to 1; 8x8 pixels a cell, an empty cell around.

    Raises
    ------
    InputError
        If the cells are not 8x8.
    """
    if cells.shape != (CELLS, CELLS):
        raise InputError(f"a digit has {CELLS}x{CELLS} cells, got an array {cells.shape}")
    wanted = np.pad(cells.astype(np.float32) / FULL_CELL, MARGIN)
    asked = wanted
    for _ in range(_PASSES):
        missing = wanted - measure_cells(_draw(asked))
        asked = np.clip(asked + _STEP * missing, _LEAST, _MOST)
    return _draw(asked)


def measure_cells(drawing: np.ndarray) -> np.ndarray:
    """Return the mean of each cell of a drawing (80, 80), as (10, 10)."""
    side = len(drawing) // CELL_PIXELS
    blocks = drawing.reshape(side, CELL_PIXELS, side, CELL_PIXELS)
    return np.asarray(blocks.mean(axis=(1, 3)))


def _draw(asked: np.ndarray) -> np.ndarray:
    import cv2

    side = len(asked) * CELL_PIXELS
    smooth = cv2.resize(asked, (side, side), interpolation=cv2.INTER_CUBIC)
    share = np.clip((smooth - _INK_FROM) / (_INK_TO - _INK_FROM), 0, 1)
    return np.asarray(share * share * (3 - 2 * share))
