"""Pictures of any kind and size as rows of images in the MNIST frame; none is left out."""

import logging
from collections.abc import Callable

import numpy as np

from digitflow.errors import InputError, list_some
from digitflow.images.frame import SIDE, to_mnist_frame

logger = logging.getLogger(__name__)

_PROGRESS_STEP = 5_000


def frame_rows(
    count: int, read: Callable[[int], np.ndarray], name: Callable[[int], str], where: str
) -> np.ndarray:
    """Bring pictures to the MNIST frame, in their order.

    Parameters
    ----------
    count : int
        How many there are.
    read : callable
        From a picture's number to its gray pixels, (height, width) uint8; `InputError` where
        it can't be read.
    name : callable
        From a picture's number to what the log calls it.
    where : str
        What the log calls all of them: the folder or the file.

    Returns
    -------
    ndarray of shape (count, 28, 28)
        uint8, 0 where a picture shows no ink; float32 if some can't be read: their pixels are
        NaN and the others are as they would be.
    """
    images = np.zeros((count, SIDE, SIDE), dtype=np.uint8)
    unreadable = []
    for row in range(count):
        if row and row % _PROGRESS_STEP == 0:
            logger.info("read %d of %d pictures in %s", row, count, where)
        try:
            picture = read(row)
        except InputError:
            unreadable.append(row)
            continue
        images[row] = _frame_or_blank(picture)
    if not unreadable:
        return images
    named = list_some([name(row) for row in unreadable])
    logger.warning("%d pictures can't be read: %s", len(unreadable), named)
    marked = images.astype(np.float32)
    marked[unreadable] = np.nan
    return marked


def _frame_or_blank(picture: np.ndarray) -> np.ndarray:
    try:
        return to_mnist_frame(picture)
    except InputError:
        return np.zeros((SIDE, SIDE), dtype=np.uint8)
