"""Numbers that describe the ink of an image in the MNIST frame: how much, where, how wide."""

import numpy as np

from digitflow.images.frame import SIDE

STATISTICS = ("ink", "centre_x", "centre_y", "stroke_width", "slant", "size")
"""Share of full ink; column and row of the centre of the ink (pixels, 0 to 27); width of a
stroke (pixels); columns that it leans a row; root mean square distance of the ink from its
centre (pixels)."""
CHUNK_ROWS = 2048
# 45 degrees; nobody writes more aslant, but a flat dash may seem to.
MAX_SLANT = 1.0
# Square pixels of spread over rows below which a slant would be noise.
MIN_SPREAD = 0.01


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


def measure_slants(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return columns of slant a row (mu11 / mu02, from -1 to 1) and the row of the centre.

    Parameters
    ----------
    images : ndarray of shape (n, 28, 28), uint8

    Returns
    -------
    slants, centres : ndarrays of shape (n,), float64
        Both 0 for a blank image.
    """
    place = np.arange(SIDE, dtype=np.float32)
    powers = np.stack([np.ones_like(place), place], axis=1)
    # Sums over a row are whole numbers below 2**24: exact in float32.
    sums = (images.reshape(-1, SIDE).astype(np.float32) @ powers).astype(np.float64)
    mass, moment = sums.reshape(-1, SIDE, 2).transpose(2, 0, 1)
    rows = place.astype(np.float64)
    total = np.maximum(mass.sum(axis=1), 1)
    row, column = mass @ rows / total, moment.sum(axis=1) / total
    spread = mass @ rows**2 / total - row**2
    together = moment @ rows / total - row * column
    slants = np.where(spread > MIN_SPREAD, together / np.maximum(spread, MIN_SPREAD), 0)
    return np.clip(slants, -MAX_SLANT, MAX_SLANT), row
