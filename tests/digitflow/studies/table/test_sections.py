"""Every section, on generated districts and on a table that nobody chose the columns of."""

import csv
import inspect
import io
import json
from importlib import import_module

import pytest

from digitflow.studies.chapter import Figure, PublishedFigure, Table, draw_chapter
from digitflow.studies.plan import ORDER, Findings, check_plan, plan_section
from digitflow.studies.table.models import MODELS

from .conftest import DIABETES, DISTRICTS


@pytest.fixture
def few_models(monkeypatch):
    """Models that are fitted in no time."""
    for module in ("experiments", "chapters"):
        name = f"digitflow.studies.table.{module}.models.MODELS"
        monkeypatch.setattr(name, ("linear regression", "decision tree", "random forest"))


CASES = [(section, DISTRICTS) for section in ORDER["table"]] + [
    # What these show depends on the columns: no place, no groups, no categories.
    (section, DIABETES)
    for section in ("explore", "split", "evaluate")
]


@pytest.mark.parametrize(
    ("section", "table"), CASES, ids=[f"{section}-{table['model']}" for section, table in CASES]
)
def test_a_section_finds_shows_and_says_something(
    section, table, few_models, make_study, store, run_plan
):
    scope, data = make_study(table)
    plan = plan_section(section, scope)
    found = run_plan(plan, data)
    json.dumps([facts.values for facts in found.values()], allow_nan=False)
    chapter = draw_chapter(store, section, scope, data, found)
    assert chapter.section == section
    assert chapter.findings
    figures = [part for part in chapter.parts if isinstance(part, Figure)]
    tables = [part for part in chapter.parts if isinstance(part, Table)]
    assert figures or (section, scope.stratify) == ("split", None)
    assert tables
    for figure in figures:
        assert figure.sentence.endswith(".")
        assert store.read_bytes(figure.png).startswith(b"\x89PNG")
    for each in tables:
        rows = list(csv.reader(io.StringIO(each.to_csv())))
        assert {len(row) for row in rows} == {len(each.columns)}
    assert len({part.name for part in figures}) == len(figures)
    assert len({part.name for part in tables}) == len(tables)
    # The published figures are of the real districts, and of nothing else.
    assert not any(isinstance(part, PublishedFigure) for part in chapter.parts)


@pytest.mark.parametrize("section", ORDER["table"])
def test_every_plan_can_be_carried_out(section, make_study):
    scope, _ = make_study()
    plan = plan_section(section, scope)
    check_plan(plan)
    assert plan == plan_section(section, scope)
    for experiment in plan:
        function = getattr(import_module(experiment.module), experiment.function.split(".")[-1])
        assert inspect.get_annotations(function)["return"] is Findings
        inspect.signature(function).bind("context", **experiment.params)
        json.dumps(experiment.params, allow_nan=False)


def test_a_fold_is_an_experiment_that_a_kill_does_not_undo(make_study):
    plan = plan_section("models", make_study(folds=10)[0])
    names = {experiment.name for experiment in plan}
    assert {f"fold {fold} of {model}" for fold in range(1, 11) for model in MODELS} < names


def test_the_recipe_counts_in_the_keys_of_what_learns_from_it(make_study):
    scope, _ = make_study()
    for section in ("models", "search"):
        for experiment in plan_section(section, scope):
            assert "digitflow.features.recipes.districts" in experiment.modules()
