"""Shares of the groups, and rows that stay on their side."""

import itertools

import numpy as np
import pytest
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

from digitflow.config.table import TableShares
from digitflow.data.tables.sets import identify_set
from digitflow.data.tables.splits import split_rows
from digitflow.studies.plan import ExperimentContext, plan_section
from digitflow.studies.table.data import find_table
from digitflow.studies.table.experiments import split as splitting
from digitflow.studies.table.experiments.split import _shuffle


@pytest.fixture
def split(make_study, run_plan):
    """Findings of the section."""
    scope, data = make_study()
    found = run_plan(plan_section("split", scope), data)
    return {name: facts.values for name, facts in found.items()}


def test_stratified_shares_are_those_of_all_rows_to_a_row(split):
    found = split["proportions"]
    total = sum(found["counts"])
    assert sum(found["overall"]) == pytest.approx(1)
    assert found["overall"] == [count / total for count in found["counts"]]
    one_row = 1 / (0.2 * total)
    assert found["stratified"] == pytest.approx(found["overall"], abs=one_row)
    assert found["random"] != pytest.approx(found["overall"], abs=one_row)


def test_stratified_shuffles_are_off_by_less(split):
    found = split["shuffles"]
    assert len(found["stratified"]) == len(found["random"]) == 10
    assert sum(found["stratified"]) < sum(found["random"])


def test_by_hash_no_earlier_row_changes_sides_when_rows_are_added(split):
    found = split["added rows"]
    assert found["later"] > 0
    assert (found["hash"]["left"], found["hash"]["joined"]) == (0, 0)
    assert found["hash"]["test"] > 0
    assert found["shuffle"]["left"] > 0


def make_groups(*counts):
    edges = np.cumsum([0, *counts])
    rows = np.arange(edges[-1])
    return {
        f"g{k}": (rows >= low) & (rows < high)
        for k, (low, high) in enumerate(itertools.pairwise(edges))
    }


def test_shuffles_are_those_of_scikit_learn():
    groups = make_groups(60, 30, 10)
    numbers = np.repeat([0, 1, 2], [60, 30, 10])
    for stratified, kind in ((True, StratifiedShuffleSplit), (False, ShuffleSplit)):
        drawn = _shuffle(groups, 0.2, 7, 3, stratified)
        wanted = kind(3, test_size=0.2, random_state=7).split(numbers, numbers)
        for ours, (_, theirs) in zip(drawn, wanted, strict=True):
            np.testing.assert_array_equal(ours, theirs)
        assert len(drawn) == 3


def test_the_error_of_a_shuffle_is_that_of_the_share_that_is_most_off(monkeypatch):
    groups = make_groups(50, 40, 10)
    # Ten rows of which six, four and none are of each group: shares of .6, .4 and 0.
    chosen = np.array([*range(6), *range(50, 54)])
    monkeypatch.setattr(splitting, "find_table", lambda _: None)
    monkeypatch.setattr(splitting, "_find_groups", lambda *_: groups)
    monkeypatch.setattr(splitting, "_shuffle", lambda *_: [chosen, np.arange(100)])
    found = splitting.repeat_shuffles(ExperimentContext(None, None, 0, 1), {}, 0.1, 2).values
    assert found["random"] == pytest.approx([1.0, 0.0])
    del groups["g2"]
    found = splitting.repeat_shuffles(ExperimentContext(None, None, 0, 1), {}, 0.1, 2).values
    # .6 of .5 is a fifth too much; .4 of .4 is right.
    assert found["stratified"] == pytest.approx([0.2, 0.0])


def test_the_plan_asks_ten_times_and_for_the_last_tenth(make_study):
    scope, _ = make_study()
    steps = {step.name: step for step in plan_section("split", scope)}
    assert steps["shuffles"].params["shuffles"] == 10
    assert steps["added rows"].params["test"] == scope.test_share == 0.2
    (alone,) = plan_section("split", scope.model_copy(update={"stratify": None}))
    assert (alone.name, alone.params["strata"]) == ("added rows", None)


def test_a_tenth_comes_later_and_who_changes_sides_is_counted(make_study, store):
    _, data = make_study()
    context = ExperimentContext(store, data, 42, 1)
    found = splitting.add_rows(context, None, 0.2).values
    total = find_table(context).rows
    assert found["later"] == round(0.1 * total)
    assert found["earlier"] == total - found["later"]
    shuffled = found["shuffle"]
    keys = identify_set(store, find_table(context), ())
    order = np.random.default_rng(42).permutation(total)
    earlier = np.sort(order[round(0.1 * total) :])
    shares = TableShares(by="shuffle", test=0.2)
    before = set(earlier[split_rows(keys[earlier], None, shares, False, 42)["test"]].tolist())
    after = set(split_rows(keys, None, shares, False, 42)["test"].tolist())
    after &= set(earlier.tolist())
    assert shuffled == {
        "test": len(before),
        "left": len(before - after),
        "joined": len(after - before),
    }
