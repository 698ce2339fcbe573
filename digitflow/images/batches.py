"""Pictures of one digit each, brought into the MNIST frame batch by batch."""

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np

from digitflow.images.frame import SIDE, find_framed, to_mnist_frame


def iterate_frames(pictures: Iterable[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """Yield pictures in the MNIST frame, at most `size` at once; see `to_mnist_frame`.

    Parameters
    ----------
    pictures : iterable of ndarray of shape (height, width), or ndarray (n, 28, 28), uint8
        An array may be memory-mapped; what is in the frame already is copied as a whole.
    size : int
        Pictures in a batch.

    Yields
    ------
    ndarray of shape (n, 28, 28), uint8

    Raises
    ------
    InputError
        If a picture is blank, or no gray uint8.
    """
    if isinstance(pictures, np.ndarray) and _are_images(pictures):
        for start in range(0, len(pictures), size):
            yield _frame_images(np.array(pictures[start : start + size]))
        return
    pending = iter(pictures)
    while batch := list(islice(pending, size)):
        yield np.stack([to_mnist_frame(picture) for picture in batch])


def _are_images(pictures: np.ndarray) -> bool:
    return pictures.shape[1:] == (SIDE, SIDE) and pictures.dtype == np.uint8


def _frame_images(images: np.ndarray) -> np.ndarray:
    """Frame in place those of 28x28 that are not in the frame yet; they are few."""
    for row in np.flatnonzero(~find_framed(images)):
        images[row] = to_mnist_frame(images[row])
    return images
