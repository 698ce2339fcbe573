import math

import pytest

from digitflow.config.gate import BudgetLimits, DigitsLimits
from digitflow.evaluation.evidence import Costs
from digitflow.gate.checks.budgets import run

LIMITS = DigitsLimits(
    budgets=BudgetLimits(latency_p95_ms=10, megabytes=5, memory_mb=500, fit_cpu_seconds=60)
)
SPENT = {
    "latency_ms": 8.0,
    "latency_p95_ms": 10.0,
    "bytes": 5_000_000,
    "memory_mb": 500.0,
    "fit_cpu_seconds": 60.0,
}


def ask(make_evidence, **changed):
    evidence = make_evidence(costs=Costs(**SPENT | changed))
    return {c.id.removeprefix("budgets."): c for c in run(evidence, LIMITS, seed=1)}


def test_a_budget_may_be_spent_whole(make_evidence):
    found = ask(make_evidence)
    assert list(found) == ["latency_p95_ms", "megabytes", "memory_mb", "fit_cpu_seconds"]
    assert all(check.passed for check in found.values())
    assert found["megabytes"].detail == "5 MB of file, within the budget of 5"


@pytest.mark.parametrize(
    ("cost", "value", "budget"),
    [
        ("latency_p95_ms", 10.1, "latency_p95_ms"),
        ("bytes", 5_000_001, "megabytes"),
        ("memory_mb", 501.0, "memory_mb"),
        ("fit_cpu_seconds", math.nan, "fit_cpu_seconds"),
        ("fit_cpu_seconds", math.inf, "fit_cpu_seconds"),
    ],
)
def test_what_is_over_its_budget_fails(make_evidence, cost, value, budget):
    found = ask(make_evidence, **{cost: value})
    assert [name for name, check in found.items() if check.stops] == [budget]
    assert found[budget].verdict == "fail"


def test_a_cost_that_was_not_measured_is_no_pass(make_evidence):
    check = ask(make_evidence, fit_cpu_seconds=None)["fit_cpu_seconds"]
    assert check.verdict == "insufficient"
    assert check.stops
    assert check.detail == "fit_cpu_seconds was not measured"


def test_without_any_costs_nothing_passes(make_evidence):
    answers = run(make_evidence(costs=None), LIMITS, seed=1)
    assert {check.verdict for check in answers} == {"insufficient"}


def test_a_latency_says_how_busy_the_machine_was(make_evidence):
    check = ask(make_evidence, busy=0.37)["latency_p95_ms"]
    assert check.passed
    assert check.detail.endswith("; others used 37 % of the processors")


def test_a_latency_that_could_not_be_measured_well_warns_and_refuses_nobody(make_evidence):
    check = ask(make_evidence, latency_p95_ms=12.0, steady=False, busy=0.9)["latency_p95_ms"]
    assert (check.verdict, check.stops) == ("warn", False)
    assert "could not be measured well" in check.detail
    assert ask(make_evidence, steady=False)["latency_p95_ms"].verdict == "pass"
    assert ask(make_evidence, latency_p95_ms=12.0)["latency_p95_ms"].verdict == "fail"
