"""Recipe `components`: pixels from 0 to 1, projected on their first 60 components.

Not brought to equal variance first, as in `pca`: there, pixels that are hardly ever inked
count as much as those in the middle.
"""

from typing import Any

from sklearn.decomposition import PCA

from digitflow.features.recipes.pixels import FlattenImages

COMPONENTS = 60


def build_steps(seed: int) -> list[tuple[str, Any]]:
    """Return the recipe's steps; this solver is exact, nothing in it is random."""
    return [
        ("pixels", FlattenImages()),
        ("pca", PCA(COMPONENTS, svd_solver="covariance_eigh", random_state=seed)),
    ]
