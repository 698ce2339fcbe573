import math
from dataclasses import fields, replace

import numpy as np
import pytest

from digitflow.config.gate import (
    BetterLimits,
    DigitsLimits,
    FloorLimits,
    MaxErrorLimits,
    RegressionLimits,
)
from digitflow.errors import TestSetChanged
from digitflow.evaluation.evidence import Costs, ScoredSet, Share
from digitflow.evaluation.regression import bound_rmse
from digitflow.evaluation.resampling import wilson_interval
from digitflow.gate.verdict import (
    Verdict,
    check_costs,
    check_sets,
    declined,
    judge,
    require_same_test,
)
from digitflow.models.bundle import LoadCheck

LIMITS = DigitsLimits()
ABSOLUTE = {"floor", "calibration", "robustness", "budgets", "loads"}


@pytest.fixture
def decide(make_evidence, make_comparison):
    """Judge evidence, or evidence with a test set, under limits."""

    def decide(test=None, limits=LIMITS, evidence=None, **changed):
        evidence = evidence or make_evidence(test, **changed)
        return judge(evidence, make_comparison(evidence), limits, seed=1)

    return decide


def stopped_by(verdict):
    return {check.id for check in verdict.checks if check.stops}


def test_the_first_sound_model_becomes_champion_by_absolute_checks_only(decide, make_scored):
    verdict = decide(make_scored(right=990, wrong=10, champion=False))
    assert verdict.outcome == "bootstrap"
    assert verdict.promoted
    assert verdict.reason == (
        "the first champion, by absolute checks only: the challenger has 990 of 1,000 "
        "test samples right (99.00 %), at or above the floor of 90.00 %"
    )
    assert {check.id.split(".")[0] for check in verdict.checks} == ABSOLUTE
    assert verdict.champion is verdict.champion_version is None


def test_a_first_model_under_the_floor_is_rejected(decide, make_scored):
    limits = DigitsLimits(floor=FloorLimits(min_accuracy=0.995))
    verdict = decide(make_scored(right=990, wrong=10, champion=False), limits)
    assert verdict.outcome == "reject"
    assert not verdict.promoted
    assert verdict.reason.endswith("under the floor of 99.50 %")


def test_a_clearly_better_challenger_is_promoted(decide, make_scored):
    verdict = decide(make_scored(wins=60, losses=20))
    assert verdict.outcome == "promote"
    assert "60 wins, 20 losses" in verdict.reason
    assert "better beyond chance" in verdict.reason
    assert (verdict.champion_version, verdict.comparison.champion_entry) == ("3", 7)
    assert {check.id.split(".")[0] for check in verdict.checks} == set(LIMITS.checks)


def test_scores_of_both_models_are_part_of_the_verdict(decide, make_scored):
    verdict = decide(make_scored(wins=60, losses=20))
    values = verdict.challenger.value, verdict.champion.value
    assert values == (9860 / 9980, 9820 / 9980)
    assert verdict.challenger.interval == wilson_interval(9860, 9980)
    assert (verdict.challenger.model_digest, verdict.champion.model_digest) == ("new", "old")
    assert verdict.challenger.test_digest == verdict.champion.test_digest == "test"


@pytest.mark.parametrize(
    ("wins", "losses", "word"),
    [
        (20, 60, "may be worse by more than the margin"),
        (10, 10, "not shown to be better: +0.00 points"),
        (0, 0, "a tie keeps the champion"),
        (30, 20, "of 50 samples that differ it takes 32"),
    ],
)
def test_what_is_not_shown_to_be_better_keeps_the_champion(
    decide, make_scored, wins, losses, word
):
    verdict = decide(make_scored(wins=wins, losses=losses))
    assert verdict.outcome == "keep"
    assert word in verdict.reason


