"""Wilson's interval against scipy's."""

import pytest
from scipy.stats import binomtest

from digitflow.errors import InputError
from digitflow.evaluation.intervals import wilson_interval


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.999])
@pytest.mark.parametrize(
    ("correct", "n"), [(0, 1), (1, 1), (0, 40), (40, 40), (1, 3), (355, 360), (9952, 10_000)]
)
def test_the_interval_is_that_of_scipy(correct, n, confidence):
    expected = binomtest(correct, n).proportion_ci(confidence, method="wilson")
    assert wilson_interval(correct, n, confidence) == pytest.approx(tuple(expected), abs=1e-12)


def test_the_ends_are_exact():
    assert wilson_interval(0, 7)[0] == 0
    assert wilson_interval(7, 7)[1] == 1


def test_mistakes_and_hits_mirror_each_other():
    low, high = wilson_interval(3, 50)
    assert wilson_interval(47, 50) == pytest.approx((1 - high, 1 - low))


@pytest.mark.parametrize(("correct", "n"), [(0, 0), (5, 4), (-1, 4), (0, -1)])
def test_impossible_counts_are_refused(correct, n):
    with pytest.raises(InputError, match=f"got {correct} of {n}"):
        wilson_interval(correct, n)


@pytest.mark.parametrize("confidence", [0, 1, 95, float("nan")])
def test_impossible_confidences_are_refused(confidence):
    with pytest.raises(InputError, match="confidence"):
        wilson_interval(1, 2, confidence)
