import numpy as np
import pytest

from digitflow.config.gate import ClassSliceLimits, DigitsLimits
from digitflow.evaluation.comparison import exact_mcnemar
from digitflow.evaluation.evidence import ScoredSet
from digitflow.gate.checks.slices import run

LIMITS = DigitsLimits()


def ask(evidence, limits=LIMITS):
    return {check.slice: check for check in run(evidence, limits, seed=1)}


def read_as(digits):
    return np.eye(10)[digits]


def make_pair(lost_fours=0, n=200):
    """Each digit n times; the challenger takes so many fours for nines, the champion none."""
    labels = np.repeat(np.arange(10), n).astype(np.uint8)
    ours = labels.copy()
    ours[4 * n : 4 * n + lost_fours] = 9
    return ScoredSet(labels, read_as(ours), read_as(labels))


def test_without_a_champion_there_are_no_slices(make_evidence, make_scored):
    assert run(make_evidence(make_scored(champion=False)), LIMITS, seed=1) == []


def test_slices_are_digits_series_pairs_and_feedback(make_evidence, make_scored):
    series = np.repeat([0, 4, -1], [4000, 4000, 1950]).astype(np.int32)
    test = make_scored(wins=30, losses=20, series=series)
    found = ask(make_evidence(test, make_scored(right=60, wrong=0)))
    digits = [f"class {digit}" for digit in range(10)]
    assert list(found)[:13] == [*digits, "series 0", "series 4", found_pair(found)]
    assert list(found)[-1] == "feedback"
    assert sum("/" in name for name in found) == LIMITS.slices.pairs
    assert found["series 4"].n == 4000
    assert all(check.verdict == "pass" for check in found.values())


def found_pair(found):
    return next(name for name in found if "/" in name)


def test_a_slice_that_is_worse_beyond_chance_stops_a_better_model(make_evidence):
    found = ask(make_evidence(make_pair(lost_fours=12)))
    four = found["class 4"]
    assert four.verdict == "fail"
    assert four.stops
    assert (four.n, four.challenger, four.champion) == (200, 188 / 200, 1.0)
    assert four.interval[0] < four.delta < four.interval[1] < 0
    assert four.detail.startswith("class 4: -6.00 points on 200 samples (0 wins, 12 losses)")
    assert found["class 5"].verdict == "pass"
    assert "4 and 9 told apart" in found["4/9"].detail


def test_the_error_rate_is_of_all_slices_together(make_evidence):
    found = ask(make_evidence(make_pair(lost_fours=6)))
    # 1/64 alone would do; of eleven slices, ten digits and a pair, it does not.
    assert exact_mcnemar(6, 0) < 0.05
    assert found["class 4"].p == pytest.approx(exact_mcnemar(6, 0) * 11)
    assert found["class 4"].verdict == "warn"
    assert "chance could do it" in found["class 4"].detail
    assert not found["class 4"].stops


def test_small_slices_say_nothing_and_count_for_nothing(make_evidence):
    limits = DigitsLimits(slices=ClassSliceLimits(min_samples=201))
    found = ask(make_evidence(make_pair(lost_fours=12)), limits)
    assert found["class 4"].verdict == "insufficient"
    assert found["class 4"].p is None
    assert not found["class 4"].stops
    assert found["class 4"].detail == "200 samples, fewer than 201"
    # The pair is large enough, and now the only one that is tested.
    assert found["4/9"].p == exact_mcnemar(12, 0)


def test_feedback_without_images_is_insufficient(make_evidence, make_scored):
    check = ask(make_evidence(make_scored(5, 5), make_scored(right=0, wrong=0)))["feedback"]
    assert (check.verdict, check.n) == ("insufficient", 0)


def test_the_choice_of_pairs_favours_neither_model(make_evidence):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 2000).astype(np.uint8)
    readings = [
        np.where(rng.random(2000) < 0.1, rng.integers(0, 10, 2000), labels) for _ in range(2)
    ]
    ours, theirs = map(read_as, readings)
    there = ask(make_evidence(ScoredSet(labels, ours, theirs)))
    back = ask(make_evidence(ScoredSet(labels, theirs, ours)))
    assert list(there) == list(back)
    for name, check in there.items():
        assert check.delta == pytest.approx(-back[name].delta)


def test_a_pair_asks_only_whether_its_digits_are_taken_for_each_other(make_evidence):
    labels = np.repeat([4, 9], 100).astype(np.uint8)
    ours, theirs = labels.copy(), labels.copy()
    ours[:7], theirs[:3] = 9, 9
    ours[50:90] = 1  # misread, but not as the other of the pair
    found = ask(make_evidence(ScoredSet(labels, read_as(ours), read_as(theirs))))
    assert found["4/9"].challenger == pytest.approx(1 - 7 / 200)
    assert found["4/9"].champion == pytest.approx(1 - 3 / 200)


def test_no_more_pairs_than_were_confused_at_all(make_evidence):
    assert [name for name in ask(make_evidence(make_pair(2))) if "/" in name] == ["4/9"]
    none = DigitsLimits(slices=ClassSliceLimits(pairs=0))
    assert not [name for name in ask(make_evidence(make_pair(2)), none) if "/" in name]