def test_a_challenger_that_is_better_on_the_feedback_is_promoted(decide, make_scored):
    feedback = make_scored(wins=14, losses=2, right=80, wrong=4)
    verdict = decide(make_scored(wins=5, losses=5), feedback=feedback)
    assert verdict.outcome == "promote"
    assert "100 feedback samples" in verdict.reason


def test_better_on_the_feedback_does_not_excuse_worse_on_the_test_images(decide, make_scored):
    feedback = make_scored(wins=14, losses=2, right=80, wrong=4)
    verdict = decide(make_scored(wins=20, losses=60), feedback=feedback)
    assert verdict.outcome == "keep"
    assert "better.non_inferior" in stopped_by(verdict)


def test_an_equal_and_cheaper_challenger_is_promoted(decide, make_scored):
    dear = Costs(
        latency_ms=2.0,
        latency_p95_ms=3.0,
        bytes=1_000_000,
        memory_mb=1.0,
        fit_cpu_seconds=1.0,
    )
    verdict = decide(make_scored(wins=5, losses=5), champion_costs=dear)
    assert verdict.outcome == "promote"
    assert verdict.reason == "latency -50 %, file +0 %: equal and cheaper"


def test_a_better_model_that_is_worse_on_a_digit_is_not_promoted(decide):
    labels = (np.arange(10_000) % 10).astype(np.uint8)
    ours, theirs = labels.copy(), labels.copy()
    ours[labels == 4] = np.where(np.arange(1000) < 30, 9, 4)
    theirs[labels != 4] = np.where(np.arange(9000) < 120, 4, theirs[labels != 4])
    test = ScoredSet(labels, np.eye(10)[ours], np.eye(10)[theirs])
    verdict = decide(test)
    assert verdict.outcome == "keep"
    assert stopped_by(verdict) == {"slices.worse"}
    assert verdict.reason.startswith("class 4: -3.00 points on 1,000 samples")


def test_the_gravest_answer_is_the_reason_and_the_others_are_counted(decide, make_scored):
    verdict = decide(make_scored(wins=20, losses=60), robustness={}, loads=None)
    others = len(stopped_by(verdict) - {"robustness.floors"}) + len(LIMITS.robustness.floors)
    assert "may be worse" in verdict.reason
    assert verdict.reason.endswith(f"({others - 1} more checks against it)")


def test_the_champion_itself_is_unchanged_and_nothing_is_asked(make_evidence, make_comparison):
    evidence = make_evidence()
    same = make_comparison(evidence, challenger_digest="old")
    verdict = judge(evidence, same, LIMITS, seed=1)
    assert verdict.outcome == "unchanged"
    assert not verdict.promoted
    assert verdict.checks == ()


def test_the_champion_itself_need_not_be_scored_twice(
    make_evidence, make_comparison, make_scored
):
    evidence = make_evidence(make_scored(champion=False))
    comparison = make_comparison(evidence, champion_digest="same", challenger_digest="same")
    verdict = judge(evidence, comparison, LIMITS, seed=1)
    assert verdict.outcome == "unchanged"
    assert verdict.champion == verdict.challenger


def test_without_the_check_for_better_nothing_replaces_a_champion(decide, make_scored):
    limits = DigitsLimits(checks=("floor", "loads"))
    verdict = decide(make_scored(wins=60, losses=0), limits)
    assert verdict.outcome == "keep"
    assert "no check asks whether it is better" in verdict.reason
    assert decide(make_scored(champion=False), limits).outcome == "bootstrap"


def test_checks_that_have_nothing_to_say_promote_nothing(decide, make_scored):
    verdict = decide(make_scored(champion=False), DigitsLimits(checks=("better", "slices")))
    assert verdict.outcome == "reject"
    assert verdict.checks == ()
    assert "nothing shows that it is fit" in verdict.reason


def test_checks_are_made_in_the_order_of_the_config(decide):
    verdict = decide(limits=DigitsLimits(checks=("loads", "floor", "better")))
    kinds = [check.id.split(".")[0] for check in verdict.checks]
    assert list(dict.fromkeys(kinds)) == ["loads", "floor", "better"]


