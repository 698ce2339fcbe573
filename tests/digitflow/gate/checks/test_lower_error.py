import math
from dataclasses import replace

import numpy as np
import pytest

from digitflow.config.gate import BetterLimits, RegressionLimits
from digitflow.evaluation.evidence import Costs
from digitflow.gate.checks.lower_error import judge_errors, run
from digitflow.gate.verdict import REASONS

RULES = BetterLimits(margin=0.02)
LIMITS = RegressionLimits()


def ask(ours, theirs, groups=None):
    checks = judge_errors(ours, theirs, groups, RULES, seed=1)
    return {check.id.removeprefix("lower_error."): check for check in checks}


@pytest.fixture
def errors():
    return np.random.default_rng(0).normal(0, 10, 2000)


def test_smaller_errors_are_superior(errors):
    found = ask(errors * 0.95, errors)
    assert found["superior"].verdict == found["non_inferior"].verdict == "pass"
    assert found["superior"].challenger == pytest.approx(np.mean((errors * 0.95) ** 2))
    assert found["superior"].delta < 0


def test_larger_errors_are_inferior(errors):
    found = ask(errors * 1.05, errors)
    assert found["non_inferior"].verdict == "fail"
    assert found["non_inferior"].stops
    assert found["superior"].verdict == "fail"


def test_equal_errors_are_non_inferior_and_not_superior(errors):
    found = ask(errors, errors)
    assert found["non_inferior"].verdict == "pass"
    assert found["superior"].verdict == "fail"
    assert not found["superior"].stops


def test_the_margin_is_a_share_of_the_champions_error(errors):
    found = ask(errors * math.sqrt(1.01), errors)["non_inferior"]
    assert found.verdict == "pass"
    assert found.limit == pytest.approx(0.02 * np.mean(errors**2))


def test_swapped_regressions_mirror(errors):
    other = np.random.default_rng(1).normal(0, 10.4, 2000)
    there, back = ask(errors, other)["superior"], ask(other, errors)["superior"]
    assert back.delta == pytest.approx(-there.delta)
    assert back.interval == pytest.approx((-there.interval[1], -there.interval[0]))


def test_a_gain_of_few_groups_is_not_superior(errors):
    ours = errors.copy()
    ours[:200] *= 0.5
    assert ask(ours, errors)["superior"].verdict == "pass"
    assert ask(ours, errors, np.arange(2000) // 200)["superior"].verdict == "fail"


def test_four_groups_are_too_few(errors):
    found = ask(errors * 0.9, errors, np.arange(2000) // 500)
    assert found["superior"].verdict == found["non_inferior"].verdict == "insufficient"
    assert found["non_inferior"].stops


@pytest.mark.parametrize("broken", [np.array([math.nan, 1.0]), np.ones(0), np.ones((2, 1))])
def test_errors_that_cannot_be_compared_are_an_error(broken):
    for pair in ((broken, np.ones(2)), (np.ones(2), broken)):
        (check,) = judge_errors(*pair, None, RULES, seed=1)
        assert check.verdict == "error"
        assert check.stops


def run_on(evidence):
    return {c.id.removeprefix("lower_error."): c for c in run(evidence, LIMITS, seed=1)}


def test_a_regression_is_asked_the_questions_of_better(make_value_evidence, make_values):
    test = make_values(ours=40.0, theirs=50.0)
    found = run_on(make_value_evidence(test))
    assert list(found) == ["non_inferior", "superior", "cheaper"]
    assert found["superior"].passed
    assert found["superior"].challenger == np.mean((test.challenger - test.targets) ** 2)
    assert found["cheaper"].verdict == "fail"  # it costs the same


def test_without_a_champion_nothing_is_compared(make_value_evidence, make_values):
    assert run_on(make_value_evidence(make_values(theirs=None))) == {}


@pytest.mark.parametrize(("ours", "verdict"), [(50.0, "pass"), (60.0, "fail")])
def test_only_an_equal_regression_is_promoted_for_being_cheaper(
    make_value_evidence, make_values, ours, verdict
):
    test = make_values()
    equal = replace(test, challenger=test.targets + ours / 50 * (test.champion - test.targets))
    dear = Costs(latency_ms=2.0, latency_p95_ms=3.0, bytes=2_000_000)
    check = run_on(make_value_evidence(equal, champion_costs=dear))["cheaper"]
    assert check.verdict == verdict
    assert ("not shown to be equal" in check.detail) == (verdict == "fail")


def test_the_question_tells_the_reasons_to_promote_whatever_the_check(make_value_evidence):
    checks = run(make_value_evidence(), LIMITS, seed=1)
    assert {"superior", "cheaper"} == {check.question for check in checks} & set(REASONS)


def test_a_gain_on_what_people_corrected_is_a_reason_of_its_own(
    make_value_evidence, make_values
):
    test, feedback = make_values(), make_values()
    equal = replace(feedback, challenger=feedback.champion)
    for scored, verdict in ((feedback, "pass"), (equal, "fail")):
        evidence = make_value_evidence(test, feedback=scored)
        found = {check.id: check for check in run(evidence, LIMITS, 1)}["lower_error.feedback"]
        assert (found.slice, found.verdict, found.stops) == ("feedback", verdict, False)
    none = replace(
        feedback,
        targets=feedback.targets[:0],
        challenger=feedback.challenger[:0],
        champion=feedback.champion[:0],
    )
    found = run(make_value_evidence(test, feedback=none), LIMITS, 1)
    assert {check.id: check.verdict for check in found}[
        "lower_error.feedback"
    ] == "insufficient"
