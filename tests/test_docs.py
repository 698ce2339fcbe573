"""Nothing that a user can type or set is undocumented, and no page points nowhere."""

import inspect
import re
import typing
from pathlib import Path

import pytest
from pydantic import BaseModel

from digitflow import config
from digitflow.features.catalogue import list_recipes
from digitflow.models.catalogue import list_estimators
from flows.cli import app

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "artifacts" / "README.md"]
SECTIONS = [
    value
    for _, value in inspect.getmembers(config, inspect.isclass)
    if issubclass(value, BaseModel) and value.__module__ == config.__name__
]
KEYS = sorted({field for section in SECTIONS for field in section.model_fields})


def _read(name):
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("key", KEYS)
def test_every_config_key_is_documented(key):
    assert re.search(rf"`(\w+\.)?{key}`", _read("docs/configuration.md"))


@pytest.mark.parametrize("name", [*list_estimators(), *list_recipes()])
def test_every_estimator_and_recipe_is_documented(name):
    assert f"`{name}`" in _read("docs/configuration.md")


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.__name__)
def test_every_config_key_says_what_it_is_in_the_form(section):
    plain = {
        name: field
        for name, field in section.model_fields.items()
        if name not in ("kind", "backend") and not _is_section(field.annotation)
    }
    assert all(field.description for field in plain.values())


def _is_section(annotation):
    parts = typing.get_args(annotation) or (annotation,)
    return any(isinstance(part, type) and issubclass(part, BaseModel) for part in parts) or any(
        _is_section(part) for part in parts if typing.get_args(part)
    )


@pytest.mark.parametrize("command", [c.callback.__name__ for c in app.registered_commands])
def test_every_command_and_option_is_documented(command):
    page = _read("docs/commands.md")
    assert f"`digitflow {command}" in page
    (found,) = [c for c in app.registered_commands if c.callback.__name__ == command]
    assert found.callback.__doc__
    for name in inspect.signature(found.callback).parameters:
        option = {"as_json": "json"}.get(name, name).replace("_", "-")
        assert f"--{option}" in page or option in ("files", "run", "model")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_every_make_target_is_documented():
    targets = re.findall(r"^(\w+):.*##", _read("Makefile"), re.MULTILINE)
    page = _read("docs/commands.md")
    assert {"run", "test", "up", "down"} <= set(targets)
    assert all(f"make {target}" in page for target in targets if target != "help")
