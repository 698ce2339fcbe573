"""Real handwriting to compute features of: scikit-learn's digits, enlarged."""

import cv2
import numpy as np
import pytest
from sklearn.datasets import load_digits


@pytest.fixture(scope="session")
def digit_images() -> np.ndarray:
    """Return 1,797 digits as uint8 (n, 28, 28), 20x20 pixels in the middle."""
    small = (load_digits().images * 15.9375).astype(np.uint8)
    images = np.zeros((len(small), 28, 28), np.uint8)
    for image, digit in zip(images, small, strict=True):
        image[4:24, 4:24] = cv2.resize(digit, (20, 20), interpolation=cv2.INTER_LINEAR)
    images.flags.writeable = False
    return images


@pytest.fixture(scope="session")
def digit_labels() -> np.ndarray:
    """Return the labels of `digit_images`."""
    return load_digits().target
