"""Wilson's interval against scipy's."""

import math

import numpy as np
import pytest
from scipy import stats
from scipy.stats import binomtest

from digitflow.errors import InputError
from digitflow.evaluation.resampling import (
    MOST_CLUSTERS,
    Bootstrap,
    sum_clusters,
    wilson_interval,
)

DRAWN = Bootstrap(significance=0.05, resamples=2000, seed=1)


def test_rows_of_one_group_share_a_cluster_and_unknown_ones_are_alone():
    clusters = DRAWN.group_rows(np.array([7, -1, 7, 3, -1]), 5)
    assert clusters[0] == clusters[2]
    assert len(set(clusters)) == 4
    assert sorted(set(clusters)) == [0, 1, 2, 3]


def test_without_groups_every_row_is_alone():
    assert DRAWN.group_rows(None, 4).tolist() == [0, 1, 2, 3]


def test_many_clusters_are_dealt_whole_into_a_thousand():
    writers = np.repeat(np.arange(3000), 3)
    clusters = DRAWN.group_rows(writers, len(writers))
    assert np.array_equal(np.unique(clusters), np.arange(MOST_CLUSTERS))
    assert (clusters.reshape(3000, 3) == clusters[::3, None]).all()


def test_sums_of_clusters_are_those_of_a_loop():
    rng = np.random.default_rng(0)
    values, clusters = rng.normal(size=(50, 3)), rng.permutation(np.arange(50) % 7)
    looped = [values[clusters == cluster].sum(axis=0) for cluster in range(7)]
    np.testing.assert_allclose(sum_clusters(values, clusters), looped)
    np.testing.assert_allclose(
        sum_clusters(values[:, 0], clusters)[:, 0], np.stack(looped)[:, 0]
    )


def test_every_draw_is_of_as_many_clusters_as_there_are():
    totals = DRAWN.draw_totals(np.column_stack([np.ones(20), np.arange(20.0)]))
    assert (totals[:, 0] == 20).all()
    assert totals[:, 1].mean() == pytest.approx(190, rel=0.01)
    # The variance of a sum of draws with replacement: m times that of one.
    assert totals[:, 1].var() == pytest.approx(20 * np.arange(20.0).var(), rel=0.1)


def test_the_same_seed_draws_the_same():
    sums = np.arange(12.0)[:, None]
    other = Bootstrap(0.05, 2000, seed=2)
    assert np.array_equal(DRAWN.draw_totals(sums), DRAWN.draw_totals(sums))
    assert not np.array_equal(DRAWN.draw_totals(sums), other.draw_totals(sums))


@pytest.mark.parametrize("clusters", [5, 12, 40])
def test_bounds_of_few_clusters_are_those_of_student(clusters):
    spread = 1 / math.sqrt(clusters)
    draws = np.random.default_rng(3).normal(0, spread, 400_000)
    # What the draws of m clusters lack against an unbiased standard error.
    student = stats.t.ppf(0.95, clusters - 1) * spread * math.sqrt(clusters / (clusters - 1))
    low, high = DRAWN.find_bounds(draws, clusters)
    assert -low == pytest.approx(student, rel=0.03)
    assert high == pytest.approx(student, rel=0.03)


@pytest.mark.parametrize("clusters", [0, 1, 4])
def test_fewer_than_five_clusters_have_no_bounds(clusters):
    assert all(math.isnan(bound) for bound in DRAWN.find_bounds(np.zeros(2000), clusters))


@pytest.mark.parametrize(("significance", "resamples"), [(0.0001, 2000), (0, 2000), (0.5, 100)])
def test_a_bound_that_the_draws_cannot_show_is_refused(significance, resamples):
    with pytest.raises(InputError, match="got"):
        Bootstrap(significance, resamples, seed=0)


def test_groups_must_be_one_for_each_row():
    with pytest.raises(InputError, match=r"groups of shape \(3,\)"):
        DRAWN.group_rows(np.zeros(2, int), 3)


def test_bounds_by_writer_cover_what_is_true_as_often_as_they_say():
    """Writers differ by much: by image the bound would be wrong far more often."""
    rng = np.random.default_rng(5)
    quick = Bootstrap(0.05, 400, seed=0)
    writers = np.repeat(np.arange(30), 10)
    wrong = 0
    for _ in range(500):
        values = (rng.normal(0, 1, 30)[:, None] + rng.normal(0, 1, (30, 10))).ravel()
        sums = sum_clusters(np.column_stack([np.ones(300), values]), writers)
        sizes, totals = quick.draw_totals(sums).T
        wrong += quick.find_bounds(totals / sizes, 30)[0] > 0
    assert stats.binomtest(wrong, 500, 0.05).pvalue > 0.001


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.999])
@pytest.mark.parametrize(
    ("correct", "n"), [(0, 1), (1, 1), (0, 40), (40, 40), (1, 3), (355, 360), (9952, 10_000)]
)
def test_the_interval_is_that_of_scipy(correct, n, confidence):
    expected = binomtest(correct, n).proportion_ci(confidence, method="wilson")
    assert wilson_interval(correct, n, confidence) == pytest.approx(tuple(expected), abs=1e-12)


def test_the_ends_are_exact():
    assert wilson_interval(0, 7)[0] == 0
    assert wilson_interval(7, 7)[1] == 1


def test_mistakes_and_hits_mirror_each_other():
    low, high = wilson_interval(3, 50)
    assert wilson_interval(47, 50) == pytest.approx((1 - high, 1 - low))


@pytest.mark.parametrize(("correct", "n"), [(0, 0), (5, 4), (-1, 4), (0, -1)])
def test_impossible_counts_are_refused(correct, n):
    with pytest.raises(InputError, match=f"got {correct} of {n}"):
        wilson_interval(correct, n)


@pytest.mark.parametrize("confidence", [0, 1, 95, float("nan")])
def test_impossible_confidences_are_refused(confidence):
    with pytest.raises(InputError, match="confidence"):
        wilson_interval(1, 2, confidence)
