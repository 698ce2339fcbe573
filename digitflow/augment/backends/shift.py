"""Move images by whole pixels: plain copies at an offset, straight into the output."""

import numpy as np

from digitflow.config.data import Direction, ShiftAugmentation
from digitflow.errors import InputError

# 1.6 MB of 28x28 images: small enough to be in the cache when the next direction is
# copied, and large enough that the C library moves it by vectors whatever the offset
# (below 1 MB it was measured to be ten times slower at odd offsets).
CHUNK_ROWS = 2048

STEPS: dict[Direction, tuple[int, int]] = {
    "up": (-1, 0),
    "down": (1, 0),
    "left": (0, -1),
    "right": (0, 1),
}


def count_copies(settings: ShiftAugmentation) -> int:
    """Return how many images come out for one that goes in; the first is itself."""
    return 1 + len(settings.directions)


def write_copies(
    images: np.ndarray, settings: ShiftAugmentation, seed: int, out: np.ndarray
) -> None:
    """Write the images, then a moved copy of all of them for each direction.

    Parameters
    ----------
    images : ndarray of shape (n, height, width), uint8
        May be memory-mapped; it is read in chunks.
    settings : ShiftAugmentation
        How far and in which directions.
    seed : int
        Not used: nothing about a shift is random.
    out : ndarray of shape (count_copies(settings) * n, height, width), uint8
        Copy k of image i goes to `out[k * n + i]`.

    Raises
    ------
    InputError
        If `out` has another shape or dtype, or shares memory with `images`.
    """
    copies, n = count_copies(settings), len(images)
    _check_output(images, out, (copies * n, *images.shape[1:]))
    steps = [STEPS[direction] for direction in settings.directions]
    shifts = [(0, 0), *((settings.pixels * y, settings.pixels * x) for y, x in steps)]
    parts = out.reshape(copies, *images.shape)
    for start in range(0, n, CHUNK_ROWS):
        rows = slice(start, start + CHUNK_ROWS)
        chunk = np.ascontiguousarray(images[rows])
        for part, (down, right) in zip(parts, shifts, strict=True):
            _shift_chunk(chunk, down, right, part[rows])


def shift_images(images: np.ndarray, rows: int, columns: int, out: np.ndarray) -> None:
    """Write images moved by whole pixels; what moves in is 0, what moves out is lost.

    Parameters
    ----------
    images : ndarray of shape (n, height, width), uint8
    rows, columns : int
        How far: rows > 0 is down, columns > 0 is to the right.
    out : C-contiguous ndarray like `images`
        May be memory-mapped; it must not overlap `images`.

    Raises
    ------
    InputError
        If `out` has another shape or dtype, or shares memory with `images`.
    """
    _check_output(images, out, images.shape)
    for start in range(0, len(images), CHUNK_ROWS):
        chunk = np.ascontiguousarray(images[start : start + CHUNK_ROWS])
        _shift_chunk(chunk, rows, columns, out[start : start + CHUNK_ROWS])


def _shift_chunk(chunk: np.ndarray, rows: int, columns: int, out: np.ndarray) -> None:
    height, width = chunk.shape[1:]
    if abs(rows) >= height or abs(columns) >= width:
        out[...] = 0
        return
    # In C order a move is one offset for all pixels of all images at once. What it
    # carries over the edge, into the next row or image, lands in the border.
    offset = rows * width + columns
    flat_in, flat_out = chunk.reshape(-1), out.reshape(-1)
    if offset >= 0:
        flat_out[offset:] = flat_in[: len(flat_in) - offset]
    else:
        flat_out[:offset] = flat_in[-offset:]
    out[:, _border(rows, height)] = 0
    # One column of all rows of all images in one go: numpy is slow on many short runs.
    for column in range(width)[_border(columns, width)]:
        out.reshape(-1, width)[:, column] = 0


def _border(shift: int, size: int) -> slice:
    """Return the rows or columns that nothing was moved into."""
    return slice(0, shift) if shift >= 0 else slice(size + shift, size)


def _check_output(images: np.ndarray, out: np.ndarray, shape: tuple[int, ...]) -> None:
    if images.dtype != np.uint8 or images.ndim != 3:
        raise InputError(
            f"shifts take uint8 images (n, height, width), got {images.dtype} {images.shape}"
        )
    if out.dtype != np.uint8 or out.shape != shape or not out.flags.c_contiguous:
        raise InputError(
            f"shifts need a C-contiguous uint8 output of shape {shape}, "
            f"got {out.dtype} {out.shape}"
        )
    if np.may_share_memory(images, out):
        raise InputError("shifts can't be written over their own input, give another output")