@pytest.mark.parametrize(
    "missing", [{"costs": None}, {"robustness": {}}, {"loads": None}], ids=str
)
def test_what_was_not_measured_is_never_a_pass(decide, make_scored, missing):
    assert decide(make_scored(wins=60, losses=0), **missing).outcome == "keep"
    assert decide(make_scored(champion=False), **missing).outcome == "reject"


def test_a_check_that_raises_is_an_error_and_the_others_are_made(decide, make_scored, caplog):
    # So few resamples can't show so small a significance.
    limits = DigitsLimits(better=BetterLimits(significance=0.001, resamples=100))
    verdict = decide(make_scored(wins=60, losses=0), limits)
    assert verdict.outcome == "keep"
    errors = [check.id for check in verdict.checks if check.verdict == "error"]
    assert errors == ["better", "calibration"]
    assert "100" in verdict.reason
    assert "loads.repeats" in {check.id for check in verdict.checks}
    assert "the check better could not be made" in caplog.text


def test_the_same_evidence_and_seed_give_the_same_verdict(decide, make_scored):
    writers = np.random.default_rng(0).integers(0, 300, 9980).astype(np.int32)
    test = make_scored(wins=52, losses=28, writers=writers)
    assert decide(test) == decide(test)


@pytest.mark.parametrize("has_champion", [True, False])
def test_a_verdict_survives_being_written_and_read(decide, make_scored, has_champion):
    for scored in (make_scored(champion=has_champion), make_scored(right=0, wrong=0)):
        verdict = decide(scored)
        again = Verdict.model_validate_json(verdict.model_dump_json())
        assert again.model_dump_json() == verdict.model_dump_json()


def test_a_promotion_that_a_person_refused_is_none(decide, make_scored):
    verdict = declined(decide(make_scored(wins=60, losses=20)), "Ada said no")
    assert (verdict.outcome, verdict.reason) == ("keep", "Ada said no")
    assert not verdict.promoted
    assert stopped_by(verdict) == set()
    first = declined(decide(make_scored(champion=False)), "Ada said no")
    assert first.outcome == "reject"


def test_scores_on_other_test_images_are_not_compared():
    require_same_test("same", "same")
    with pytest.raises(TestSetChanged) as caught:
        require_same_test("old-images", "new-images")
    for part in ("new-images", "old-images", "--accept-new-test", "gate.accept_new_test"):
        assert part in str(caught.value)


def spoil_number(record, name, value):
    return type(record).model_construct(**dict(record) | {name: value})


def spoil_array(scored, name, value):
    spoilt = getattr(scored, name).astype(float)
    spoilt.flat[17] = value
    return replace(scored, **{name: spoilt})


def spoil_slice(scored, name, value):
    spoilt = scored.slices["some"].astype(float)
    spoilt.flat[17] = value
    return replace(scored, slices={"some": spoilt})


def every_way_to_spoil(evidence, value):
    """Evidence with one number replaced, for every place that holds a float."""
    for name in ("test", "feedback"):
        for part in fields(ScoredSet):
            if part.name == "unit":
                continue
            spoil = spoil_slice if part.name == "slices" else spoil_array
            spoilt = spoil(getattr(evidence, name), part.name, value)
            yield f"{name}.{part.name}", replace(evidence, **{name: spoilt})
    for name, kind in (("costs", Costs), ("champion_costs", Costs), ("loads", LoadCheck)):
        for part in kind.model_fields:
            if (name, part) not in HARMLESS:
                spoilt = spoil_number(getattr(evidence, name), part, value)
                yield f"{name}.{part}", replace(evidence, **{name: spoilt})
    for name in evidence.robustness:
        for part in Share.model_fields:
            spoilt = spoil_number(evidence.robustness[name], part, value)
            yield (
                f"{name}.{part}",
                replace(evidence, robustness={**evidence.robustness, name: spoilt}),
            )


