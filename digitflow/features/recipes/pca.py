"""Recipe `pca`: scaled pixels, projected on what holds 95 % of their variance."""

from typing import Any

from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from digitflow.features.recipes.pixels import FlattenImages

VARIANCE_KEPT = 0.95


def build_steps(seed: int) -> list[tuple[str, Any]]:
    """Return the recipe's steps; this solver is exact, nothing in it is random."""
    return [
        ("pixels", FlattenImages()),
        ("scale", StandardScaler()),
        # By the covariance: no centred copy of all images is made.
        ("pca", PCA(VARIANCE_KEPT, svd_solver="covariance_eigh", random_state=seed)),
    ]
