import math

import pytest

from digitflow.config.gate import DigitsLimits
from digitflow.gate.checks.loads import run
from digitflow.models.bundle import LoadCheck


def ask(make_evidence, **tried):
    sound = {"exact": True, "n": 32, "labels_differ": 0, "largest_difference": 0.0}
    loads = LoadCheck(**sound | {"memory_mb": 300.0} | tried)
    (check,) = run(make_evidence(loads=loads), DigitsLimits(), seed=1)
    return check


def test_golden_predictions_that_are_repeated_pass(make_evidence):
    assert ask(make_evidence).passed
    assert ask(make_evidence).n == 32
    elsewhere = ask(make_evidence, exact=False, largest_difference=1e-7)
    assert elsewhere.passed
    assert "within 1e-6" in elsewhere.detail


@pytest.mark.parametrize(
    "tried",
    [
        {"labels_differ": 1},
        {"largest_difference": 1e-12},
        {"largest_difference": math.nan},
        {"exact": False, "largest_difference": 1e-5},
    ],
)
def test_predictions_that_differ_fail(make_evidence, tried):
    check = ask(make_evidence, **tried)
    assert check.verdict == "fail"
    assert check.stops
    assert "does not repeat" in check.detail


def test_what_the_model_is_trusted_with_is_named(make_evidence):
    assert (
        "trusting my_models.Wrapper"
        in ask(make_evidence, trusted=("my_models.Wrapper",)).detail
    )


def test_what_stopped_it_is_said(make_evidence):
    check = ask(make_evidence, n=0, largest_difference=math.nan, error="no such file")
    assert check.verdict == "fail"
    assert "no such file" in check.detail


def test_what_was_not_tried_is_no_pass(make_evidence):
    (check,) = run(make_evidence(loads=None), DigitsLimits(), seed=1)
    assert check.verdict == ask(make_evidence, n=0).verdict == "insufficient"
    assert check.stops
