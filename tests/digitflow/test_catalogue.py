"""Modules found by name and by what they define, on a package made for the test."""

import sys

import pytest

from digitflow.catalogue import find_module, list_modules
from digitflow.errors import InputError


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "made_for_the_test"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "oak.py").write_text("raise RuntimeError('imported')\ndef grow(): ...\n")
    (folder / "elm.py").write_text("def grow(): ...\n")
    (folder / "soil.py").write_text("from .elm import grow\n")
    (folder / "catalogue.py").write_text("def grow(): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "made_for_the_test"
    for name in [name for name in sys.modules if name.startswith("made_for_the_test")]:
        del sys.modules[name]


def test_modules_that_define_the_function_are_listed_and_none_is_imported(package):
    assert list_modules(package, "grow") == ["elm", "oak"]


def test_a_module_put_into_the_package_is_found(package):
    assert find_module(package, "oak", "grow", "tree") == "made_for_the_test.oak"


@pytest.mark.parametrize("name", ["soil", "catalogue", "ash", "elm.grow", ""])
def test_an_unknown_name_lists_the_known_ones(package, name):
    with pytest.raises(InputError, match=f"there is no tree {name!r}; known: elm, oak"):
        find_module(package, name, "grow", "tree")
