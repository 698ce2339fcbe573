import math

import numpy as np
import pytest

from digitflow.config.gate import BetterLimits, DigitsLimits
from digitflow.errors import InputError
from digitflow.evaluation.comparison import exact_mcnemar
from digitflow.evaluation.evidence import Costs
from digitflow.gate.checks.better import check_cheaper, run

LIMITS = DigitsLimits()
DEAR = Costs(
    latency_ms=2.0,
    latency_p95_ms=3.0,
    bytes=1_000_000,
    memory_mb=400.0,
    fit_cpu_seconds=60.0,
)


def ask(evidence, limits=LIMITS):
    return {check.id.removeprefix("better."): check for check in run(evidence, limits, seed=1)}


def test_without_a_champion_there_is_nothing_to_compare(make_evidence, make_scored):
    assert run(make_evidence(make_scored(champion=False)), LIMITS, seed=1) == []


def test_a_clear_gain_is_superior(make_evidence, make_scored):
    found = ask(make_evidence(make_scored(wins=60, losses=20)))
    superior = found["superior"]
    assert superior.verdict == found["non_inferior"].verdict == "pass"
    assert superior.p == exact_mcnemar(60, 20)
    assert superior.delta == pytest.approx(40 / 9980)
    assert superior.interval[0] > 0
    assert superior.detail == (
        "+0.40 points on 9,980 test samples (60 wins, 20 losses): better beyond chance "
        f"(p = {superior.p:.2g})"
    )


def test_a_gain_that_may_be_chance_says_what_it_takes(make_evidence, make_scored):
    superior = ask(make_evidence(make_scored(wins=58, losses=42)))["superior"]
    assert superior.verdict == "fail"
    assert superior.detail.endswith(
        "may be chance (p = 0.067): of 100 samples that differ it takes 59"
    )
    assert not superior.stops


@pytest.mark.parametrize(
    ("wins", "losses", "word"),
    [(30, 30, "a tie"), (0, 0, "a tie"), (3, 9, "not better but worse"), (3, 0, "too few")],
)
def test_what_is_not_superior_says_why(make_evidence, make_scored, wins, losses, word):
    superior = ask(make_evidence(make_scored(wins=wins, losses=losses)))["superior"]
    assert superior.verdict == "fail"
    assert word in superior.detail


