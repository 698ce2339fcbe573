import math

import numpy as np
import pytest
from scipy import stats

from digitflow.errors import InputError
from digitflow.evaluation.comparison import (
    bound_paired_difference,
    compare_calibration,
    compare_hits,
    compare_squared_errors,
    exact_mcnemar,
    holm,
    needed_wins,
)
from digitflow.evaluation.metrics import measure_predictions
from digitflow.evaluation.resampling import Bootstrap

DRAWN = Bootstrap(significance=0.05, resamples=2000, seed=1)


def make_hits(wins, losses, right=900, wrong=50):
    ours = np.repeat([True, False, True, False], [wins, losses, right, wrong])
    theirs = np.repeat([False, True, True, False], [wins, losses, right, wrong])
    return ours, theirs


@pytest.mark.parametrize(
    ("n", "wins"), [(5, 5), (10, 9), (20, 15), (30, 20), (50, 32), (100, 59), (200, 113)]
)
def test_wins_needed_at_five_per_cent_are_those_of_the_binomial_table(n, wins):
    assert needed_wins(n, 0.05) == wins
    assert exact_mcnemar(wins, n - wins) <= 0.05 < exact_mcnemar(wins - 1, n - wins + 1)


@pytest.mark.parametrize("n", range(5))
def test_four_images_that_differ_can_never_tell(n):
    assert needed_wins(n, 0.05) is None


@pytest.mark.parametrize(
    ("wins", "losses"), [(0, 0), (0, 7), (1, 0), (9, 1), (40, 60), (75, 25), (5200, 4800)]
)
def test_mcnemar_agrees_with_scipy(wins, losses):
    expected = 1.0
    if wins + losses:
        expected = stats.binomtest(wins, wins + losses, alternative="greater").pvalue
    assert exact_mcnemar(wins, losses) == pytest.approx(expected, rel=1e-9)


def test_counts_below_zero_are_refused():
    with pytest.raises(InputError, match="-1"):
        exact_mcnemar(3, -1)


