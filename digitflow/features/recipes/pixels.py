"""Recipe `pixels`: the pixels themselves, 784 numbers from 0 to 1."""

from typing import Any

import numpy as np

from digitflow.features.images import FixedTransformer, check_images


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
