import pytest

from digitflow.config.gate import MaxErrorLimits, RegressionLimits
from digitflow.evaluation.regression import measure_values
from digitflow.gate.checks.max_error import run


def ask(evidence, **limits):
    rules = RegressionLimits(max_error=MaxErrorLimits(**limits))
    return {c.id.removeprefix("max_error."): c for c in run(evidence, rules, seed=1)}


def test_figures_are_those_of_the_metrics(make_value_evidence, make_values):
    test = make_values(theirs=None)
    found, metrics = (
        ask(make_value_evidence(test), max_rmse=70),
        measure_values(test.targets, test.challenger, "USD"),
    )
    assert list(found) == ["max_rmse", "min_r2"]
    assert found["max_rmse"].challenger == metrics.rmse
    assert found["max_rmse"].interval == metrics.interval
    assert found["min_r2"].challenger == metrics.r2
    assert found["max_rmse"].n == 2000
    assert all(check.passed for check in found.values())
    assert f"is {metrics.written}, at or under the limit of 70" in found["max_rmse"].detail


def test_the_limit_itself_is_enough(make_value_evidence, make_values):
    test = make_values()
    rmse = measure_values(test.targets, test.challenger).rmse
    assert ask(make_value_evidence(test), max_rmse=rmse)["max_rmse"].passed
    over = ask(make_value_evidence(test), max_rmse=rmse * 0.999)["max_rmse"]
    assert (over.verdict, over.stops) == ("fail", True)
    assert "over the limit" in over.detail


def test_without_a_limit_only_the_explained_variance_is_asked(make_value_evidence):
    assert list(ask(make_value_evidence())) == ["min_r2"]


@pytest.mark.parametrize(
    ("deviation", "least", "verdict"),
    [(40.0, 0.8, "pass"), (40.0, 0.95, "fail"), (200.0, 0.0, "fail")],
)
def test_a_share_of_the_variance_must_be_explained(
    make_value_evidence, make_values, deviation, least, verdict
):
    test = make_values(ours=deviation, theirs=None)
    check = ask(make_value_evidence(test), min_r2=least)["min_r2"]
    assert (check.verdict, check.limit) == (verdict, least)
    assert check.stops == (verdict == "fail")
