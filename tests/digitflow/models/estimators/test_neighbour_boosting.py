"""Averages over neighbours against a loop over all pairs; boosting with and without them."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.metrics import r2_score
from threadpoolctl import threadpool_limits

from digitflow.models.building import build_estimator
from digitflow.models.estimators import neighbour_boosting
from digitflow.models.estimators.neighbour_boosting import NeighbourTargets
from digitflow.models.persistence import dump_model, load_model

SIZES, REACHES, TOLERANCES = (1, 3, 7), (0.05, 0.4), (0.8,)


@pytest.fixture(autouse=True)
def one_thread():
    """As fits run: threads that wait for one another take longer than what they compute."""
    with threadpool_limits(1):
        yield


def make_rows(count, seed=0):
    """Rows of a place (2), a likeness (2) and one more; worth what nobody could tell."""
    draw = np.random.default_rng(seed)
    features = np.column_stack([draw.random((count, 2)), draw.normal(size=(count, 3))])
    return features, draw.normal(size=count)


def build(**more):
    given = {"sizes": SIZES, "reaches": REACHES, "tolerances": TOLERANCES, "neighbours": 40}
    return NeighbourTargets(alike=2, **{**given, **more})


def average_naively(row, rows, targets, count):
    """Return the averages around a row, by its distance to every other row."""
    distances = np.hypot(*(rows[:, :2] - row[:2]).T)
    near = np.argsort(distances)[:count]
    distances, worth = distances[near], targets[near]
    unlike = np.square(rows[near, 2:4] - row[2:4]).sum(axis=1)
    found = [worth[:size].mean() for size in SIZES]
    for reach in REACHES:
        close = np.exp(-(distances**2) / (2 * reach**2))
        for other in (1, *(np.exp(-unlike / (2 * t**2)) for t in TOLERANCES)):
            weights = close * other + 1e-6
            found.append((weights * worth).sum() / weights.sum())
    most = max(SIZES)
    return [*found, worth[:most].std(), distances[0], distances[:most].mean()]


def test_averages_are_those_of_a_loop_over_all_pairs():
    rows, targets = make_rows(120)
    others, _ = make_rows(30, seed=1)
    transformer = build()
    trained, found = transformer.fit_transform(rows, targets), transformer.transform(others)
    np.testing.assert_array_equal(trained[:, :5], rows)
    np.testing.assert_array_equal(found[:, :5], others)
    expected = [average_naively(row, rows, targets, 40) for row in others]
    np.testing.assert_allclose(found[:, 5:], expected, atol=1e-12)
    left = [np.delete(np.arange(120), number) for number in range(120)]
    expected = [
        average_naively(row, rows[rest], targets[rest], 40)
        for row, rest in zip(rows, left, strict=True)
    ]
    np.testing.assert_allclose(trained[:, 5:], expected, atol=1e-12)


@pytest.mark.parametrize("crowd", [1, 60])
def test_a_training_row_knows_nothing_of_its_own_target(crowd):
    rows, targets = make_rows(120)
    rows[:crowd, :2] = 0.5  # more in one place than are looked at
    other = targets.copy()
    other[7] += 100
    first, second = (build().fit_transform(rows, each) for each in (targets, other))
    np.testing.assert_array_equal(first[7], second[7])
    assert (first != second).any()


def test_rows_in_batches_are_rows_together(monkeypatch):
    rows, targets = make_rows(120)
    expected = build().fit_transform(rows, targets)
    monkeypatch.setattr(neighbour_boosting, "_BATCH", 50)
    transformer = build()
    np.testing.assert_array_equal(transformer.fit_transform(rows, targets), expected)
    alone = transformer.transform(rows[3:4])
    np.testing.assert_allclose(alone, transformer.transform(rows)[3:4], atol=1e-12)


def test_fewer_rows_than_neighbours_will_do():
    rows, targets = make_rows(5)
    found = build(neighbours=200).fit_transform(rows, targets)
    assert np.isfinite(found).all()
    everyone = [np.delete(targets, number).mean() for number in range(5)]
    np.testing.assert_allclose(found[:, 5 + SIZES.index(7)], everyone)


def test_streets_that_trees_can_not_cut_out_are_learnt_from_neighbours():
    draw = np.random.default_rng(3)
    features = np.column_stack([draw.random((1500, 2)), draw.normal(size=(1500, 4))])
    targets = np.sin(25 * features[:, 0]) * np.sin(25 * features[:, 1]) + features[:, 2]
    quick = {"max_iter": 60, "learning_rate": 0.1, "max_leaf_nodes": 15}
    given = {**quick, "reaches": [0.02, 0.05], "members": 1}
    ours = build_estimator("neighbour_boosting", given, 0, 1)
    plain = HistGradientBoostingRegressor(**quick, random_state=0)
    scores = [
        r2_score(
            targets[1200:], each.fit(features[:1200], targets[:1200]).predict(features[1200:])
        )
        for each in (ours, plain)
    ]
    # Of what trees leave unexplained, less than half.
    assert 1 - scores[0] < 0.5 * (1 - scores[1])


def test_members_draw_differently_and_the_seed_decides():
    rows, targets = make_rows(200)
    quick = {"max_iter": 5, "members": 2, "alike": 2}
    first, again, other = (
        build_estimator("neighbour_boosting", quick, seed, 1).fit(rows, targets).predict(rows)
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    fitted = build_estimator("neighbour_boosting", quick, 0, 1).fit(rows, targets)
    members, extended = fitted.members_, fitted.neighbours_.transform(rows)
    assert (members[0].predict(extended) != members[1].predict(extended)).any()


def test_it_can_be_stored(store):
    rows, targets = make_rows(200)
    quick = {"max_iter": 5, "members": 2, "alike": 2}
    fitted = build_estimator("neighbour_boosting", quick, 0, 1).fit(rows, targets)
    ref = dump_model(fitted, store)
    np.testing.assert_array_equal(load_model(ref, store).predict(rows), fitted.predict(rows))
    assert dump_model(load_model(ref, store), store) == ref
