"""Scaled pixels against the definition, on the full array."""

import numpy as np

from digitflow.features.preparing import fit_recipe
from digitflow.store.artifacts import Store


def test_pixels_have_mean_0_and_variance_1_over_what_was_fitted(digit_images, tmp_path):
    store = Store(tmp_path)
    _, ref = fit_recipe("scaled", digit_images, 0, store, threads=1)
    pixels = digit_images.reshape(len(digit_images), -1) / 255
    deviation = pixels.std(axis=0)
    expected = (pixels - pixels.mean(axis=0)) / np.where(deviation > 0, deviation, 1)
    found = store.open_array(ref)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_pixels_that_never_change_are_only_centred(digit_images, tmp_path):
    images = digit_images.copy()
    images[:, 0, 0], images[:, 0, 1], images[:, 0, 2] = 0, 255, 37
    pipeline, ref = fit_recipe("scaled", images, 0, Store(tmp_path), threads=1)
    np.testing.assert_allclose(Store(tmp_path).open_array(ref)[:, :3], 0, atol=1e-6)
    unseen = np.zeros((1, 28, 28), np.uint8)
    unseen[0, 0, 0] = 255
    np.testing.assert_allclose(pipeline.transform(unseen)[0, :3], [1, -1, -37 / 255], atol=1e-6)
