import math

import pytest
from pydantic import ValidationError

from digitflow.config import GateLimits
from digitflow.errors import TestSetChanged
from digitflow.evaluation.scoring import TestScore
from digitflow.gates import Verdict, judge, require_same_test

LIMITS = GateLimits(min_accuracy=0.9)


def score(correct, n=1000, model="challenger", test="test", interval=(0.1, 0.99)):
    return TestScore(
        model_digest=model, test_digest=test, n=n, correct=correct, interval=interval
    )


def champion(correct, **changed):
    return score(correct, **{"model": "champion"} | changed)


def failed(verdict):
    return [check.id for check in verdict.checks if check.verdict == "fail"]


def test_the_first_model_over_the_floor_becomes_champion():
    verdict = judge(score(950), None, LIMITS)
    assert verdict.outcome == "bootstrap"
    assert verdict.promoted
    assert verdict.reason == (
        "the challenger reads 950 of 1,000 test images right (95.00 %), "
        "at or above the floor of 90.00 %"
    )
    assert [check.id for check in verdict.checks] == ["usable", "floor"]
    assert verdict.champion_version is None


def test_the_first_model_under_the_floor_does_not_become_champion():
    verdict = judge(score(899), None, LIMITS)
    assert verdict.outcome == "reject"
    assert not verdict.promoted
    assert "under the floor of 90.00 %" in verdict.reason


def test_the_floor_itself_is_enough():
    assert judge(score(900), None, LIMITS).promoted


def test_a_better_challenger_is_promoted():
    verdict = judge(score(951), champion(950), LIMITS, "3")
    assert verdict.outcome == "promote"
    assert verdict.promoted
    assert verdict.reason == (
        "the challenger reads 951 of 1,000 test images right (95.10 %), "
        "1 more than the champion, version 3 (95.00 %)"
    )
    assert verdict.champion_version == "3"
    assert not failed(verdict)


def test_a_worse_challenger_is_not_promoted():
    verdict = judge(score(940), champion(950), LIMITS, "3")
    assert verdict.outcome == "keep"
    assert not verdict.promoted
    assert "10 fewer than the champion, version 3 (95.00 %)" in verdict.reason
    assert failed(verdict) == ["better"]


def test_a_tie_keeps_the_champion():
    verdict = judge(score(950), champion(950), LIMITS, "3")
    assert verdict.outcome == "keep"
    assert verdict.reason.startswith("a tie: ")


def test_a_better_challenger_under_the_floor_is_not_promoted():
    verdict = judge(score(880), champion(870), LIMITS)
    assert verdict.outcome == "keep"
    assert failed(verdict) == ["floor"]


def test_the_champion_itself_is_unchanged():
    verdict = judge(score(950, model="same"), score(950, model="same"), LIMITS, "3")
    assert verdict.outcome == "unchanged"
    assert not verdict.promoted
    assert verdict.reason == "unchanged: this is the champion"


def test_other_test_images_are_an_error_with_both_digests_and_the_way_out():
    with pytest.raises(TestSetChanged) as caught:
        judge(score(999, test="new-images"), champion(950, test="old-images"), LIMITS)
    for part in ("new-images", "old-images", "--accept-new-test", "gate.accept_new_test"):
        assert part in str(caught.value)


def test_accepting_new_images_does_not_compare_scores_on_different_ones():
    accepting = GateLimits(accept_new_test=True)
    require_same_test("old", "new", accepting)
    with pytest.raises(TestSetChanged):
        judge(score(999, test="new"), champion(950, test="old"), accepting)
    assert judge(score(999, test="new"), champion(950, test="new"), accepting).promoted


def test_new_images_that_nobody_accepted_are_an_error_before_any_scoring():
    with pytest.raises(TestSetChanged):
        require_same_test("old", "new", LIMITS)
    require_same_test("same", "same", LIMITS)


@pytest.mark.parametrize(
    "broken",
    [
        {"n": 0, "correct": 0},
        {"n": 1000, "correct": 1001},
        {"correct": 999, "interval": (math.nan, 1.0)},
        {"correct": 999, "interval": (0.0, math.inf)},
    ],
)
def test_what_cannot_be_measured_never_passes(broken):
    lowest = GateLimits(min_accuracy=0)
    assert judge(score(**broken), None, lowest).outcome == "reject"
    assert judge(score(**broken), champion(1), lowest).outcome == "keep"
    # Nor is it better than a champion that can't be measured.
    assert judge(score(1000), champion(**broken), lowest).outcome == "keep"


def test_scores_of_different_numbers_of_images_are_not_compared():
    assert judge(score(950, n=1000), champion(90, n=100), LIMITS).outcome == "keep"


def test_a_count_that_is_not_a_number_is_refused():
    with pytest.raises(ValidationError):
        score(math.nan)


@pytest.mark.parametrize("interval", [(0.9, 0.99), (math.nan, math.nan)])
def test_a_verdict_survives_being_written_and_read(interval):
    verdict = judge(score(950, interval=interval), champion(900), LIMITS, "3")
    again = Verdict.model_validate_json(verdict.model_dump_json())
    assert again.model_dump_json() == verdict.model_dump_json()
    assert judge(score(0, n=0), None, LIMITS).model_dump_json()


def test_every_check_shows_its_figures():
    floor, better = judge(score(951), champion(950), LIMITS).checks[1:]
    assert (floor.challenger, floor.champion, floor.limit) == (0.951, 0.95, 0.9)
    assert (better.challenger, better.champion, better.limit) == (0.951, 0.95, 0.95)
    assert better.interval == (0.1, 0.99)
