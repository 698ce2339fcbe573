"""What `digitflow models ...` and `digitflow rollback` print, for people and for scripts."""

import json
import re
import shutil

import pytest
import typer
from real_service import BETTER
from typer.testing import CliRunner

from digitflow.cli.models import app, rollback
from digitflow.cli.tables import print_comparison
from digitflow.errors import InputError
from digitflow.registry.champion import read_champion
from digitflow.store.artifacts import Store
from digitflow.store.files import ARTIFACTS_VARIABLE

MODEL = "digits-sample"
WIDTH = 80

back = typer.Typer()
back.command()(rollback)


@pytest.fixture(scope="module")
def trained_twice(copy_project, refused_once, tmp_path_factory):
    """A project whose second champion is an SVM, once refused; only read."""
    project = copy_project(refused_once, tmp_path_factory.mktemp("twice"))
    project.config["candidates"].append(BETTER)
    assert project.train()["verdict"]["outcome"] == "promote"
    return project


@pytest.fixture
def store(trained_twice, tmp_path, monkeypatch):
    shutil.copytree(trained_twice.store.root, tmp_path / "artifacts", symlinks=True)
    monkeypatch.setenv(ARTIFACTS_VARIABLE, str(tmp_path / "artifacts"))
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    return Store(tmp_path / "artifacts")


def run(*arguments, commands=app):
    """Run a command in this process; return what it printed, which fits the width."""
    result = CliRunner().invoke(commands, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    if "--json" in arguments:
        return json.loads(result.stdout)
    # A verdict's sentences are left to the terminal to wrap.
    ours = result.stdout.partition("verdict   ")[0].splitlines()
    assert not [line for line in ours if len(line) > WIDTH and "index.html" not in line]
    return result.stdout


def test_the_list_shows_versions_verdicts_and_aliases(store):
    listed = run("--json")
    assert [(v["version"], v["outcome"]) for v in listed] == [
        ("2", "promote"),
        ("1", "bootstrap"),
    ]
    text = run("--model", MODEL)
    assert MODEL in text
    assert "challenger, champion" in text


@pytest.mark.parametrize("name", ["2", "champion", "challenger"])
def test_show_tells_all_that_a_version_carries(store, name):
    shown = run("show", name, "--json")
    assert shown["version"] == "2"
    assert shown["aliases"] == ["challenger", "champion"]
    assert shown["verdict"]["comparison"]["champion_version"] == "1"
    assert shown["facts"]["test"]["samples"]["digest"]
    assert shown["facts"]["costs"]["bytes"] > 0
    assert shown["bundle"]["golden"]["samples"]["shape"] == [32, 28, 28]
    assert shown["facts"]["signature"]["outputs"] == ["float64", [-1, 10]]
    assert [entry["kind"] for entry in shown["history"]] == ["promote"]
    assert [judged["outcome"] for judged in shown["judgements"]] == ["promote", "keep"]
    assert len(list(store.root.glob("registry/artifacts/*/artifacts/report/index.html"))) == 2


def test_what_show_prints_is_the_same_for_people(store):
    text = run("show", "previous")
    assert text.startswith(f"{MODEL} version 1 (previous)")
    for label in ("metrics", "costs", "code", "data", "environment", "signature", "golden"):
        assert f"\n{label}" in text
    assert "uint8 (-1, 28, 28)" in text
    assert "estimator: knn" in text
    assert "better.superior" not in text  # the first one had nobody to be better than
    assert "verdict   bootstrap" in text


def test_compare_scores_both_on_the_same_images(store, capsys):
    compared = run("compare", "1", "2", "--json")
    verdict = compared["verdict"]
    assert (compared["first"], compared["second"]) == ("1", "2")
    assert verdict["comparison"]["champion_version"] == "2"
    assert verdict["challenger"]["test_digest"] == verdict["champion"]["test_digest"]
    assert verdict["champion"]["value"] > verdict["challenger"]["value"]
    assert read_champion(store, MODEL).version == "2"
    print_comparison(compared)
    assert "challenger: version 1; champion: version 2" in capsys.readouterr().out


def test_diff_shows_what_differs_in_configs_and_verdicts(store):
    found = run("diff", "previous", "champion", "--json")
    keys = {item["key"]: item["second"] for item in found["config"]}
    assert keys["candidates.svm-strokes.estimator"] == "svm"
    asked = {item["key"]: (item["first"], item["second"]) for item in found["checks"]}
    assert asked["better.superior on test"][0] is None
    assert asked["better.superior on test"][1]["verdict"] == "pass"
    text = run("diff", "1", "2")
    assert "  candidates.svm-strokes.recipe: none -> strokes\n" in text
    assert re.search(r"- not run *\n    \+ pass:", text)
    assert "with the same verdict, but other figures" in text
    assert run("diff", "1", "1").count("the same") == 3


def test_rollback_makes_the_one_before_champion_and_the_history_says_so(store):
    champion = run("--why", "sevens got worse", "--json", commands=back)
    assert champion["version"] == "1"
    entries = run("history", "--json")
    assert [(e["version"], e["kind"]) for e in entries] == [
        ("1", "rollback"),
        ("2", "promote"),
        ("1", "bootstrap"),
    ]
    assert entries[0]["why"] == "sevens got worse"
    assert entries[1]["outcome"] == "promote"
    text = run("history")
    assert "sevens got worse" in text
    assert "@" in text
    assert "of command line" in text
    assert text.count("/index.html\n") == 3
    assert "version 2" in run("--to", "2", commands=back)
    assert read_champion(store, MODEL).version == "2"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "9"), "no version '9'"),
        (("show", "nobody"), "versions and aliases: 2, 1, "),
        (("diff", "1", "9"), "no version '9'"),
        (("show", "1", "--model", "housing"), "housing is not registered"),
        (("--model", "housing"), f"housing is not registered .* Registered: {MODEL}"),
    ],
)
def test_what_is_not_there_is_bad_input(store, arguments, message):
    with pytest.raises(InputError, match=message):
        run(*arguments)
