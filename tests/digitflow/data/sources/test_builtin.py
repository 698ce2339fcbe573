import numpy as np
import pytest
from scipy import ndimage
from sklearn.datasets import load_digits

from digitflow.config.data import BuiltinSource, ValidationRules
from digitflow.data.sources.builtin import fingerprint, load
from digitflow.data.validation import check_digits
from digitflow.images.frame import is_framed


@pytest.fixture(scope="module")
def digits():
    return load(BuiltinSource())


def test_all_1797_digits_come_in_the_mnist_frame(digits):
    assert digits.train.images.shape == (1797, 28, 28)
    assert digits.train.images.dtype == np.uint8
    assert all(is_framed(image) for image in digits.train.images)
    np.testing.assert_array_equal(digits.train.labels, load_digits().target)
    assert digits.test is None
    assert digits.train.writers is None
    assert "scikit-learn" in digits.origin


def enlarge_with_scipy(cells):
    rows = np.flatnonzero((cells > 3.2).any(axis=1))
    columns = np.flatnonzero((cells > 3.2).any(axis=0))
    scale = 20 / max(np.ptp(rows) + 1, np.ptp(columns) + 1)
    large = ndimage.zoom(np.pad(cells, 3), scale, order=3, grid_mode=True, mode="grid-constant")
    centre = ndimage.center_of_mass(large.clip(0))
    return ndimage.shift(large, 14 - np.array(centre), order=1)[:28, :28]


def test_images_are_the_8x8_cells_as_scipy_would_enlarge_and_centre_them(digits):
    agreement = [
        np.corrcoef(image.ravel(), enlarge_with_scipy(cells).ravel())[0, 1]
        for image, cells in zip(digits.train.images, load_digits().images, strict=True)
    ]
    assert np.median(agreement) > 0.95
    assert min(agreement) > 0.85


def test_they_pass_validation_without_a_problem(digits):
    assert check_digits(digits, ValidationRules()).problems == ()


def test_the_fingerprint_names_the_library_and_stays_the_same():
    assert fingerprint(BuiltinSource()) == fingerprint(BuiltinSource())
    assert "scikit-learn" in fingerprint(BuiltinSource())
