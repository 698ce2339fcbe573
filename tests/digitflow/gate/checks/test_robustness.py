import math

import pytest

from digitflow.config.gate import DigitsLimits, RobustnessLimits
from digitflow.errors import InputError
from digitflow.evaluation.evidence import Share
from digitflow.gate.checks.robustness import run

LIMITS = DigitsLimits(robustness=RobustnessLimits(floors={"blur": 0.8, "noise": 0.7}))


def ask(make_evidence, **shares):
    evidence = make_evidence(robustness=shares)
    return {check.slice: check for check in run(evidence, LIMITS, seed=1)}


def test_each_alteration_has_its_floor(make_evidence):
    found = ask(make_evidence, blur=Share(correct=79, n=100), noise=Share(correct=70, n=100))
    assert found["blur"].verdict == "fail"
    assert found["blur"].stops
    assert found["noise"].verdict == "pass"
    assert found["blur"].detail == (
        "blur: 79 of 100 altered images right (79.00 %), under the floor of 80.00 %"
    )


@pytest.mark.parametrize("shares", [{}, {"blur": Share(correct=0, n=0)}])
def test_an_alteration_that_was_not_tried_is_no_pass(make_evidence, shares):
    check = ask(make_evidence, noise=Share(correct=99, n=100), **shares)["blur"]
    assert check.verdict == "insufficient"
    assert check.stops


@pytest.mark.parametrize("wrong", [Share(correct=101, n=100), Share(correct=-1, n=100)])
def test_shares_that_cannot_be_are_refused(make_evidence, wrong):
    with pytest.raises(InputError, match="blur"):
        ask(make_evidence, blur=wrong, noise=wrong)


def test_a_floor_that_is_no_number_is_not_reached(make_evidence):
    limits = DigitsLimits(robustness=RobustnessLimits(floors={"blur": math.nan}))
    evidence = make_evidence(robustness={"blur": Share(correct=100, n=100)})
    assert run(evidence, limits, seed=1)[0].verdict == "fail"
