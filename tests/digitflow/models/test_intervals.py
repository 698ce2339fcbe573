"""Intervals hold as many of new true values as they promise, and are as narrow as they can."""

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.pipeline import Pipeline

from digitflow.errors import InputError
from digitflow.models.bundle import PredictionIntervals
from digitflow.models.fitting import FittedModel, PreparedFeatures
from digitflow.models.intervals import bound_values, choose_intervals, choose_on_held_out
from digitflow.models.persistence import dump_model


def draw(n, seed, spread):
    """Values from 50 to 500, and true ones that are off by `spread(values)`."""
    random = np.random.default_rng(seed)
    values = random.uniform(50, 500, n)
    return values + random.standard_t(4, n) * spread(values), values


def even(values):
    return 20.0


def growing(values):
    return 0.2 * values


@pytest.mark.parametrize("spread", [even, growing])
@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
def test_new_rows_are_within_as_often_as_promised(spread, coverage):
    held = []
    for seed in range(200):
        chosen = choose_intervals(*draw(400, seed, spread), coverage)
        targets, values = draw(400, seed + 1000, spread)
        low, high = bound_values(values, chosen)
        held.append(((low <= targets) & (targets <= high)).mean())
    # The mean of 200 is good to a fifth of a point; choosing between two scales costs a little.
    assert np.mean(held) == pytest.approx(coverage, abs=0.008)


def test_the_scale_with_the_narrower_intervals_is_chosen():
    assert choose_intervals(*draw(500, 0, even), 0.9).scale == "absolute"
    assert choose_intervals(*draw(500, 0, growing), 0.9).scale == "relative"


def test_an_interval_is_a_quantile_of_the_errors_seen():
    targets, values = np.array([1.0, 2.0, 4.0, 8.0, 16.0, 3.0, 5.0, 6.0, 7.0]), np.zeros(9)
    chosen = choose_intervals(targets, values, 0.8)
    # ceil(10 * 0.8) = 8: the eighth smallest of nine.
    assert (chosen.scale, chosen.factor, chosen.n) == ("absolute", 8.0, 9)
    assert chosen.mean_width == 16.0
    low, high = bound_values(np.array([100.0]), chosen)
    assert (low[0], high[0]) == (92.0, 108.0)


def test_a_relative_interval_is_a_share_of_the_value_whatever_its_sign():
    relative = PredictionIntervals(
        coverage=0.9, scale="relative", factor=0.1, mean_width=1.0, n=10
    )
    low, high = bound_values(np.array([100.0, -100.0]), relative)
    np.testing.assert_allclose(low, [90, -110])
    np.testing.assert_allclose(high, [110, -90])


@pytest.mark.parametrize(("coverage", "enough"), [(0.9, 9), (0.95, 19), (0.8, 4)])
def test_too_few_rows_to_promise_a_share_are_refused(coverage, enough):
    targets, values = draw(enough, 0, even)
    assert choose_intervals(targets, values, coverage).n == enough
    with pytest.raises(InputError, match=f"{enough - 1} rows are too few .* takes {enough}"):
        choose_intervals(targets[1:], values[1:], coverage)


@pytest.fixture
def made(store):
    """A fitted regression, its features, and targets and predictions of 200 other rows."""
    targets, values = draw(400, 0, even)
    rows = values[:, np.newaxis].astype(np.float32)
    model = IsotonicRegression(out_of_bounds="clip").fit(rows[:200], targets[:200])
    pipeline = dump_model(Pipeline([("estimator", model)]), store)
    train, held = store.put_array(rows[:200]), store.put_array(rows[200:])
    prepared = PreparedFeatures(
        recipe=pipeline, train=train, calibration=held, validation=train
    )
    fitted = FittedModel(model=pipeline, fit_seconds=1.0, processor_seconds=1.0)
    return fitted, prepared, targets[200:], model.predict(rows[200:])


def test_without_a_refit_they_are_chosen_on_the_calibration_rows(store, made):
    fitted, prepared, targets, values = made
    chosen = choose_on_held_out(store, fitted, prepared, store.put_array(targets), 0.9)
    assert chosen == choose_intervals(targets, values, 0.9)


def test_after_a_refit_they_are_chosen_by_what_was_predicted_out_of_fold(store, made):
    fitted, prepared, targets, _ = made
    held_out = draw(100, 0, even)
    refitted = fitted.model_copy(
        update={"held_out": tuple(store.put_array(part) for part in held_out)}
    )
    chosen = choose_on_held_out(store, refitted, prepared, store.put_array(targets), 0.9)
    assert chosen == choose_intervals(*held_out, 0.9)
