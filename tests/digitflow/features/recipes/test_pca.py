"""PCA in chunks against scikit-learn's, by singular values of the full array."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from digitflow.features.preparing import fit_recipe
from digitflow.store.artifacts import Store


def test_the_projection_is_that_of_a_full_decomposition(digit_images, tmp_path):
    store = Store(tmp_path)
    pipeline, ref = fit_recipe("pca", digit_images, 0, store, threads=2)
    pixels = digit_images.reshape(len(digit_images), -1) / 255
    scaled = StandardScaler().fit_transform(pixels)
    oracle = PCA(0.95, svd_solver="full").fit(scaled)
    found = store.open_array(ref)
    assert found.shape == (len(digit_images), oracle.n_components_)
    # A component's own sign and those of equal variance are free; distances are not.
    expected = oracle.transform(scaled)
    np.testing.assert_allclose(_distances(found), _distances(expected), rtol=1e-3, atol=1e-2)
    kept = pipeline.named_steps["pca"].explained_variance_ratio_
    assert kept.sum() >= 0.95 > kept[:-1].sum()
    np.testing.assert_allclose(kept, oracle.explained_variance_ratio_, rtol=1e-3)


def test_pixels_without_any_variance_do_no_harm(tmp_path):
    rng = np.random.default_rng(0)
    images = np.zeros((60, 28, 28), np.uint8)
    images[:, 10:14, 10:14] = rng.integers(0, 256, (60, 4, 4))
    _, ref = fit_recipe("pca", images, 0, Store(tmp_path), threads=1)
    found = Store(tmp_path).open_array(ref)
    assert np.isfinite(found).all()
    assert found.var(axis=0, ddof=1).sum() == pytest.approx(0.95 * 16, rel=0.06)


def _distances(rows: np.ndarray) -> np.ndarray:
    return np.linalg.norm(rows[:100, None] - rows[None, 100:200], axis=2)
