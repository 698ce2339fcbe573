"""Every section, on a few real digits: findings alike for equal seeds, and a whole chapter."""

import csv
import io
import json

import pytest

from digitflow.studies.chapter import Figure, PublishedFigure, Table, draw_chapter
from digitflow.studies.plan import ORDER, plan_section

SETTINGS = {"altered_images": 40, "augmented_size": 100, "search_size": 150, "folds": 2}


@pytest.mark.parametrize("section", ORDER["digits"])
def test_a_section_finds_shows_and_says_something(section, make_study, store, run_plan):
    scope, data = make_study(300, **SETTINGS)
    plan = plan_section(section, scope)
    found = run_plan(plan, data)
    json.dumps([facts.values for facts in found.values()], allow_nan=False)
    chapter = draw_chapter(store, section, scope, data, found)
    assert chapter.section == section
    assert chapter.findings
    figures = [part for part in chapter.parts if isinstance(part, Figure)]
    tables = [part for part in chapter.parts if isinstance(part, Table)]
    assert figures
    assert tables
    for figure in figures:
        assert figure.title
        assert figure.sentence.endswith(".")
        assert store.read_bytes(figure.png).startswith(b"\x89PNG")
    for table in tables:
        rows = list(csv.reader(io.StringIO(table.to_csv())))
        assert {len(row) for row in rows} == {len(table.columns)}
    names = [part.name for part in (*figures, *tables)]
    assert len({part.name for part in figures}) == len(figures), names
    assert len({part.name for part in tables}) == len(tables), names
    # The published figures are of all of MNIST, and of nothing else.
    assert not any(isinstance(part, PublishedFigure) for part in chapter.parts)


@pytest.mark.parametrize("section", ["detector", "multioutput", "scratch", "errors"])
def test_a_section_finds_the_same_again(section, make_study, run_plan):
    scope, data = make_study(200, **SETTINGS)
    plan = plan_section(section, scope)
    first, again = (run_plan(plan, data) for _ in range(2))
    for name in first:
        assert first[name].values == again[name].values
        assert first[name].arrays == again[name].arrays
