import math

import pytest

from digitflow.config.gate import BetterLimits
from digitflow.errors import InputError
from digitflow.evaluation.evidence import Costs
from digitflow.gate.checks.cheaper import check_cheaper

RULES = BetterLimits(cheaper=0.3)


def costs(latency_ms=10.0, size=1000):
    return Costs(
        latency_ms=latency_ms, latency_p95_ms=9.0, bytes=size, memory_mb=9.0, fit_seconds=None
    )


@pytest.mark.parametrize(
    ("latency_ms", "size", "verdict"),
    [
        (6.9, 1000, "pass"),
        (7.1, 1000, "fail"),
        (6.9, 1001, "fail"),  # quicker, but larger
        (10.0, 700, "pass"),
        (10.4, 690, "pass"),  # within what latency varies by
        (10.6, 690, "fail"),
        (7.1, 710, "fail"),
        (10.0, 1000, "fail"),
        (3.0, 100, "pass"),
    ],
)
def test_one_cost_must_fall_clearly_and_the_other_must_not_rise(latency_ms, size, verdict):
    check = check_cheaper(costs(latency_ms, size), costs(), None, RULES)
    assert check.verdict == verdict
    assert not check.blocks


def test_the_figure_shown_is_the_one_that_fell_more():
    quicker = check_cheaper(costs(5.0, 900), costs(), None, RULES)
    assert (quicker.slice, quicker.challenger, quicker.champion) == ("latency", 5.0, 10.0)
    assert (quicker.delta, quicker.limit) == (-5.0, 7.0)
    assert quicker.detail == "latency -50 %, file -10 %: equal and cheaper"
    smaller = check_cheaper(costs(9.0, 400), costs(), None, RULES)
    assert (smaller.slice, smaller.challenger, smaller.champion) == ("bytes", 400, 1000)


def test_a_cheaper_model_that_may_be_worse_says_so():
    check = check_cheaper(costs(1.0), costs(), "it is worse", RULES)
    assert check.verdict == "fail"
    assert check.detail.endswith("cheaper, but it is worse")


@pytest.mark.parametrize(("ours", "theirs"), [(None, costs()), (costs(), None), (None, None)])
def test_costs_that_were_not_measured_say_nothing(ours, theirs):
    assert check_cheaper(ours, theirs, None, RULES).verdict == "insufficient"


@pytest.mark.parametrize("wrong", [costs(math.nan), costs(math.inf), costs(0.0), costs(size=0)])
def test_a_cost_that_is_no_positive_number_is_refused(wrong):
    for pair in ((wrong, costs()), (costs(), wrong)):
        with pytest.raises(InputError, match="positive number"):
            check_cheaper(*pair, None, RULES)
