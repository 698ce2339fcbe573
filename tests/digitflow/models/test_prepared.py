"""Features for all candidates of a recipe, and the fitted recipe that they are of."""

import numpy as np
import pytest

from digitflow.models.persistence import load_model
from digitflow.models.prepared import prepare_recipe


@pytest.mark.parametrize("recipe", ["pixels", "pca"])
def test_all_three_sets_are_transformed_by_what_the_training_images_fitted(store, recipe):
    images = np.random.default_rng(0).integers(0, 256, (230, 28, 28), dtype=np.uint8)
    parts = [images[:150], images[150:190], images[190:]]
    prepared = prepare_recipe(store, recipe, *map(store.put_array, parts), seed=1, threads=1)
    fitted = load_model(prepared.recipe, store)
    for part, ref in zip(
        parts, (prepared.train, prepared.calibration, prepared.validation), strict=True
    ):
        assert ref.dtype == "float32"
        np.testing.assert_allclose(
            store.open_array(ref), fitted.transform(part), rtol=1e-4, atol=1e-4
        )
