"""Modules found by name and by what they define, on a package made for the test."""

import subprocess
import sys
from importlib import import_module

import pytest

from digitflow.catalogue import BACKENDS, CHECKS, RECIPES, SOURCES, Catalogue
from digitflow.config import gate
from digitflow.errors import InputError
from digitflow.features.preparing import build_steps
from digitflow.gate.verdict import run_check


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "made_for_the_test"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "oak.py").write_text("raise RuntimeError('imported')\ndef grow(): ...\n")
    (folder / "elm.py").write_text("def grow(): ...\n")
    (folder / "soil.py").write_text("from .elm import grow\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "made_for_the_test"
    for name in [name for name in sys.modules if name.startswith("made_for_the_test")]:
        del sys.modules[name]


def test_modules_that_define_the_function_are_listed_and_none_is_imported(package):
    assert Catalogue(package, "grow", "tree").names() == ["elm", "oak"]


def test_a_module_put_into_the_package_is_found(package):
    assert Catalogue(package, "grow", "tree").module("oak") == "made_for_the_test.oak"


@pytest.mark.parametrize("name", ["soil", "ash", "elm.grow", ""])
def test_an_unknown_name_lists_the_known_ones(package, name):
    with pytest.raises(InputError, match=f"there is no tree {name!r}; known: elm, oak"):
        Catalogue(package, "grow", "tree").module(name)


def test_a_backend_is_a_module_of_its_name():
    assert BACKENDS.module("shift") == "digitflow.augment.backends.shift"
    assert "shift" in BACKENDS.names()


@pytest.mark.parametrize("name", ["rotate", "catalogue", "", "shift.shift", "../shift"])
def test_an_unknown_backend_lists_the_known_ones(name):
    with pytest.raises(InputError, match=r"known: .*shift"):
        BACKENDS.module(name)


KINDS = ["arrays", "builtin", "images", "mnist", "table"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_source_of_the_config_has_its_module(kind):
    module = import_module(SOURCES.module(kind))
    assert callable(module.fingerprint)
    assert callable(module.load)


@pytest.mark.parametrize("kind", ["webcam", "", "mnist.py", "../mnist"])
def test_an_unknown_source_is_refused_with_the_known_ones(kind):
    with pytest.raises(
        InputError, match="known: arrays, builtin, images, mix, mnist, pen, table"
    ):
        SOURCES.module(kind)


def test_importing_the_sources_loads_no_heavy_library():
    modules = ", ".join(SOURCES.module(kind) for kind in KINDS)
    code = (
        f"import sys, digitflow.data.validation, digitflow.data.splits, {modules}\n"
        "print({'sklearn', 'cv2', 'pandas', 'pyarrow', 'scipy'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


def test_a_recipe_is_a_module_that_defines_its_steps():
    assert {"pixels", "scaled", "pca", "strokes"} <= set(RECIPES.names())
    assert not {"catalogue", "preparing", "images"} & set(RECIPES.names())


def test_a_recipe_has_the_dotted_name_of_its_module():
    assert RECIPES.module("strokes") == "digitflow.features.recipes.strokes"


@pytest.mark.parametrize("name", ["preparing", "catalogue", "Strokes", "", "no.pixels"])
def test_an_unknown_recipe_lists_the_known_ones(name):
    with pytest.raises(
        InputError, match="known: columns, components, districts, neighbourhoods, pca"
    ):
        RECIPES.module(name)


@pytest.mark.parametrize("name", RECIPES.names())
def test_steps_are_named_and_new_each_time(name):
    first, second = build_steps(name, 0), build_steps(name, 0)
    labels = [label for label, _ in first]
    assert len(set(labels)) == len(labels)
    assert all(a is not b for (_, a), (_, b) in zip(first, second, strict=True))


def test_the_checks_of_the_config_are_those_that_there_are():
    kinds = (gate.DigitsLimits, gate.ClassificationLimits, gate.RegressionLimits)
    assert CHECKS.names() == sorted({name for limits in kinds for name in limits().checks})


def test_a_check_is_found_by_its_name(make_evidence):
    assert CHECKS.module("floor") == "digitflow.gate.checks.floor"
    (check,) = run_check("floor", make_evidence(), gate.DigitsLimits(), seed=1)
    assert check.id == "floor.min_accuracy"


@pytest.mark.parametrize("name", ["check", "cheaper", "fair"])
def test_an_unknown_check_is_an_error_that_lists_the_known_ones(name):
    with pytest.raises(InputError, match="better, budgets, calibration, coverage, floor"):
        CHECKS.module(name)
