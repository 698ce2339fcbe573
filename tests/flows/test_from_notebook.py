"""docs/from-notebook.md, word for word: its files are written and its commands are run."""

import re
from pathlib import Path

import pytest
from sklearn.datasets import load_diabetes

from digitflow.store.runs import list_runs

PAGE = Path(__file__).parents[2] / "docs" / "from-notebook.md"


def _list_blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def notebook(empty_project):
    """A project as the page makes it: in the folder of `digitflow init`, with the two files."""
    empty_project.run("init", "diabetes")
    folder = empty_project.folder / "diabetes"
    (config,) = _list_blocks("yaml")
    _, module = _list_blocks("python")
    (folder / "configs" / "diabetes.yaml").write_text(config)
    (folder / "my_diabetes.py").write_text(module)
    load_diabetes(as_frame=True).data.head(3).to_csv(folder / "rows.csv", index=False)
    empty_project.folder = folder
    return empty_project


def test_the_page_is_true(notebook):
    commands = [
        line.split()[1:]
        for block in _list_blocks("sh")
        for line in block.splitlines()
        if line.startswith("digitflow") and not line.startswith("digitflow init")
    ]
    said = {}
    for words in commands:
        said[" ".join(words)] = notebook.run(*words)
    again, first = list_runs(notebook.store)
    assert first["verdict"]["outcome"] == "bootstrap"
    assert again["verdict"]["outcome"] == "unchanged"
    assert notebook.computed() == set()
    assert "SVR" not in said["why latest"]  # nothing changed, so nothing is to be told
    assert said["predict --model diabetes rows.csv"].count(" to ") >= 3
    assert "my_diabetes:build" in said["models show champion --model diabetes"]
