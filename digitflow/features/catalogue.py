"""The recipes, found by name.

A recipe is a module of this package that defines
`build_steps(seed) -> list of (name, unfitted transformer)`, from uint8 images
(n, 28, 28) to float32 features (n, d).
"""

from importlib import import_module
from typing import Any

from digitflow.catalogue import find_module, list_modules

PACKAGE = "digitflow.features.recipes"


def recipe_module(name: str) -> str:
    """Return the dotted name of a recipe's module, "digitflow.features.recipes.strokes".

    Raises
    ------
    InputError
        If there is no such recipe; it lists the known ones.
    """
    return find_module(PACKAGE, name, "build_steps", "recipe")


def list_recipes() -> list[str]:
    """Return the names of the recipes, sorted."""
    return list_modules(PACKAGE, "build_steps")


def build_steps(name: str, seed: int) -> list[tuple[str, Any]]:
    """Return a recipe's named, unfitted transformers.

    Raises
    ------
    InputError
        If there is no such recipe; it lists the known ones.
    """
    steps: list[tuple[str, Any]] = import_module(recipe_module(name)).build_steps(seed)
    return steps
