import math
from dataclasses import replace

import numpy as np
import pytest

from digitflow.evaluation.evidence import Costs
from digitflow.gate.usable import check_costs, check_sets


def find(evidence, n=9980, has_champion=True):
    checks = check_sets(evidence, n, has_champion)
    assert all(check.verdict == "error" and check.stops for check in checks)
    return [(check.slice, check.detail) for check in checks]


def spoil(scored, who, value):
    broken = getattr(scored, who).copy()
    broken[3, 4] = value
    return replace(scored, **{who: broken})


def test_sound_evidence_has_no_errors(make_evidence, make_scored):
    assert find(make_evidence()) == []
    assert find(make_evidence(feedback=make_scored(right=5, wrong=0))) == []
    assert find(make_evidence(feedback=make_scored(right=0, wrong=0))) == []
    assert check_costs(make_evidence()) == []
    assert check_costs(make_evidence(costs=None, champion_costs=None)) == []


@pytest.mark.parametrize("who", ["challenger", "champion"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0])
def test_what_is_no_probability_is_an_error(make_evidence, make_scored, who, value):
    ((where, detail),) = find(make_evidence(spoil(make_scored(60, 20), who, value)))
    assert where == "test"
    assert who in detail
    feedback = spoil(make_scored(right=9, wrong=1), who, value)
    assert find(make_evidence(feedback=feedback))[0][0] == "feedback"


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"challenger": np.full((5, 10), 0.1)}, "shape"),
        ({"champion": None}, "names a champion"),
        ({"writers": np.zeros(5, np.int32)}, "writers must be"),
        ({"series": np.full(9980, math.nan)}, "series must be"),
        ({"labels": np.full(9980, 10, np.uint8)}, "digits from 0 to 9"),
    ],
)
def test_what_does_not_fit_together_is_an_error(make_evidence, make_scored, changed, word):
    found = find(make_evidence(replace(make_scored(60, 20), **changed)))
    assert word in found[0][1]


def test_no_test_images_are_an_error(make_evidence, make_scored):
    assert find(make_evidence(make_scored(right=0, wrong=0)), n=0)


def test_other_images_than_the_contests_are_an_error(make_evidence):
    ((where, detail),) = find(make_evidence(), n=9000)
    assert where == "test"
    assert "9,000" in detail
    assert "9,980" in detail


def test_a_champion_that_the_contest_knows_nothing_of_is_an_error(make_evidence):
    assert "no champion" in find(make_evidence(), has_champion=False)[0][1]


@pytest.mark.parametrize("name", ["costs", "champion_costs"])
@pytest.mark.parametrize(
    "wrong", [{"latency_ms": math.nan}, {"memory_mb": math.inf}, {"bytes": -1}]
)
def test_a_cost_that_is_no_number_is_an_error(make_evidence, name, wrong):
    sound = {"latency_ms": 1.0, "latency_p95_ms": 2.0, "bytes": 9, "memory_mb": 9.0}
    costs = Costs(**sound | {"fit_seconds": None} | wrong)
    (check,) = check_costs(make_evidence(**{name: costs}))
    assert check.stops
    assert next(iter(wrong)) in check.detail
