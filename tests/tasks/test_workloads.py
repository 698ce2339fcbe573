"""A config's kind chooses the steps, and every kind of data has all of them."""

import inspect
from typing import get_args

import pytest

from digitflow.catalogue import PAGES
from digitflow.config.digits import DigitsConfig
from digitflow.config.reading import AnyConfig, parse_config
from digitflow.config.training import Candidate, TrainConfig
from tasks.digits import DigitsWorkload
from tasks.tables import TableWorkload
from tasks.workloads import Workload, choose_workload

TABLE = {
    "workload": "table",
    "source": {"kind": "sklearn", "name": "diabetes"},
    "target": "target",
    "candidates": [{"name": "a", "estimator": "knn", "recipe": "columns"}],
}
CONFIGS = [DigitsConfig()] + [
    parse_config(TABLE | {"task": task}) for task in ("regression", "classification")
]
STEPS = [name for name in vars(Workload) if not name.startswith("_")]


def test_these_are_all_the_kinds_of_configs():
    assert {type(config) for config in CONFIGS} == set(get_args(AnyConfig))


@pytest.mark.parametrize(
    ("config", "kind"),
    list(zip(CONFIGS, (DigitsWorkload, TableWorkload, TableWorkload), strict=True)),
    ids=lambda each: type(each).__name__,
)
def test_the_steps_are_those_of_the_configs_kind(config, kind):
    workload = choose_workload(config)
    assert type(workload) is kind
    assert workload.config is config


@pytest.mark.parametrize("kind", [DigitsWorkload, TableWorkload])
@pytest.mark.parametrize("step", STEPS)
def test_every_kind_of_data_has_every_step_with_the_same_arguments(kind, step):
    asked = inspect.signature(getattr(Workload, step)).parameters
    assert inspect.signature(getattr(kind, step)).parameters == asked


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: type(config).__name__)
def test_every_kind_of_data_has_a_page(config):
    assert callable(PAGES.load(config.workload).describe_page)


def test_a_config_of_no_kind_is_an_error_that_names_it():
    candidates = (Candidate(name="a", estimator="knn", recipe="columns"),)
    with pytest.raises(TypeError, match="config of type TrainConfig"):
        choose_workload(TrainConfig(candidates=candidates))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: type(config).__name__)
def test_what_is_asked_for_the_report_alone_may_be_nothing(config):
    assert choose_workload(config).start_others()(None) == {}
