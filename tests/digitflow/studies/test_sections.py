"""Sections are found by name, in the order of the report."""

import pytest

from digitflow.config.study import StudySettings
from digitflow.errors import InputError
from digitflow.studies.chapter_catalogue import chapter_module
from digitflow.studies.plan import Scope
from digitflow.studies.running import check_plan
from digitflow.studies.sections import ORDER, choose_sections, list_sections, plan_section

SCOPES = {
    "mnist": Scope(
        source="mnist",
        train_rows=60_000,
        test_rows=10_000,
        complete=True,
        writers=True,
        test_writers=True,
        seed=42,
        settings=StudySettings(),
    ),
    "builtin": Scope(
        source="builtin",
        train_rows=1437,
        test_rows=360,
        complete=True,
        writers=False,
        test_writers=False,
        seed=42,
        settings=StudySettings(),
    ),
}


def test_all_sections_are_there_in_their_order():
    assert tuple(list_sections()) == ORDER


def test_sections_are_chosen_once_and_in_order():
    assert choose_sections(("detector", "explore", "detector")) == ["explore", "detector"]
    assert choose_sections(()) == list(ORDER)


def test_an_unknown_section_lists_the_known_ones():
    with pytest.raises(InputError, match=r"no section detektor; known: explore, detector, .*"):
        choose_sections(("detektor", "explore"))


@pytest.mark.parametrize("scope", SCOPES.values(), ids=SCOPES)
@pytest.mark.parametrize("section", ORDER)
def test_every_plan_can_be_carried_out_and_has_a_chapter(section, scope):
    plan = plan_section(section, scope)
    check_plan(plan)
    assert plan
    assert plan == plan_section(section, scope)
    assert chapter_module(section) == f"digitflow.studies.chapters.{section}"
