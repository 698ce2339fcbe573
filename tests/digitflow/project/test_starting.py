"""A project of a user's own, and the wheel that brings all that it is made of."""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
import setuptools
import yaml

from digitflow.config.reading import load_config
from digitflow.errors import InputError
from digitflow.models.checking import check_candidates
from digitflow.project.starting import start_project

ROOT = Path(__file__).parents[3]
BUILT_OF = (
    "pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "prefect.yaml",
    "configs", "digitflow", "flows", "tasks",
)  # fmt: skip


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    folder = tmp_path_factory.mktemp("started") / "project"
    return folder, start_project(folder)


def test_a_project_has_all_that_its_files_name(started):
    folder, paths = started
    assert {"my_models.py", "prefect.yaml", "Makefile", "README.md", ".gitignore"} <= set(paths)
    assert "configs/schema.json" in paths
    assert all((folder / path).is_file() for path in paths)
    assert not [path for path in paths if "__pycache__" in path]


@pytest.mark.parametrize("name", ["mine", "table", "digits", "housing"])
def test_every_config_of_a_project_is_fine(started, name):
    check_candidates(load_config(started[0] / "configs" / f"{name}.yaml"))


def test_deployments_are_those_that_watch_the_projects_own_model(started):
    folder, _ = started
    deployed = yaml.safe_load((folder / "prefect.yaml").read_text())["deployments"]
    there = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    configs = {(one.get("parameters") or {}).get("config") for one in deployed}
    assert configs == {"configs/mine.yaml", None}
    assert {"train-digits", "retrain-on-drift", "gc-weekly"} <= {
        one["name"] for one in deployed
    }
    assert len(deployed) < len(there)


def test_an_empty_folder_is_filled_and_any_other_left_alone(tmp_path):
    start_project(tmp_path)
    (tmp_path / "my_models.py").write_text("mine")
    with pytest.raises(InputError, match=r"not empty: it has .*Makefile.*nothing was written"):
        start_project(tmp_path)
    assert (tmp_path / "my_models.py").read_text() == "mine"
    with pytest.raises(InputError, match="is a file"):
        start_project(tmp_path / "my_models.py")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The command of a wheel, in an environment that has nothing else of this repository."""
    if int(setuptools.__version__.split(".")[0]) < 77:
        pytest.skip("the wheel needs setuptools 77; `make test` installs it")
    folder = tmp_path_factory.mktemp("wheel")
    source, environment = folder / "source", folder / "venv"
    source.mkdir()
    for name in BUILT_OF:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
        copy(ROOT / name, source / name)
    _run_pip("wheel", "--no-build-isolation", "--wheel-dir", folder, source)
    venv.create(environment, symlinks=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    # What it depends on; a .pth in there, such as this repository's, counts for nothing.
    there = Path(pytest.__file__).parents[1]
    (packages / "dependencies.pth").write_text(f"{there}\n")
    (wheel,) = folder.glob("*.whl")
    _run_pip("install", "--no-compile", "--prefix", environment, "--ignore-installed", wheel)
    command = environment / "bin" / "digitflow"
    first, *rest = command.read_text().splitlines(keepends=True)
    assert first.startswith("#!")
    command.write_text(f"#!{environment / 'bin' / 'python'}\n" + "".join(rest))
    return command


def _run_pip(*arguments):
    options = ["--no-index", "--no-deps", "--quiet", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", arguments[0], *options, *map(str, arguments[1:])]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_wheel_alone_makes_a_project_whose_config_is_fine(installed, tmp_path):
    kept = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}

    def run(*words, folder):
        done = subprocess.run(
            [installed, *words], cwd=folder, env=kept, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "cd mine && digitflow train" in run("init", "mine", folder=tmp_path)
    project = tmp_path / "mine"
    assert "fine; model mine" in run("config", "check", "configs/mine.yaml", folder=project)
    for name in ("digits", "housing", "table"):
        load_config(project / "configs" / f"{name}.yaml")
    assert (project / "configs" / "schema.json").read_text() == run(
        "config", "schema", folder=project
    )