# Not asked for a number: a flag, a word, and a memory that `costs` repeats.
HARMLESS = {("loads", "exact"), ("loads", "error"), ("loads", "memory_mb")}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_never_promoted_wherever_it_is(
    make_evidence, make_scored, make_comparison, value
):
    known = {
        "writers": np.arange(9980, dtype=np.int32) % 299,
        "series": np.arange(9980, dtype=np.int32) // 33 % 2,
    }
    some = np.arange(9980) % 2 == 0
    sound = make_evidence(
        make_scored(wins=60, losses=20, slices={"some": some}, **known),
        make_scored(
            wins=5,
            losses=1,
            slices={"some": some[:9906]},
            **{name: numbers[:9906] for name, numbers in known.items()},
        ),
    )
    assert judge(sound, make_comparison(sound), LIMITS, seed=1).promoted
    spoilt = dict(every_way_to_spoil(sound, value))
    promoted = [
        where
        for where, evidence in spoilt.items()
        if judge(evidence, make_comparison(evidence), LIMITS, seed=1).promoted
    ]
    assert promoted == []
    assert len(spoilt) > 30


@pytest.mark.parametrize("has_champion", [True, False])
def test_empty_evidence_is_an_answer_not_an_exception(decide, make_scored, has_champion):
    verdict = decide(make_scored(right=0, wrong=0, champion=has_champion))
    assert not verdict.promoted
    assert verdict.checks[0].verdict == "error"
    assert math.isnan(verdict.challenger.interval[0])