def test_a_gain_of_few_writers_is_not_superior(make_evidence, make_scored):
    # 20 writers; one of them wrote all images that the challenger wins.
    writers = np.minimum(np.arange(1000) // 50, 19).astype(np.int32)
    test = make_scored(wins=12, losses=2, right=976, wrong=10, writers=writers)
    superior = ask(make_evidence(test))["superior"]
    assert superior.p < 0.05
    assert superior.verdict == "fail"
    assert "drawn again, by writer where known" in superior.detail


def test_four_writers_are_too_few_to_say(make_evidence, make_scored):
    writers = (np.arange(1000) // 250).astype(np.int32)
    found = ask(make_evidence(make_scored(60, 20, right=910, wrong=10, writers=writers)))
    assert found["superior"].verdict == found["non_inferior"].verdict == "insufficient"
    assert found["non_inferior"].stops
    assert found["superior"].interval is None
    assert "4 writers" in found["superior"].detail


def test_a_loss_beyond_the_margin_is_inferior(make_evidence, make_scored):
    check = ask(make_evidence(make_scored(wins=20, losses=60)))["non_inferior"]
    assert check.verdict == "fail"
    assert check.stops
    assert check.limit == -0.002
    assert "may be worse by more than the margin of 0.20" in check.detail


def test_the_margin_is_the_configs(make_evidence, make_scored):
    wide = DigitsLimits(better=BetterLimits(margin=0.01))
    found = ask(make_evidence(make_scored(wins=20, losses=60)), wide)
    assert found["non_inferior"].verdict == "pass"
    assert found["superior"].verdict == "fail"


def test_swapped_models_mirror(make_evidence, make_scored):
    writers = np.random.default_rng(0).integers(0, 300, 9977).astype(np.int32)
    there = ask(make_evidence(make_scored(wins=52, losses=25, writers=writers)))["superior"]
    # The same images: who wins here is who loses there.
    swapped = make_scored(wins=52, losses=25, writers=writers)
    swapped = type(swapped)(swapped.targets, swapped.champion, swapped.challenger, writers)
    back = ask(make_evidence(swapped))["superior"]
    assert back.delta == pytest.approx(-there.delta)
    assert back.interval == pytest.approx((-there.interval[1], -there.interval[0]))
    assert (there.verdict, back.verdict) == ("pass", "fail")


def test_feedback_is_a_reason_of_its_own(make_evidence, make_scored):
    feedback = make_scored(wins=14, losses=2, right=80, wrong=4)
    found = ask(make_evidence(make_scored(5, 5), feedback))
    assert found["superior"].verdict == "fail"
    assert found["feedback"].verdict == "pass"
    assert found["feedback"].slice == "feedback"
    assert "100 feedback samples (14 wins, 2 losses)" in found["feedback"].detail


def test_feedback_without_images_says_nothing(make_evidence, make_scored):
    empty = make_scored(right=0, wrong=0)
    check = ask(make_evidence(make_scored(5, 5), empty))["feedback"]
    assert check.verdict == "insufficient"
    assert not check.stops


def test_an_equal_and_quicker_challenger_is_cheaper(make_evidence, make_scored):
    found = ask(make_evidence(make_scored(5, 5), champion_costs=DEAR))
    assert found["superior"].verdict == "fail"
    assert found["cheaper"].verdict == "pass"


@pytest.mark.parametrize(
    ("test", "word"),
    [
        # 1,000 images without a difference leave room for 0.3 points.
        ({"right": 990, "wrong": 10}, "1,000 samples can't show two models equal within 0.20"),
        ({"wins": 20, "losses": 60}, "not shown to be equal"),
        ({"wins": 0, "losses": 9}, "significantly worse"),
    ],
)
def test_what_is_not_shown_to_be_equal_is_not_promoted_for_being_cheaper(
    make_evidence, make_scored, test, word
):
    check = ask(make_evidence(make_scored(**test), champion_costs=DEAR))["cheaper"]
    assert check.verdict == "fail"
    assert word in check.detail


RULES = BetterLimits(cheaper=0.3)


def costs(latency_ms=10.0, size=1000):
    return Costs(
        latency_ms=latency_ms,
        latency_p95_ms=9.0,
        bytes=size,
        memory_mb=9.0,
        fit_cpu_seconds=None,
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
    check = check_cheaper("better.cheaper", costs(latency_ms, size), costs(), None, RULES)
    assert check.verdict == verdict
    assert not check.blocks


def test_the_figure_shown_is_the_one_that_fell_more():
    quicker = check_cheaper("better.cheaper", costs(5.0, 900), costs(), None, RULES)
    assert (quicker.slice, quicker.challenger, quicker.champion) == ("latency", 5.0, 10.0)
    assert (quicker.delta, quicker.limit) == (-5.0, 7.0)
    assert quicker.detail == "latency -50 %, file -10 %: equal and cheaper"
    smaller = check_cheaper("better.cheaper", costs(9.0, 400), costs(), None, RULES)
    assert (smaller.slice, smaller.challenger, smaller.champion) == ("bytes", 400, 1000)


def test_a_cheaper_model_that_may_be_worse_says_so():
    check = check_cheaper("better.cheaper", costs(1.0), costs(), "it is worse", RULES)
    assert check.verdict == "fail"
    assert check.detail.endswith("cheaper, but it is worse")


@pytest.mark.parametrize(("ours", "theirs"), [(None, costs()), (costs(), None), (None, None)])
def test_costs_that_were_not_measured_say_nothing(ours, theirs):
    assert check_cheaper("better.cheaper", ours, theirs, None, RULES).verdict == "insufficient"


@pytest.mark.parametrize("wrong", [costs(math.nan), costs(math.inf), costs(0.0), costs(size=0)])
def test_a_cost_that_is_no_positive_number_is_refused(wrong):
    for pair in ((wrong, costs()), (costs(), wrong)):
        with pytest.raises(InputError, match="positive number"):
            check_cheaper("better.cheaper", *pair, None, RULES)


def test_of_two_ratios_that_are_equal_it_is_the_latency_that_is_told(make_evidence):
    half = DEAR.model_copy(update={"latency_ms": 1.0, "bytes": 500_000})
    check = check_cheaper("better.cheaper", half, DEAR, None, BetterLimits())
    assert check.verdict == "pass"
    assert (check.challenger, check.champion) == (1.0, 2.0)
