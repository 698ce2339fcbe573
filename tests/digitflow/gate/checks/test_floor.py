import pytest

from digitflow.config.gate import DigitsLimits, FloorLimits
from digitflow.evaluation.resampling import wilson_interval
from digitflow.gate.checks.floor import run

LIMITS = DigitsLimits(floor=FloorLimits(min_accuracy=0.9))


def ask(evidence):
    (check,) = run(evidence, LIMITS, seed=1)
    return check


@pytest.mark.parametrize(
    ("right", "verdict", "word"),
    [(950, "pass", "above"), (900, "pass", "at or"), (899, "fail", "under")],
)
def test_the_floor_itself_is_enough(make_evidence, make_scored, right, verdict, word):
    check = ask(make_evidence(make_scored(right=right, wrong=1000 - right, champion=False)))
    assert check.verdict == verdict
    assert word in check.detail
    assert check.blocks


def test_the_answer_shows_its_figures(make_evidence, make_scored):
    check = ask(make_evidence(make_scored(right=950, wrong=50)))
    assert (check.n, check.challenger, check.limit) == (1000, 0.95, 0.9)
    assert check.interval == wilson_interval(950, 1000)
    assert (check.champion, check.delta) == (None, None)
    assert check.detail == (
        "the challenger has 950 of 1,000 test samples right (95.00 %), "
        "at or above the floor of 90.00 %"
    )
