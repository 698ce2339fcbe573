"""Measures by hand, on references of a few rows."""

import numpy as np
import pytest

from digitflow.monitoring.measures import (
    BINS,
    DescribedWindow,
    DriftMeter,
    _Bins,
    _compare_bins,
    compare_counts,
    tell_apart,
)
from digitflow.monitoring.reference import OpenReference


def test_a_number_goes_to_its_tenth_and_an_edge_to_the_tenth_above_it():
    bins = _Bins(np.arange(101.0), 0)
    assert bins.edges == pytest.approx(np.arange(10, 100, 10))
    assert bins.count == BINS + 1 == 11
    values = np.array([-5.0, 9.9, 10.0, 49.0, 89.9, 90.0, 1e9, np.nan])
    assert bins.place(values).tolist() == [0, 0, 1, 4, 8, 9, 9, 10]
    assert np.bincount(bins.known, minlength=11) == pytest.approx([10] * 9 + [11, 0], abs=1)


def test_a_category_is_its_own_bin_and_what_is_missing_the_last():
    bins = _Bins(np.array([0.0, 2.0, np.nan]), 3)
    assert bins.count == 4
    assert bins.known.tolist() == [0, 2, 3]
    assert bins.place(np.array([1.0, np.nan])).tolist() == [1, 3]
    assert bins.measure_distance(np.array([0.0, 2.0])).tolist() == [0, 0]


def test_a_column_without_numbers_has_one_bin_and_one_for_what_is_missing():
    bins = _Bins(np.full(5, np.nan), 0)
    assert bins.count == 2
    assert bins.known.tolist() == [1] * 5
    assert bins.place(np.array([7.0])).tolist() == [0]
    same = _Bins(np.full(5, 3.0), 0)
    assert same.count == 3
    assert same.place(np.array([2.0, 3.0, 4.0])).tolist() == [0, 1, 1]


def test_the_farthest_from_the_middle_edge_is_one_away_on_either_side():
    bins = _Bins(np.arange(101.0), 0)
    found = bins.measure_distance(np.array([50.0, 40.0, 60.0, 70.0, np.nan]))
    assert found.tolist() == [0, 0.5, 0.5, 1, 0]
    assert bins.measure_distance(np.full(3, 50.0)).tolist() == [0, 0, 0]


def test_an_index_counts_half_a_sample_more_in_each_bin_that_either_has():
    seen, expected = np.array([5.5, 5.5]) / 11, np.array([10.5, 0.5]) / 11
    by_hand = ((seen - expected) * np.log(seen / expected)).sum()
    assert compare_counts(np.array([10, 0]), np.array([5, 5])) == pytest.approx(by_hand)
    # A bin that is empty in both changes nothing.
    assert compare_counts(np.array([10, 0, 0]), np.array([5, 0, 5])) == pytest.approx(by_hand)
    # Far is far in either direction.
    assert compare_counts(np.array([5, 5]), np.array([10, 0])) == pytest.approx(by_hand)


def test_a_bin_counts_by_how_much_more_often_it_comes():
    known, found = np.array([0, 0, 0, 1]), np.array([1, 1, 0])
    logs = np.log(np.array([1.5 / 4, 2.5 / 4]) / np.array([3.5 / 5, 1.5 / 5]))
    assert _compare_bins(known, found, 2) == pytest.approx(logs[[1, 1, 0]])
    assert logs[0] < 0 < logs[1]


def test_sets_of_two_sizes_are_told_apart_by_the_share_of_pairs_in_order():
    window = np.arange(10.0)[:, None] + 100
    others = np.arange(25.0)[:, None]
    assert tell_apart(window, others) == 1
    assert tell_apart(others, window) == 1
    assert tell_apart(np.zeros((10, 1)), np.zeros((25, 1))) == pytest.approx(0.5)


STATISTICS = np.array([[float(n), n % 2] for n in range(100)])
STATISTICS[0, 0] = np.nan


@pytest.fixture
def known():
    """A hundred rows of a number and of a category, and fifty predictions of two classes."""
    return OpenReference(
        columns=("number", "kind"),
        categories=((), ("a", "b")),
        classes=2,
        statistics=STATISTICS.astype(np.float32),
        predicted=np.arange(50) % 2.0,
        confidence=np.linspace(0.5, 0.99, 50).astype(np.float32),
    )


def test_measures_are_named_in_their_order_and_the_reference_counted(known):
    meter = DriftMeter(known)
    assert meter.measures == ("psi.number", "psi.kind", "domain", "predictions", "confidence")
    assert (meter.rows, meter.read) == (100, 50)


