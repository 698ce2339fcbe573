"""Which ink decided, and which learnt images are like it to the model."""

import numpy as np
import pytest

from digitflow.predict.explaining import LearntImages, map_occlusion
from digitflow.predict.predictor import Predictor


@pytest.fixture
def predictor(store):
    return Predictor.load(store)


class Counting:
    """A model to which only the ink in the upper left corner speaks for a 3."""

    def predict_frames(self, frames):
        corner = (frames[:, :8, :8] > 0).mean(axis=(1, 2))
        probabilities = np.full((len(frames), 10), 0.01)
        probabilities[:, 3] = 0.05 + 0.8 * corner
        return probabilities, np.zeros(len(frames))


def test_the_ink_that_decides_is_found_and_no_other():
    frame = np.zeros((28, 28), np.uint8)
    frame[2:8, 2:8] = frame[18:24, 18:24] = 255
    falls = map_occlusion(Counting(), frame, 3)
    assert (falls[2:8, 2:8] > 0).all()
    assert not falls[9:].any()


def test_without_ink_nothing_decides(predictor):
    assert not map_occlusion(predictor, np.zeros((28, 28), np.uint8), 0).any()


def test_a_learnt_image_is_the_nearest_to_itself(predictor, digits):
    learnt = LearntImages.compute(predictor, digits.images[:300], digits.labels[:300])
    images, labels = learnt.find_nearest(predictor, digits.images[7], 4)
    np.testing.assert_array_equal(images[0], digits.images[7])
    assert labels[0] == digits.labels[7]
    assert (labels == digits.labels[7]).mean() >= 0.5
    assert images.shape == (4, 28, 28)
