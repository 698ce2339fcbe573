"""Nothing that a user can type or set is undocumented, and no page points nowhere."""

import inspect
import json
import re
import shlex
import typing
from pathlib import Path

import jsonschema
import pytest
import yaml
from pydantic import BaseModel
from typer.main import get_command
from typer.testing import CliRunner

from digitflow.catalogue import CHECKS, ESTIMATORS, RECIPES
from digitflow.cli.main import app
from digitflow.config import data, digits, gate, reading, table, training

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "artifacts" / "README.md"]
CONFIGS = sorted(ROOT.glob("configs/*.yaml"))
SECTIONS = [
    value
    for module in (data, digits, gate, reading, table, training)
    for _, value in inspect.getmembers(module, inspect.isclass)
    if issubclass(value, BaseModel) and value.__module__ == module.__name__
]
KEYS = sorted({field for section in SECTIONS for field in section.model_fields})


def _read(name):
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("key", KEYS)
def test_every_config_key_is_documented(key):
    assert re.search(rf"`(\w+\.)*{key}`", _read("docs/configuration.md"))


@pytest.mark.parametrize("name", [*ESTIMATORS.names(), *RECIPES.names()])
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


def _list_commands(group, words="digitflow"):
    """Yield (words to type, command), those of groups included."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _list_commands(command, f"{words} {name}")
        yield f"{words} {name}", command


COMMANDS = dict(_list_commands(get_command(app)))


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_and_option_is_documented(words):
    page = _read("docs/commands.md")
    assert re.search(rf"`{words}[ `]", page)
    assert COMMANDS[words].help
    for parameter in COMMANDS[words].params:
        if parameter.param_type_name == "option" and not parameter.hidden:
            assert any(f"{option}" in page for option in parameter.opts), parameter.opts


RUNNABLE = {words: each for words, each in COMMANDS.items() if each.params}


@pytest.mark.parametrize("words", RUNNABLE)
def test_every_command_has_an_example_that_can_be_typed(words):
    command, example = COMMANDS[words], RUNNABLE[words].epilog
    assert example.startswith(f"Example: {words}")
    typed = shlex.split(example.removeprefix(f"Example: {words}"))
    # An unknown option, a missing argument or a wrong value raises here.
    command.make_context(words, typed)


@pytest.mark.parametrize("options", [[], ["--notifications"]])
def test_the_schemas_beside_the_configs_are_those_of_the_code(options):
    """Mend it by `digitflow config schema > configs/schema.json`."""
    name = "notifications-schema" if options else "schema"
    printed = CliRunner().invoke(app, ["config", "schema", *options]).output
    assert printed == _read(f"configs/{name}.json")


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
def test_every_config_names_a_schema_that_it_fits(config):
    text = config.read_text(encoding="utf-8")
    (name,) = re.findall(r"^# yaml-language-server: \$schema=(.*)$", text, re.MULTILINE)
    jsonschema.validate(yaml.safe_load(text), json.loads(_read(f"configs/{name}")))


@pytest.mark.parametrize("check", CHECKS.names())
def test_every_check_of_the_gate_is_explained(check):
    assert f"`{check}`" in _read("docs/gates.md")


def test_every_deployment_is_explained():
    deployments = yaml.safe_load(_read("prefect.yaml"))["deployments"]
    page = _read("docs/unattended.md")
    assert deployments
    assert all(f"`{deployment['name']}`" in page for deployment in deployments)


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
