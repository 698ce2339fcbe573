import math

import numpy as np
import pytest

from digitflow.config.gate import CoverageLimits, RegressionLimits
from digitflow.evaluation.evidence import ScoredSet
from digitflow.evaluation.resampling import wilson_interval
from digitflow.gate.checks.coverage import run
from digitflow.models.bundle import PredictionIntervals

LIMITS = RegressionLimits(coverage=CoverageLimits(tolerance=0.02))


def promise(coverage=0.9, factor=10.0, scale="absolute"):
    return PredictionIntervals(
        coverage=coverage, scale=scale, factor=factor, mean_width=20.0, n=500
    )


def ask(evidence):
    (check,) = run(evidence, LIMITS, seed=1)
    assert check.id == "coverage.tolerance"
    return check


def off_by(within, n=100):
    """Values of which so many are off by 10, the others by 11."""
    targets = np.full(n, 200.0)
    return ScoredSet(targets, targets + np.where(np.arange(n) < within, 10, -11), None)


@pytest.mark.parametrize(
    ("within", "verdict"),
    [(88, "pass"), (90, "pass"), (92, "pass"), (87, "fail"), (93, "fail")],
)
def test_too_few_and_too_many_within_both_fail(make_value_evidence, within, verdict):
    check = ask(make_value_evidence(off_by(within), intervals=promise()))
    assert (check.verdict, check.stops) == (verdict, verdict == "fail")
    assert (check.challenger, check.n, check.limit) == (within / 100, 100, 0.02)
    assert check.interval == wilson_interval(within, 100)
    assert f"{within}.00 % of 100 true values are within their intervals" in check.detail
    assert "90.00 % are promised" in check.detail


def test_relative_intervals_are_a_share_of_the_predicted_value(make_value_evidence):
    # 10 of 210 and 11 of 189 predicted: 4.8 % and 5.8 %.
    for factor, share in ((0.05, 0.9), (0.06, 1.0), (0.04, 0.0)):
        intervals = promise(factor=factor, scale="relative")
        assert ask(make_value_evidence(off_by(90), intervals=intervals)).challenger == share


def test_without_intervals_nothing_is_promoted(make_value_evidence):
    check = ask(make_value_evidence(intervals=None))
    assert (check.verdict, check.stops) == ("insufficient", True)


@pytest.mark.parametrize(
    "wrong", [{"factor": math.nan}, {"coverage": math.nan}, {"factor": -1}]
)
def test_intervals_that_are_no_intervals_fail(make_value_evidence, wrong):
    assert ask(make_value_evidence(off_by(90), intervals=promise(**wrong))).verdict == "fail"
