"""Recipe `scaled`: every pixel brought to mean 0 and variance 1 over the training images.

A pixel that never changes in training is only centred.
"""

from typing import Any

from sklearn.preprocessing import StandardScaler

from digitflow.features.recipes.pixels import FlattenImages


def build_steps(seed: int) -> list[tuple[str, Any]]:
    """Return the recipe's steps; nothing in them is random."""
    return [("pixels", FlattenImages()), ("scale", StandardScaler())]
