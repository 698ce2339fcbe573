"""What an image of a digit is like, in a few numbers with units."""

import numpy as np

from digitflow.features.recipes.strokes import measure_slants
from digitflow.images.frame import SIDE

STATISTICS = ("ink", "centre_x", "centre_y", "stroke_width", "slant", "size")
"""Share of full ink; column and row of the centre of the ink (pixels, 0 to 27); width of a
stroke (pixels); columns that it leans a row; root mean square distance of the ink from its
centre (pixels)."""
CHUNK_ROWS = 2048


def measure_images(images: np.ndarray) -> np.ndarray:
    """Measure each image; see `STATISTICS`.

    Parameters
    ----------
    images : ndarray of shape (n, 28, 28), uint8
        Bright ink on 0; may be memory-mapped.

    Returns
    -------
    ndarray of shape (n, 6), float32
        All 0 for a blank image.
    """
    found = np.empty((len(images), len(STATISTICS)), np.float32)
    for start in range(0, len(images), CHUNK_ROWS):
        part = slice(start, start + CHUNK_ROWS)
        found[part] = _measure_chunk(np.ascontiguousarray(images[part]))
    return found


def _measure_chunk(images: np.ndarray) -> np.ndarray:
    ink = images.astype(np.float32) / 255
    place = np.arange(SIDE, dtype=np.float32)
    mass = ink.sum(axis=(1, 2))
    least = np.maximum(mass, 1 / 255)
    columns, rows = ink.sum(axis=1), ink.sum(axis=2)
    x, y = columns @ place / least, rows @ place / least
    spread = (columns + rows) @ place**2 / least - x**2 - y**2
    slants, _ = measure_slants(images)
    return np.column_stack(
        [
            mass / SIDE**2,
            x,
            y,
            2 * mass / np.maximum(_measure_edges(ink), 1 / 255),
            slants,
            np.sqrt(np.maximum(spread, 0)),
        ]
    )


def _measure_edges(ink: np.ndarray) -> np.ndarray:
    """Return the length of the edges of the ink, in pixels: twice that of a stroke."""
    padded = np.pad(ink, ((0, 0), (1, 1), (1, 1)))
    across = padded[:, 1:, 1:] - padded[:, 1:, :-1]
    down = padded[:, 1:, 1:] - padded[:, :-1, 1:]
    return np.asarray(np.hypot(across, down).sum(axis=(1, 2)))
