"""Recipe `pixels`: the pixels themselves, 784 numbers from 0 to 1; and what all recipes need.

Every recipe takes uint8 images in the MNIST frame.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from digitflow.errors import InputError
from digitflow.images.frame import SIDE


class FixedTransformer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Base of the transformers that learn nothing; scikit-learn knows by their tag."""

    def fit(self, images: Any, labels: Any = None) -> "FixedTransformer":
        """Return the transformer as it is."""
        return self

    def __sklearn_tags__(self) -> Any:
        """Return the tags, with the one that says that no fit is needed."""
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags


def check_images(images: Any) -> np.ndarray:
    """Return `images` as a plain array, if they are uint8 of shape (n, 28, 28).

    Raises
    ------
    InputError
        If they are not.
    """
    array = np.asarray(images)
    if array.dtype != np.uint8 or array.shape[1:] != (SIDE, SIDE):
        raise InputError(
            f"recipes take uint8 images (n, {SIDE}, {SIDE}), got {array.dtype} {array.shape}"
        )
    return array


def transform_batches(
    function: Callable[[np.ndarray], np.ndarray],
    rows: np.ndarray,
    shape: tuple[int, ...],
    batch: int,
) -> np.ndarray:
    """Apply a function to some rows at a time, so that what it holds stays in the cache.

    Parameters
    ----------
    function : callable
        From k rows to an array of shape (k, *shape).
    rows : ndarray of shape (n, ...)
    shape : tuple of int
        Shape of what becomes of one row.
    batch : int
        Rows at a time.

    Returns
    -------
    ndarray of shape (n, *shape), float32
    """
    out = np.empty((len(rows), *shape), np.float32)
    for start in range(0, len(rows), batch):
        out[start : start + batch] = function(rows[start : start + batch])
    return out


class FlattenImages(FixedTransformer):
    """Turn uint8 images (n, 28, 28) into float32 rows (n, 784) from 0 to 1."""

    def transform(self, images: Any) -> np.ndarray:
        """Return the pixels over 255, row after row of an image."""
        array = check_images(images)
        return array.reshape(len(array), -1) * np.float32(1 / 255)


class RawPixels(FixedTransformer):
    """Turn uint8 images (n, 28, 28) into rows (n, 784) of the same values, 0 to 255."""

    def transform(self, images: Any) -> np.ndarray:
        """Return the pixels as they are, row after row of an image."""
        array = check_images(images)
        return array.reshape(len(array), -1)


def build_steps(seed: int) -> list[tuple[str, Any]]:
    """Return the recipe's one step; nothing in it is random."""
    return [("pixels", FlattenImages())]