def test_holm_is_that_of_a_loop():
    p = [0.01, 0.04, 0.03, 0.005]
    # Sorted: .005 x 4, .01 x 3, .03 x 2, .04 x 1, and never less than the one before.
    assert holm(p) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.4, 0.9]) == [0.8, 0.9]
    assert holm([0.7, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def test_holm_is_bolder_than_bonferroni_and_shier_than_none():
    p = np.random.default_rng(0).uniform(0, 0.1, 20)
    adjusted = np.array(holm(p))
    assert (adjusted >= p).all()
    assert (adjusted <= np.minimum(p * 20, 1)).all()
    assert adjusted.min() == pytest.approx(min(p.min() * 20, 1))


@pytest.mark.parametrize("wrong", [math.nan, -0.1, 1.1])
def test_holm_refuses_what_is_no_probability(wrong):
    with pytest.raises(InputError, match="from 0 to 1"):
        holm([0.1, wrong])


def test_hits_are_counted_by_who_has_them():
    ours, theirs = make_hits(wins=12, losses=5)
    found = compare_hits(ours, theirs, None, DRAWN)
    assert (found.wins, found.losses, found.n, found.clusters) == (12, 5, 967, 967)
    assert found.challenger == pytest.approx(912 / 967)
    assert found.delta == pytest.approx(7 / 967)
    assert found.lower < found.delta < found.upper


@pytest.mark.parametrize(("wins", "losses"), [(30, 10), (12, 25), (60, 60)])
def test_bounds_agree_with_scipys_bootstrap(wins, losses):
    ours, theirs = make_hits(wins, losses)
    found = compare_hits(ours, theirs, None, Bootstrap(0.05, 20_000, seed=1))
    low, high = stats.bootstrap(
        (ours.astype(float) - theirs,),
        np.mean,
        confidence_level=0.9,
        n_resamples=20_000,
        method="percentile",
        rng=np.random.default_rng(0),
        batch=1000,
    ).confidence_interval
    # A resample's difference is a whole number of images: one up or down is no matter.
    assert found.lower == pytest.approx(low, abs=1.5 / found.n)
    assert found.upper == pytest.approx(high, abs=1.5 / found.n)


def test_many_images_are_bounded_like_few():
    """More than a thousand clusters are dealt into a thousand; nothing else may change."""
    ours, theirs = make_hits(wins=80, losses=50, right=9800, wrong=70)
    found = compare_hits(ours, theirs, None, Bootstrap(0.05, 20_000, seed=3))
    spread = math.sqrt((130 - 30**2 / 10_000) / 10_000**2)
    assert found.delta - found.lower == pytest.approx(1.645 * spread, rel=0.08)
    assert found.upper - found.delta == pytest.approx(1.645 * spread, rel=0.08)


def test_images_of_one_writer_are_no_independent_witnesses():
    ours, theirs = make_hits(wins=40, losses=10, right=940, wrong=10)
    alone = compare_hits(ours, theirs, None, DRAWN)
    # All wins and losses are of two of a hundred writers.
    together = compare_hits(ours, theirs, np.arange(1000) // 25, DRAWN)
    assert together.clusters == 40
    assert together.lower <= 0 < alone.lower
    assert together.delta == alone.delta


def test_models_that_swap_places_swap_the_bounds():
    ours, theirs = make_hits(wins=31, losses=12)
    groups = np.random.default_rng(0).integers(0, 200, len(ours))
    there = compare_hits(ours, theirs, groups, DRAWN)
    back = compare_hits(theirs, ours, groups, DRAWN)
    assert (back.wins, back.losses) == (there.losses, there.wins)
    assert (back.lower, back.upper) == pytest.approx((-there.upper, -there.lower))


def test_bounds_do_not_depend_on_how_writers_are_numbered():
    ours, theirs = make_hits(wins=31, losses=12)
    writers = np.random.default_rng(0).integers(0, 200, len(ours))
    found = compare_hits(ours, theirs, writers, DRAWN)
    assert compare_hits(ours, theirs, writers * 5 + 3, DRAWN) == found


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (np.ones(0, bool), np.ones(0, bool)),
        (np.ones(3, bool), np.ones(4, bool)),
        (np.ones((3, 1), bool), np.ones((3, 1), bool)),
        (np.ones(3), np.ones(3)),
    ],
)
def test_hits_that_do_not_fit_are_refused(ours, theirs):
    with pytest.raises(InputError, match="got"):
        compare_hits(ours, theirs, None, DRAWN)


@pytest.mark.parametrize(("wins", "losses", "n"), [(0, 0, 1000), (3, 9, 400), (50, 20, 1000)])
def test_bounds_of_a_slice_are_walds_with_half_a_row_added_to_each_cell(wins, losses, n):
    low, high = bound_paired_difference(wins, losses, n, 0.05)
    b, c, total = wins + 0.5, losses + 0.5, n + 2
    spread = math.sqrt(b + c - (b - c) ** 2 / total) / total
    z = stats.norm.ppf(0.95)
    assert low == pytest.approx((b - c) / total - z * spread)
    assert high == pytest.approx((b - c) / total + z * spread)


@pytest.mark.parametrize(("wins", "losses", "n"), [(0, 0, 0), (3, 3, 5), (-1, 2, 10)])
def test_wins_and_losses_must_fit_into_the_rows(wins, losses, n):
    with pytest.raises(InputError, match="do not fit"):
        bound_paired_difference(wins, losses, n, 0.05)


def test_the_bounds_of_a_slice_stay_within_one():
    assert bound_paired_difference(3, 0, 3, 0.001)[1] == 1
    assert bound_paired_difference(0, 3, 3, 0.001)[0] == -1


def test_squared_errors_are_compared_on_the_same_rows():
    rng = np.random.default_rng(0)
    theirs = rng.normal(0, 2, 3000)
    ours = theirs * 0.9
    found = compare_squared_errors(ours, theirs, None, DRAWN)
    assert found.challenger == pytest.approx(np.mean(ours**2))
    assert found.champion == pytest.approx(np.mean(theirs**2))
    assert found.upper < 0
    assert found.p == pytest.approx(1 / 2001)
    assert compare_squared_errors(theirs, ours, None, DRAWN).p == 1


def test_bounds_of_squared_errors_agree_with_scipys_bootstrap():
    rng = np.random.default_rng(0)
    ours, theirs = rng.normal(0, 1, 800), rng.normal(0, 1.05, 800)
    found = compare_squared_errors(ours, theirs, None, DRAWN)
    low, high = stats.bootstrap(
        (ours**2 - theirs**2,),
        np.mean,
        confidence_level=0.9,
        n_resamples=4000,
        method="percentile",
        rng=rng,
    ).confidence_interval
    assert found.lower == pytest.approx(low, abs=0.05 * (high - low))
    assert found.upper == pytest.approx(high, abs=0.05 * (high - low))


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_errors_that_are_no_numbers_are_refused(wrong):
    with pytest.raises(InputError, match="finite"):
        compare_squared_errors(np.array([1.0, wrong]), np.ones(2), None, DRAWN)


DRAWN_FEW = Bootstrap(significance=0.05, resamples=400, seed=1)
RNG_SEED = 7


def make_predictions(n=600):
    rng = np.random.default_rng(RNG_SEED)
    labels = rng.integers(0, 10, n).astype(np.uint8)
    models = [rng.dirichlet(np.full(10, 0.3), n) for _ in range(2)]
    for model in models:
        model[np.arange(n), labels] += 2
        model /= model.sum(axis=1, keepdims=True)
    return labels, *models


def test_figures_are_those_of_the_metrics():
    labels, ours, theirs = make_predictions()
    found = compare_calibration(labels, ours, theirs, None, DRAWN_FEW)
    for name, difference in found.items():
        for model, figure in ((ours, difference.challenger), (theirs, difference.champion)):
            assert figure == pytest.approx(getattr(measure_predictions(labels, model), name))


def test_draws_by_writer_are_those_of_whole_writers_measured_anew():
    """The sums of bins a writer give what measuring the drawn images themselves gives."""
    labels, ours, theirs = make_predictions(120)
    writers = np.arange(120) // 6
    found = compare_calibration(labels, ours, theirs, writers, DRAWN_FEW)
    drawn = np.random.default_rng(DRAWN_FEW.seed).integers(20, size=(DRAWN_FEW.resamples, 20))
    gaps = []
    for chosen in drawn:
        rows = np.concatenate([np.flatnonzero(writers == writer) for writer in chosen])
        eces = [measure_predictions(labels[rows], model[rows]).ece for model in (ours, theirs)]
        gaps.append(eces[0] - eces[1])
    assert (found["ece"].lower, found["ece"].upper) == pytest.approx(
        DRAWN_FEW.find_bounds(np.array(gaps), 20)
    )


def test_a_model_against_itself_does_not_differ():
    labels, ours, _ = make_predictions()
    for difference in compare_calibration(labels, ours, ours, None, DRAWN_FEW).values():
        assert (difference.delta, difference.lower, difference.upper) == (0, 0, 0)


def test_probabilities_that_are_none_are_refused():
    labels, ours, theirs = make_predictions()
    ours[3, 3] = np.nan
    with pytest.raises(InputError, match="sum to 1"):
        compare_calibration(labels, ours, theirs, None, DRAWN_FEW)
