import numpy as np
import pytest

from digitflow.config.gate import CalibrationLimits, DigitsLimits
from digitflow.evaluation.evidence import ScoredSet
from digitflow.evaluation.metrics import measure_predictions
from digitflow.gate.checks.calibration import run

LIMITS = DigitsLimits()


def ask(evidence, limits=LIMITS):
    return {c.id.removeprefix("calibration."): c for c in run(evidence, limits, seed=1)}


def soften(probabilities, share):
    return (1 - share) * probabilities + share / 10


def test_without_a_champion_only_the_limits_are_asked(make_evidence, make_scored):
    found = ask(make_evidence(make_scored(champion=False)))
    assert list(found) == ["max_ece", "max_brier", "max_log_loss"]
    assert all(check.passed for check in found.values())


def test_figures_are_those_of_the_metrics(make_evidence, make_scored):
    test = make_scored(wins=30, losses=10)
    found = ask(make_evidence(test))
    metrics = measure_predictions(test.targets, test.challenger)
    for name in ("ece", "brier", "log_loss"):
        assert found[f"max_{name}"].challenger == getattr(metrics, name)
        assert found[f"{name}_margin"].challenger == pytest.approx(getattr(metrics, name))


@pytest.mark.parametrize("name", ["ece", "brier", "log_loss"])
def test_each_figure_is_held_to_its_limit(make_evidence, make_scored, name):
    limits = DigitsLimits(calibration=CalibrationLimits(**{f"max_{name}": 0.0001}))
    check = ask(make_evidence(make_scored(30, 10)), limits)[f"max_{name}"]
    assert check.verdict == "fail"
    assert check.stops


def test_probabilities_that_fit_worse_than_the_champions_fail(make_evidence, make_scored):
    test = make_scored(wins=60, losses=10)
    vague = ScoredSet(test.targets, soften(test.challenger, 0.03), test.champion)
    found = ask(make_evidence(vague))
    assert found["ece_margin"].verdict == "fail"
    assert found["ece_margin"].delta > 0.01
    assert found["ece_margin"].interval[0] > 0
    assert found["log_loss_margin"].verdict == "fail"


def test_too_few_images_to_rule_out_a_difference_are_no_pass(make_evidence, make_scored):
    found = ask(make_evidence(make_scored(wins=3, losses=3, right=90, wrong=4)))
    check = found["log_loss_margin"]
    assert check.delta < check.limit < check.interval[1]
    assert check.verdict == "insufficient"
    assert check.stops
    assert "100 samples can't rule out more than 0.02" in check.detail


def test_four_writers_are_no_pass(make_evidence, make_scored):
    writers = (np.arange(9920) // 2500).astype(np.int32)
    found = ask(make_evidence(make_scored(wins=10, losses=10, writers=writers)))
    assert found["brier_margin"].verdict == "insufficient"
    assert found["brier_margin"].interval is None
