import re
from pathlib import Path

import jsonschema
import pytest

from digitflow.config.data import OpencvAugmentation
from digitflow.config.digits import DigitsConfig
from digitflow.config.reading import (
    choose_kind,
    describe_configs,
    load_config,
    parse_config,
    parse_yaml,
)
from digitflow.config.table import ClassificationConfig, RegressionConfig
from digitflow.errors import InputError

CONFIGS = Path(__file__).parents[2] / "configs"
# Who is told of what is no training: tests/flows/test_notifications.py.
TRAININGS = sorted({*CONFIGS.glob("*.yaml")} - {CONFIGS / "notifications.yaml"})


@pytest.mark.parametrize("path", TRAININGS, ids=lambda path: path.name)
def test_the_shipped_configs_are_valid(path):
    # Whoever adds a candidate adds a line of its own.
    lines = re.findall(r"^  - (?:{name|name)", path.read_text(), re.MULTILINE)
    assert len(load_config(path).candidates) == len(lines) > 1


def blend_of(parts):
    plain = [f"{{name: {name}, estimator: svm, recipe: pca}}" for name in "ab"]
    blend = f"{{name: mixed, estimator: blend, parts: {parts}}}"
    return f"candidates: [{blend}, {', '.join(plain)}]"


def test_a_candidate_says_what_it_is_made_of(tmp_path):
    """In every report by the same words."""
    (tmp_path / "c.yaml").write_text(blend_of("[b, a]"))
    said = [each.describe() for each in load_config(tmp_path / "c.yaml").candidates]
    assert said == ["blend of b and a", "svm on pca", "svm on pca"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seeed: 1", "seeed is not a key"),
        ("seed: -1", r"seed: .*greater than or equal to 0.*got -1"),
        ("source: {kind: cloud}", r"source.*'builtin'"),
        ("source: {kind: table}", "source.table.file is missing"),
        ("candidates: [{name: a, estimator: svm, recipe: pca, paramz: {}}]", "paramz"),
        ("candidates: []", "candidates"),
        ("gate: {floor: {min_accuracy: 99}}", "gate.floor.min_accuracy"),
        ("- 1", "keys and values, got list"),
        ("", "keys and values, got NoneType"),
        ("seed: [", "no valid YAML"),
        (
            "candidates: [{name: a, estimator: svm, recipe: pca},"
            " {name: a, estimator: knn, recipe: pca}]",
            "repeated: .'a'.",
        ),
        ("candidates: [{name: a, estimator: svm}]", "a needs a recipe"),
        ("candidates: [{name: a, estimator: svm, recipe: pca, parts: [b]}]", "a is no blend"),
        (blend_of("[a]"), r"needs the names of two or more .* in `parts`, each once.*'a'"),
        (blend_of("[a, a]"), r"each once, got \['a', 'a'\]"),
        (blend_of("[a, nowhere]"), "no blends themselves: a, b; not of nowhere"),
        (blend_of("[a, mixed]"), "not of mixed"),
        (blend_of("[a, b], recipe: pca"), "mixed has no recipe but its parts'"),
        (
            "{workload: table, task: regression, target: t, source: {kind: districts}, "
            + blend_of("[a, b]")
            + "}",
            "mixed averages probabilities, and this config's candidates predict values",
        ),
    ],
)
def test_a_wrong_key_or_value_is_one_error_that_names_file_and_place(tmp_path, text, message):
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        load_config(path)
    assert "wrong.yaml" in str(caught.value)


def test_a_missing_config_is_a_clear_error(tmp_path):
    with pytest.raises(InputError, match=r"can't read the config .*nowhere\.yaml"):
        load_config(tmp_path / "nowhere.yaml")


def test_relative_paths_are_relative_to_the_config(tmp_path):
    (tmp_path / "c.yaml").write_text("source: {kind: images, folder: pictures}")
    assert load_config(tmp_path / "c.yaml").source.folder == tmp_path / "pictures"


def test_relative_paths_in_a_mix_are_relative_to_the_config_too(tmp_path):
    parts = "[{kind: pen}, {kind: images, folder: pictures}, {kind: table, file: /t.csv}]"
    (tmp_path / "c.yaml").write_text(f"source: {{kind: mix, of: {parts}}}")
    _, images, table = load_config(tmp_path / "c.yaml").source.of
    assert images.folder == tmp_path / "pictures"
    assert table.file == Path("/t.csv")


