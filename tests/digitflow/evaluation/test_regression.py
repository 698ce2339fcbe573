"""Figures of a regression against scikit-learn and SciPy; what is no number is refused."""

import json
import math

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import (
    mean_absolute_error,
    median_absolute_error,
    r2_score,
    root_mean_squared_error,
)

from digitflow.errors import InputError
from digitflow.evaluation.regression import (
    RegressionMetrics,
    bound_rmse,
    compare_intervals,
    measure_values,
)


@pytest.fixture
def pair():
    random = np.random.default_rng(0)
    targets = random.normal(200, 100, 400)
    return targets, targets + random.normal(5, 30, 400)


def test_figures_are_those_of_scikit_learn(pair):
    found = measure_values(*pair, unit="USD")
    assert found.rmse == pytest.approx(root_mean_squared_error(*pair))
    assert found.mae == pytest.approx(mean_absolute_error(*pair))
    assert found.median_error == pytest.approx(median_absolute_error(*pair))
    assert found.r2 == pytest.approx(r2_score(*pair))
    assert found.bias == pytest.approx((pair[1] - pair[0]).mean())
    assert (found.n, found.unit) == (400, "USD")


def test_the_interval_is_students_t_of_the_squared_errors(pair):
    squared = (pair[1] - pair[0]) ** 2
    expected = stats.t.interval(0.95, 399, loc=squared.mean(), scale=stats.sem(squared))
    np.testing.assert_allclose(bound_rmse(pair[1] - pair[0]), np.sqrt(expected))
    assert measure_values(*pair).interval == bound_rmse(pair[1] - pair[0])


def test_the_three_intervals_are_close_where_rows_are_many(pair):
    errors = pair[1] - pair[0]
    found, rmse = compare_intervals(errors, seed=0), np.sqrt((errors**2).mean())
    assert found.t == bound_rmse(errors)
    # Student's t has the wider tails.
    assert found.t[0] < found.z[0] < rmse < found.z[1] < found.t[1]
    np.testing.assert_allclose(found.z, found.t, rtol=0.002)
    np.testing.assert_allclose(found.bootstrap, found.t, rtol=0.02)
    assert compare_intervals(errors, seed=0) == found


def test_the_interval_holds_the_true_error_as_often_as_it_says():
    random = np.random.default_rng(1)
    bounds = [bound_rmse(random.normal(0, 10, 200)) for _ in range(1000)]
    held = np.mean([low <= 10 <= high for low, high in bounds])
    assert 0.93 < held < 0.97


def test_a_single_error_is_its_own_interval():
    assert bound_rmse(np.array([-3.0])) == (3.0, 3.0)
    found = measure_values(np.array([1.0]), np.array([4.0]))
    assert (found.rmse, found.mae, found.bias) == (3.0, 3.0, 3.0)
    assert math.isnan(found.r2)


def test_a_perfect_regression_has_no_error():
    targets = np.arange(10.0)
    found = measure_values(targets, targets)
    assert (found.rmse, found.interval, found.r2) == (0.0, (0.0, 0.0), 1.0)


def test_candidates_are_ranked_by_their_error_then_by_the_smaller_mean():
    targets = np.zeros(4)
    close, far = measure_values(targets, np.full(4, 2.0)), measure_values(targets, np.arange(4))
    even = measure_values(targets, np.array([0.0, 0.0, 0.0, 4.0]))
    assert sorted([close, far, even], key=lambda found: found.order) == [far, even, close]
    assert close.main == ("RMSE", 2.0)
    assert even.rmse == close.rmse


def test_the_main_figure_is_written_in_its_unit(pair):
    found = measure_values(1000 * pair[0], 1000 * pair[1], "USD")
    assert found.written == f"{found.rmse:,.0f} USD"
    assert next(iter(found.list_figures())) == "RMSE"
    low, high = found.interval
    assert found.written_interval == f"{low:,.0f} to {high:,.0f}"


def test_metrics_survive_json(pair):
    found = measure_values(*pair, unit="USD")
    text = json.dumps(found.model_dump(mode="json"), allow_nan=False)
    assert RegressionMetrics.model_validate_json(text) == found


@pytest.mark.parametrize(
    ("targets", "values", "word"),
    [
        (np.zeros(3), np.zeros((3, 1)), "predicted values must be at least one number"),
        (np.zeros(0), np.zeros(0), "targets must be at least one number"),
        (np.zeros(3), np.zeros(4), "3 targets need as many values, got 4"),
        (np.zeros(3), np.array([0, math.nan, 0]), "not so in 1 of 3 rows, first in row 1: nan"),
        (np.array([0, 0, math.inf]), np.zeros(3), "targets must be finite"),
        (np.array(["a"]), np.zeros(1), "targets must be at least one number"),
    ],
)
def test_what_is_no_finite_number_is_refused(targets, values, word):
    with pytest.raises(InputError, match=word):
        measure_values(targets, values)
