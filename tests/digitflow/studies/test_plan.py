"""Sections are found by name, in the order of the report."""

import numpy as np
import pytest

from digitflow.catalogue import CHAPTERS
from digitflow.config.training import StudySettings
from digitflow.data.sets import LabelledImages, store_set
from digitflow.errors import InputError
from digitflow.studies.data import plan_features
from digitflow.studies.plan import (
    ORDER,
    Experiment,
    Scope,
    StudyData,
    check_plan,
    choose_sections,
    list_sections,
    plan_section,
    run_plan,
)

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
    assert CHAPTERS.module(section) == f"digitflow.studies.chapters.{section}"


def _name(name, *needs):
    return Experiment(name=name, function="digitflow.studies.nothing.nothing", needs=needs)


def test_an_experiment_comes_after_what_it_needs():
    check_plan((_name("a"), _name("b", "a")))
    with pytest.raises(InputError, match="b needs a, planned before it"):
        check_plan((_name("b", "a"), _name("a")))


def test_a_name_is_given_once():
    with pytest.raises(InputError, match="two experiments are called 'a'"):
        check_plan((_name("a"), _name("a")))


def test_the_features_of_a_recipe_are_found_and_timed(store):
    images = np.random.default_rng(0).integers(0, 256, (60, 28, 28), np.uint8)
    digits = LabelledImages(images, np.arange(60, dtype=np.uint8) % 10)
    data = StudyData(train=store_set(store, digits), test=store_set(store, digits))
    (features,) = run_plan(store, (plan_features("pixels"),), data, 42).values()
    found = store.open_array(features.arrays["test"])
    np.testing.assert_allclose(found, images.reshape(60, -1) / 255, rtol=1e-6)
    assert features.measured["seconds"] > 0


def test_an_unknown_recipe_stops_the_plan():
    with pytest.raises(InputError, match="no recipe 'pixel'"):
        plan_features("pixel")
