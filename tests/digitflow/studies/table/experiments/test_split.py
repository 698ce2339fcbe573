"""Shares of the groups, and rows that stay on their side."""

import pytest

from digitflow.studies.plan import plan_section


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
