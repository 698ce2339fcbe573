"""The published figures that take no long fit, on the real districts."""

from pathlib import Path

import yaml

from digitflow.studies.chapter import PublishedFigure, draw_chapter
from digitflow.studies.plan import ExperimentContext, plan_section
from digitflow.studies.table.experiments.models import fit_model

ROOT = Path(__file__).parents[4]


def test_the_districts_are_those_that_figures_were_published_of(
    housing_file, make_study, store, run_plan
):
    values = yaml.safe_load((ROOT / "configs/housing.yaml").read_text(encoding="utf-8"))
    values["source"]["file"] = str(housing_file)
    scope, data = make_study(values)
    assert scope.is_published
    published = []
    for section in ("explore", "split"):
        found = run_plan(plan_section(section, scope), data)
        parts = draw_chapter(store, section, scope, data, found).parts
        published += [part for part in parts if isinstance(part, PublishedFigure)]
    assert len(published) == 9
    assert all(part.met for part in published), published
    recipe = {"name": "districts", "params": {}}
    context = ExperimentContext(store, data, scope.seed, 1)
    linear = fit_model(context, "linear regression", recipe, 100).values["rmse"]
    assert abs(linear / 68_688 - 1) < 0.01
