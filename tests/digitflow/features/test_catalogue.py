"""Recipes are found by the name of their module."""

import pytest

from digitflow.errors import InputError
from digitflow.features.catalogue import build_steps, list_recipes, recipe_module


def test_a_recipe_is_a_module_that_defines_its_steps():
    assert {"pixels", "scaled", "pca", "strokes"} <= set(list_recipes())
    assert not {"catalogue", "preparing", "images"} & set(list_recipes())


def test_a_recipe_has_the_dotted_name_of_its_module():
    assert recipe_module("strokes") == "digitflow.features.recipes.strokes"


@pytest.mark.parametrize("name", ["preparing", "catalogue", "Strokes", "", "no.pixels"])
def test_an_unknown_recipe_lists_the_known_ones(name):
    with pytest.raises(InputError, match="known: components, pca, pixels, scaled, strokes"):
        recipe_module(name)


@pytest.mark.parametrize("name", list_recipes())
def test_steps_are_named_and_new_each_time(name):
    first, second = build_steps(name, 0), build_steps(name, 0)
    labels = [label for label, _ in first]
    assert len(set(labels)) == len(labels)
    assert all(a is not b for (_, a), (_, b) in zip(first, second, strict=True))