def test_features_are_standardised_and_squared_within_five_deviations(known):
    meter = DriftMeter(known)
    numbers = STATISTICS[1:, 0]
    mean, spread = numbers.mean(), numbers.std()
    asked = np.array([[mean, 1, 0], [mean - spread, 0, 1], [1e9, 0, 1], [np.nan, 1, 0]])
    scaled = meter._scale(asked.astype(np.float32))
    # Both categories are as frequent: one deviation from their mean.
    assert scaled[:, :3] == pytest.approx(
        np.array([[0, 1, -1], [-1, -1, 1], [5, -1, 1], [0, 1, -1]]), abs=1e-5
    )
    assert scaled[:, 3:] == pytest.approx(scaled[:, :3] ** 2 - 1)
    low = meter._scale(np.array([[-1e9, 1, 0]], np.float32))
    assert low[0, 0] == -5


def test_a_column_that_never_changes_is_only_centred():
    flat = np.column_stack([np.full(20, 7.0), np.full(20, np.nan)]).astype(np.float32)
    still = OpenReference(
        columns=("x", "y"),
        categories=((), ()),
        classes=0,
        statistics=flat,
        predicted=np.arange(20.0),
    )
    meter = DriftMeter(still)
    scaled = meter._scale(np.array([[8.0, 3.0]], np.float32))
    assert scaled.tolist() == [[1, 3, 0, 8]]
    assert meter.measures == ("psi.x", "psi.y", "domain", "predictions")


def test_a_window_is_measured_against_the_rows_that_are_said(known):
    meter = DriftMeter(known)
    rows, read = np.arange(0, 100, 2), np.arange(0, 50, 2)
    window = meter.describe_rows(np.arange(1, 41), np.arange(1, 21))
    np.testing.assert_array_equal(window.statistics, known.statistics[1:41])
    np.testing.assert_array_equal(window.predicted, known.predicted[1:21])
    np.testing.assert_array_equal(window.confidence, known.confidence[1:21])
    found = meter.measure(window, rows, read)
    assert tuple(found) == meter.measures
    # All of the rows asked about are of the first kind, and so are half of the window.
    assert found["psi.kind"] == pytest.approx(
        compare_counts(np.array([50, 0]), np.array([20, 20]))
    )
    assert found["predictions"] == pytest.approx(
        compare_counts(np.array([25, 0]), np.array([10, 10]))
    )
    numbers = STATISTICS[1:, 0]
    edges = np.quantile(numbers, np.arange(1, 10) / 10)
    count = [
        np.bincount(np.where(np.isnan(v), 10, np.searchsorted(edges, v, "right")), minlength=11)
        for v in (STATISTICS[rows, 0], STATISTICS[1:41, 0])
    ]
    assert found["psi.number"] == pytest.approx(compare_counts(*count))
    scaled = meter._scale(known.features)
    apart = tell_apart(scaled[1:41], scaled[rows[:40]])
    assert found["domain"] == pytest.approx(apart)


def test_what_was_predicted_counts_by_its_column_and_in_a_bin_by_its_distance(known):
    meter = DriftMeter(known)
    records = np.array(
        [(95.0, "a"), (99.0, "a"), (50.0, "b")], [("number", "f4"), ("kind", "U1")]
    )
    said, sure = np.array([1.0, 1.0, 0.0]), np.array([0.6, 0.6, 0.9], np.float32)
    number = meter.attribute(records, said, sure, "psi.number")
    # Two of three are in the highest tenth; there, the farther one counts a little more.
    assert number[1] > number[0] > number[2]
    assert number[1] - number[0] == pytest.approx(1e-3 * 4 / 49, rel=0.05)
    kinds = meter.attribute(records, said, sure, "psi.kind")
    by_hand = np.log(np.array([2.5 / 4.5, 1.5 / 4.5]) / (50.5 / 101.5))
    assert kinds == pytest.approx(by_hand[[0, 0, 1]])
    classes = meter.attribute(records, said, sure, "predictions")
    assert classes[0] == classes[1] > classes[2]
    domain = meter.attribute(records, said, sure, "domain")
    assert domain.shape == (3,)
    assert domain[1] > domain[2]


def test_without_confidence_there_is_none_to_describe(known):
    bare = OpenReference(
        columns=known.columns,
        categories=known.categories,
        classes=0,
        statistics=known.statistics,
        predicted=np.arange(50.0),
    )
    window = DriftMeter(bare).describe_rows(np.arange(3), np.arange(2))
    assert isinstance(window, DescribedWindow)
    assert window.confidence is None
