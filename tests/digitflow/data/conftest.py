"""Real digits, and what adopts them."""

import numpy as np
import pytest

from digitflow.config.data import ArraysSource
from digitflow.data.conventions import adopt_conventions
from digitflow.data.sets import LabelledImages


@pytest.fixture
def few(handwriting):
    """Three hundred real digits."""
    return LabelledImages(handwriting.images[:300], handwriting.labels[:300])


@pytest.fixture
def adopt():
    """Bring images and labels to our conventions."""

    def adopt(images, targets, **said):
        source = ArraysSource(file="digits.npz").model_copy(update=said)
        return adopt_conventions("train", LabelledImages(images, np.asarray(targets)), source)

    return adopt
