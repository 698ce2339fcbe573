"""The config that a training is asked for, and the code that makes its models."""

import pytest
import yaml

from digitflow.config.digits import DigitsConfig
from digitflow.config.reading import parse_yaml
from digitflow.errors import InputError
from digitflow.registry.training import list_code, resolve_config, write_config

TREE = {"name": "a", "estimator": "tree", "recipe": "pixels"}


def test_a_file_a_form_and_a_config_are_the_same_config(tmp_path):
    form = {"model": "digits-sample", "candidates": [TREE]}
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(form))
    config = resolve_config(form)
    assert resolve_config(config) is config
    assert resolve_config(str(file)).candidates == config.candidates


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"candidates": [TREE | {"estimator": "oak"}]}, "no estimator 'oak'"),
        ({"candidates": [TREE | {"recipe": "soup"}]}, "no recipe 'soup'"),
        ({"gate": {"robustness": {"floors": {"fog": 0.5}}}}, "fog"),
        ({"candidate": []}, "candidate"),
    ],
)
def test_an_unknown_name_stops_before_anything_is_done(change, said):
    with pytest.raises(InputError, match=said):
        resolve_config({"model": "digits-sample"} | change)


def test_a_written_config_reads_as_the_same():
    config = DigitsConfig(seed=7)
    assert parse_yaml(write_config(config)) == config


def test_the_code_of_a_config_is_that_of_its_candidates_and_no_others():
    code = list_code(resolve_config({"candidates": [TREE]})).modules
    assert {
        "digitflow.data.splits",
        "digitflow.augment.copies",
        "digitflow.models.fitting",
        "digitflow.models.estimators.tree",
        "digitflow.features.recipes.pixels",
    } <= code.keys()
    assert "digitflow.models.estimators.svm" not in code
    assert "digitflow.reports.page" not in code
