"""Experiments on few images that a test makes up."""

import numpy as np
import pytest

from digitflow.data.sets import LabelledImages, store_set
from digitflow.studies.plan import ExperimentContext, StudyData


@pytest.fixture
def make_context(store):
    """Make a context of images of noise, brighter for larger digits; labels repeat 0 to 9."""

    def make(train=60, test=30, given=None, seed=42, **known):
        generator = np.random.default_rng(7)

        def draw(rows):
            labels = (np.arange(rows) % 10).astype(np.uint8)
            noise = generator.integers(0, 100, (rows, 28, 28))
            images = (noise + 15 * labels[:, None, None]).astype(np.uint8)
            images[:, :2] = 0
            return LabelledImages(images, labels, **known)

        data = StudyData(train=store_set(store, draw(train)), test=store_set(store, draw(test)))
        return ExperimentContext(store, data, seed, 1, given or {})

    return make