@pytest.mark.parametrize("draws", [60, pytest.param(1000, marks=pytest.mark.soak)])
def test_a_worse_challenger_is_never_promoted(decide, make_scored, draws):
    """At equal cost and without feedback, whatever the images, the writers and the counts."""
    rng = np.random.default_rng(0)
    for _ in range(draws):
        n = int(rng.integers(20, 3000))
        losses = int(rng.integers(1, max(2, n // 20)))
        wins = int(rng.integers(0, losses))
        writers = rng.integers(-1, int(rng.integers(1, n)), n).astype(np.int32)
        wrong = int(rng.integers(0, n // 20 + 1))
        right = n - wins - losses - wrong
        test = make_scored(wins, losses, right, wrong, writers=writers)
        assert not decide(test).promoted


@pytest.mark.parametrize("draws", [20, pytest.param(400, marks=pytest.mark.soak)])
def test_of_two_models_at_most_one_replaces_the_other(decide, draws):
    rng = np.random.default_rng(1)
    for _ in range(draws):
        n = 4000
        labels = rng.integers(0, 10, n).astype(np.uint8)
        readings = [
            np.where(rng.random(n) < error, (labels + 1) % 10, labels)
            for error in rng.uniform(0.005, 0.03, 2)
        ]
        ours, theirs = (0.9 * np.eye(10)[digits] + 0.01 for digits in readings)
        there = decide(ScoredSet(labels, ours, theirs))
        back = decide(ScoredSet(labels, theirs, ours))
        assert not (there.promoted and back.promoted)


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
        ({"targets": np.full(9980, 10, np.uint8)}, "from 0 to 9"),
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
    costs = Costs(**sound | {"fit_cpu_seconds": None} | wrong)
    (check,) = check_costs(make_evidence(**{name: costs}))
    assert check.stops
    assert next(iter(wrong)) in check.detail


REGRESSION = RegressionLimits(max_error=MaxErrorLimits(max_rmse=70))


@pytest.fixture
def decide_values(make_value_evidence, make_comparison):
    """Judge evidence of a regression, or evidence with a test set."""

    def decide(test=None, limits=REGRESSION, **changed):
        evidence = make_value_evidence(test, **changed)
        return judge(evidence, make_comparison(evidence), limits, seed=1)

    return decide


def test_the_first_sound_regression_becomes_champion(decide_values, make_values):
    verdict = decide_values(make_values(theirs=None))
    assert verdict.outcome == "bootstrap"
    assert {check.id.split(".")[0] for check in verdict.checks} == {
        "max_error", "coverage", "budgets", "loads",
    }  # fmt: skip
    assert verdict.reason.startswith("the first champion, by absolute checks only: the RMSE on")


def test_a_regression_over_its_limit_is_rejected(decide_values, make_values):
    verdict = decide_values(make_values(ours=100.0, theirs=None))
    assert verdict.outcome == "reject"
    assert "over the limit of 70" in verdict.reason


def test_a_regression_with_clearly_lower_errors_is_promoted(decide_values, make_values):
    test = make_values(ours=40.0, theirs=50.0)
    verdict = decide_values(test)
    assert verdict.outcome == "promote"
    assert "lower beyond chance" in verdict.reason
    rmse = np.sqrt(np.mean((test.challenger - test.targets) ** 2))
    score = verdict.challenger
    assert (score.metric, score.unit, score.higher_is_better) == ("RMSE", "USD", False)
    assert score.value == pytest.approx(rmse)
    assert score.interval == bound_rmse(test.challenger - test.targets)
    assert verdict.champion.value > score.value


@pytest.mark.parametrize("ours", [55.5, 60.0])
def test_a_regression_that_is_not_better_keeps_the_champion(decide_values, make_values, ours):
    verdict = decide_values(make_values(ours=ours, theirs=50.0))
    assert verdict.outcome == "keep"
    assert not verdict.promoted


def test_a_regression_that_is_worse_on_a_slice_is_not_promoted(decide_values, make_values):
    part = np.arange(2000) % 4 == 0
    test = make_values(ours=30.0, theirs=50.0, slices={"INLAND": part})
    off = (test.challenger - test.targets) * np.where(part, 2.5, 1)
    verdict = decide_values(replace(test, challenger=test.targets + off))
    assert verdict.outcome == "keep"
    assert stopped_by(verdict) == {"slice_errors.worse"}
    assert verdict.reason.startswith("INLAND: RMSE")


@pytest.mark.parametrize("missing", [{"costs": None}, {"loads": None}, {"intervals": None}])
def test_what_was_not_measured_of_a_regression_is_never_a_pass(decide_values, missing):
    assert decide_values(**missing).outcome == "keep"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda values: np.where(np.arange(len(values)) == 3, np.nan, values),
        lambda values: np.where(np.arange(len(values)) == 3, -np.inf, values),
        lambda values: values[:-1],
    ],
)
@pytest.mark.parametrize("who", ["challenger", "champion"])
def test_values_that_cannot_be_judged_promote_nothing(
    make_value_evidence, make_values, make_comparison, who, spoil
):
    sound = make_value_evidence(make_values(ours=30.0))
    test = replace(sound.test, **{who: spoil(getattr(sound.test, who))})
    spoilt = replace(sound, test=test)
    verdict = judge(spoilt, make_comparison(spoilt), REGRESSION, seed=1)
    assert verdict.outcome == "keep"
    assert "evidence" in stopped_by(verdict)
    assert f"the {who}'s predictions can't be judged" in verdict.reason
    # What can't be known is no figure; and it survives being written.
    assert math.isnan(getattr(verdict, who).value)
    again = Verdict.model_validate_json(verdict.model_dump_json())
    assert again.model_dump_json() == verdict.model_dump_json()


def test_a_slice_that_says_neither_yes_nor_no_is_an_error(make_value_evidence, make_values):
    for wrong in (np.zeros(2000), np.zeros(5, bool)):
        evidence = make_value_evidence(make_values(slices={"some": wrong}))
        ((where, detail),) = find(evidence, n=2000)
        assert where == "test"
        assert "the slice some must say yes or no of 2,000 rows" in detail