@pytest.mark.parametrize("source", ["{kind: builtin}", "{kind: mix, of: [{kind: pen}, {}]}"])
def test_photographs_are_not_made_of_what_is_learnt_from(source):
    text = f"source: {source}\nphotographs: 5".replace("{}", "{kind: builtin}")
    with pytest.raises(InputError, match="photographs to 0"):
        parse_yaml(text)


def test_the_inbox_is_relative_to_the_config_too(tmp_path):
    (tmp_path / "c.yaml").write_text("feedback: {inbox: inbox}")
    assert load_config(tmp_path / "c.yaml").feedback.inbox == tmp_path / "inbox"


def test_a_window_holds_what_is_the_least(tmp_path):
    with pytest.raises(InputError, match=r"monitoring\.least must be at most"):
        parse_config({"monitoring": {"window": 100, "least": 200}})


TABLE = {
    "workload": "table",
    "source": {"kind": "districts"},
    "target": "median_house_value",
    "candidates": [
        {"name": "a", "estimator": "sklearn.linear_model.Ridge", "recipe": "columns"}
    ],
}


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({}, DigitsConfig),
        ({"workload": "digits"}, DigitsConfig),
        ({"task": "regression"}, DigitsConfig),
        ("no mapping at all", DigitsConfig),
        (TABLE | {"task": "regression"}, RegressionConfig),
        (TABLE | {"task": "classification"}, ClassificationConfig),
        (TABLE, RegressionConfig),
    ],
)
def test_the_kind_of_a_config_follows_from_its_workload_and_task(values, kind):
    assert choose_kind(values) is kind


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_a_tables_config_is_read_as_what_its_task_says(task):
    config = parse_config(TABLE | {"task": task})
    assert type(config) is choose_kind(TABLE | {"task": task})
    assert config.candidates[0].wants_copies() is False
    # Of values there is nothing to calibrate.
    assert (config.candidates[0].find_calibration() is None) == (task == "regression")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({}, "task is missing"),
        ({"task": "ranking"}, "task.*'regression'"),
        ({"task": "regression", "selective": {}}, "selective is not a key"),
        ({"task": "regression", "gate": {"floor": {}}}, "gate.floor is not a key"),
        ({"task": "regression", "gate": {"checks": ["floor"]}}, "gate.checks"),
        ({"task": "classification", "gate": {"checks": ["robustness"]}}, "gate.checks"),
        ({"task": "classification", "intervals": {}}, "intervals is not a key"),
    ],
)
def test_a_key_of_another_kind_of_config_is_refused(changed, message):
    with pytest.raises(InputError, match=message):
        parse_config(TABLE | changed)


def test_the_schema_describes_every_kind_of_config():
    schema = describe_configs()
    kinds = [part["$ref"].rpartition("/")[2] for part in schema["anyOf"]]
    assert kinds == ["DigitsConfig", "RegressionConfig", "ClassificationConfig"]
    for task in ("regression", "classification"):
        jsonschema.validate(TABLE | {"task": task}, schema)
    jsonschema.validate({}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(TABLE | {"task": "ranking"}, schema)


def test_many_errors_are_bounded():
    with pytest.raises(InputError, match="and 3 more"):
        parse_config({f"wrong{number}": 1 for number in range(8)})


def test_a_config_is_frozen():
    with pytest.raises(ValueError, match="frozen"):
        DigitsConfig().seed = 1


def test_the_form_offers_every_augmentation_and_none():
    offered = DigitsConfig.model_json_schema()["properties"]["augment"]["anyOf"]
    names = {choice.get("$ref", "").rpartition("/")[2] or choice["type"] for choice in offered}
    backends = ("Shift", "Opencv", "Albumentations", "Keras")
    assert names == {*(f"{name}Augmentation" for name in backends), "null"}


def test_an_augmentation_takes_only_its_own_keys():
    parsed = parse_config({"augment": {"backend": "opencv", "slant": 0.5}})
    assert parsed.augment == OpencvAugmentation(slant=0.5)
    with pytest.raises(InputError, match=r"pixels is not a key"):
        parse_config({"augment": {"backend": "opencv", "pixels": 2}})
