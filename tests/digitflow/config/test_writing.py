"""A section is written into a config, and nothing else of it changes."""

import pytest
import yaml

from digitflow.config.data import ArraysSource, BuiltinSource, MnistSource
from digitflow.config.reading import load_config
from digitflow.config.writing import describe_source, write_source, write_yaml
from digitflow.errors import InputError

CONFIG = """\
# What I found out.
model: mine  # a name

source:
  # it came with the disk
  kind: mnist
  folder: old

# Kept.
seed: 7
"""


@pytest.fixture
def source(tmp_path):
    return ArraysSource(
        file=tmp_path / "data/a.npz", labels={"10": 0, "ten": 0}, transpose=True
    )


def test_a_section_is_what_differs_from_the_defaults(source, tmp_path):
    assert describe_source(source, tmp_path) == {
        "kind": "arrays",
        "file": "data/a.npz",
        "labels": {10: 0, "ten": 0},
        "transpose": True,
    }
    assert describe_source(source)["file"] == str(tmp_path / "data/a.npz")
    assert describe_source(BuiltinSource()) == {"kind": "builtin"}


def test_a_new_config_reads_what_was_written(source, tmp_path):
    file = tmp_path / "configs" / "mine.yaml"
    write_source(file, source, "My digits, 32x32")
    config = load_config(file)
    assert config.source == source
    assert config.model == "my-digits-32x32"
    write_source(tmp_path / "b.yaml", source, "数字")
    assert load_config(tmp_path / "b.yaml").model == "digits"


def test_a_section_that_is_there_is_never_replaced_unasked(source, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(CONFIG)
    with pytest.raises(InputError, match="has a source already, and nothing was written"):
        write_source(file, source, "x")
    assert file.read_text() == CONFIG


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("flow", [False, True])
def test_the_section_alone_is_replaced(source, tmp_path, flow, last):
    text = CONFIG
    if flow:
        text = "# What I found out.\nmodel: mine\nsource: {kind: mnist}\n# Kept.\nseed: 7\n"
    if last:
        head, _, tail = text.partition("source:")
        text = f"{head}seed: 7\n# Kept.\nsource:{tail.partition('# Kept.')[0]}"
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    write_source(file, source, "x", replace=True)
    config, after = load_config(file), file.read_text()
    assert config.source == source
    assert (config.model, config.seed) == ("mine", 7)
    assert "# What I found out." in after
    assert after.count("source:") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mine.yaml"]


def test_a_config_without_a_source_gets_one(source, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("model: mine\nvalidation:\n  min_per_class: 20")
    write_source(file, source, "x")
    config = load_config(file)
    assert config.source == source
    assert config.validation.min_per_class == 20


def test_what_can_not_be_replaced_safely_is_left_with_the_way_out(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("{model: mine, source: {kind: builtin}}\n")
    with pytest.raises(InputError, match="by hand:\nsource:\n  kind: mnist"):
        write_source(file, MnistSource(), "x", replace=True)
    file.write_text(
        "workload: table\ntask: regression\ntarget: y\n"
        "source: {kind: sklearn, name: diabetes}\n"
        "candidates: [{name: a, estimator: boosting, recipe: columns}]\n"
    )
    with pytest.raises(InputError, match="is of a table: name another file"):
        write_source(file, MnistSource(), "x", replace=True)


def test_the_text_is_yaml(source):
    assert yaml.safe_load(write_yaml(source))["source"]["kind"] == "arrays"
