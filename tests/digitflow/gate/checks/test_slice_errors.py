from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from digitflow.config.gate import RegressionLimits, SliceErrorLimits
from digitflow.evaluation.comparison import compare_squared_errors, holm, make_bootstrap
from digitflow.gate.checks.lower_error import list_errors
from digitflow.gate.checks.slice_errors import _answer, run

LIMITS = RegressionLimits()
N = 2000


def ask(evidence, limits=LIMITS):
    return {check.slice: check for check in run(evidence, limits, seed=1)}


@pytest.fixture
def slices():
    """Five parts, one of them small."""
    places = np.arange(N)
    parts = {f"part {number}": places % 4 == number for number in range(4)}
    return parts | {"ISLAND": places < 5}


def worsen(test, rows, factor):
    off = (test.challenger - test.targets) * np.where(rows, factor, 1)
    return replace(test, challenger=test.targets + off)


def test_without_a_champion_or_slices_nothing_is_asked(
    make_value_evidence, make_values, slices
):
    assert run(make_value_evidence(make_values(theirs=None, slices=slices)), LIMITS, 1) == []
    assert run(make_value_evidence(make_values()), LIMITS, 1) == []


def test_a_better_model_passes_and_a_small_slice_says_nothing(
    make_value_evidence, make_values, slices
):
    found = ask(make_value_evidence(make_values(slices=slices)))
    assert list(found) == list(slices)
    small = found.pop("ISLAND")
    assert (small.verdict, small.n, small.stops) == ("insufficient", 5, False)
    assert small.detail == "5 samples, fewer than 50"
    assert all(check.passed and check.id == "slice_errors.worse" for check in found.values())
    assert found["part 1"].n == 500


def test_a_slice_that_is_worse_beyond_chance_fails_however_good_the_whole(
    make_value_evidence, make_values, slices
):
    test = worsen(make_values(slices=slices), slices["part 2"], 1.6)
    found = ask(make_value_evidence(test))
    assert [name for name, check in found.items() if check.stops] == ["part 2"]
    worse = found["part 2"]
    assert (worse.verdict, worse.n) == ("fail", 500)
    assert worse.delta > 0
    assert worse.p <= LIMITS.slices.significance
    assert "on 500 samples, worse beyond chance" in worse.detail
    assert "USD" in worse.detail


def test_a_slice_is_judged_by_its_own_rows_and_p_values_by_holm(
    make_value_evidence, make_values, slices
):
    test = worsen(make_values(theirs=41.0, slices=slices), slices["part 0"], 1.1)
    found, drawn = ask(make_value_evidence(test)), make_bootstrap(LIMITS.lower_error, 1)
    large, alone = list(slices)[:4], []
    for name in large:
        ours, theirs = (errors[slices[name]] for errors in list_errors(test))
        assert found[name].challenger == pytest.approx(np.mean(ours**2))
        assert found[name].champion == pytest.approx(np.mean(theirs**2))
        assert found[name].limit == pytest.approx(0.05 * np.mean(theirs**2))
        alone.append(compare_squared_errors(ours, theirs, None, drawn).p_worse)
    # The same rows drawn by themselves: other draws, the same answer within their noise.
    np.testing.assert_allclose([found[name].p for name in large], holm(alone), atol=0.06)


def test_worse_by_more_than_the_margin_but_not_beyond_chance_is_a_warning(
    make_value_evidence, make_values
):
    few = np.arange(N) < 60
    test = make_values(slices={"few": few})
    # Other rows are hard for it than for the champion: a tenth more error is soon luck.
    off, theirs = np.random.default_rng(1).normal(size=60), list_errors(test)[1][few]
    values = test.challenger.copy()
    values[few] = test.targets[few] + off * np.sqrt(1.1 * np.mean(theirs**2) / np.mean(off**2))
    test = replace(test, challenger=values)
    (check,) = run(make_value_evidence(test), LIMITS, 1)
    assert check.delta > check.limit
    assert (check.verdict, check.stops) == ("warn", False)
    assert "chance could do it" in check.detail


def test_the_least_size_of_a_slice_is_of_the_config(make_value_evidence, make_values, slices):
    limits = RegressionLimits(slices=SliceErrorLimits(min_samples=501))
    found = ask(make_value_evidence(make_values(slices=slices)), limits)
    assert {check.verdict for check in found.values()} == {"insufficient"}


def test_a_gain_or_loss_of_few_groups_is_drawn_by_groups(make_value_evidence, make_values):
    rows = np.arange(N) % 2 == 0
    known = {"slices": {"even": rows}, "writers": (np.arange(N) // 500).astype(np.int32)}
    test = make_values(**known)
    one_group = rows & (test.writers == 0)
    worse = worsen(test, one_group, 3.0)
    (alone,) = run(make_value_evidence(replace(worse, writers=None)), LIMITS, 1)
    (grouped,) = run(make_value_evidence(worse), LIMITS, 1)
    assert alone.p < grouped.p


def test_what_people_corrected_is_a_slice(make_value_evidence, make_values, slices):
    test, feedback = make_values(slices=slices), make_values()
    worse = worsen(feedback, np.ones(len(feedback.targets), bool), 1.6)
    assert ask(make_value_evidence(test, feedback=feedback))["feedback"].verdict != "fail"
    found = ask(make_value_evidence(test, feedback=worse))
    assert [name for name, check in found.items() if check.stops] == ["feedback"]


@pytest.mark.parametrize(
    ("p", "delta", "verdict"),
    [(0.05, 9.0, "fail"), (0.051, 9.0, "warn"), (0.051, 1.0, "pass"), (0.04, 9.0, "fail")],
)
def test_a_slice_is_worse_at_the_significance_and_warned_of_beyond_the_margin(
    p, delta, verdict
):
    rules = SliceErrorLimits(significance=0.05)
    found = SimpleNamespace(delta=delta)
    said, words = _answer(found, p, 1.0, 3, rules)
    assert said == verdict
    assert (f"(p = {p:.2g} over 3 slices)" in words) is (verdict != "pass")
