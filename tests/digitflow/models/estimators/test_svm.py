"""The RBF kernel against scikit-learn's."""

import numpy as np
import pytest
from sklearn.metrics.pairwise import rbf_kernel

from digitflow.models.estimators.svm import choose_gamma, compute_kernel


@pytest.fixture
def rows():
    return np.random.default_rng(0).normal(3, 2, (200, 12))


def test_the_kernel_is_that_of_scikit_learn(rows):
    found = compute_kernel(rows, rows[:30], 0.02)
    np.testing.assert_allclose(found, rbf_kernel(rows, rows[:30], 0.02), rtol=1e-10)


def test_the_kernel_of_a_point_with_itself_is_never_over_1(rows):
    far = rows * 1e4
    kernel = compute_kernel(far, far, 1e-3)
    assert kernel.max() <= 1
    np.testing.assert_allclose(np.diag(kernel), 1, atol=1e-3)


def test_scale_is_a_factor_over_the_total_variance(rows):
    assert choose_gamma(rows, "scale", 1.5) == pytest.approx(1.5 / rows.var(axis=0).sum())


def test_scale_does_not_depend_on_the_unit(rows):
    kernels = [
        compute_kernel(unit * rows, unit * rows, choose_gamma(unit * rows, "scale", 1.0))
        for unit in (1, 255)
    ]
    np.testing.assert_allclose(*kernels, rtol=1e-9)


def test_a_number_is_taken_as_it_is(rows):
    assert choose_gamma(rows, 0.25, 1.5) == 0.25


def test_rows_without_variance_have_a_gamma_too():
    assert choose_gamma(np.ones((5, 3), np.float32), "scale", 1.5) == 1.5


@pytest.mark.parametrize("gamma", ["auto", 0, -1.0])
def test_another_gamma_is_refused(rows, gamma):
    with pytest.raises(ValueError, match=f"got {gamma!r}"):
        choose_gamma(rows, gamma, 1.0)
