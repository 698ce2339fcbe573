"""What every command shares: the version, exit codes, and that nothing heavy is imported."""

import json
import os
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from digitflow.cli.main import app
from digitflow.errors import InputError
from digitflow.feedback import predictions
from digitflow.feedback.predictions import PredictionLog
from digitflow.feedback.tables import name_images
from digitflow.store.artifacts import open_store

HEAVY = ("mlflow", "numpy", "prefect", "rich", "sqlalchemy")


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("DIGITFLOW_ARTIFACTS", str(tmp_path / "artifacts"))
    return lambda *arguments: CliRunner().invoke(app, [str(each) for each in arguments])


def test_the_version_is_that_of_what_is_installed(run):
    assert run("--version").output == f"digitflow {version('digitflow')}\n"


def test_what_a_command_alone_needs_is_imported_by_it_alone():
    """Else every command would wait for it, and completion in the shell too."""
    code = f"import sys, digitflow.cli.main; print(*{set(HEAVY)!r} & sys.modules.keys())"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (found.stdout, found.stderr) == ("\n", "")


def test_no_service_is_an_exit_code_of_its_own(run):
    result = run("status")
    assert (result.exit_code, result.output) == (3, "The service is not running.\n")
    assert run("down").exit_code == 0


# Printed at once, by rich, and what waits in a buffer until the end.
PRINTING = {
    "at once": "main.sys.argv = ['digitflow', 'config', 'schema']",
    "rich": "main.sys.argv = ['digitflow', 'config', '--help']",
    "late": "main.app = lambda: results.write_csv([], ['file'])",
}


@pytest.mark.parametrize("how", PRINTING)
def test_a_reader_that_has_ended_ends_the_command_without_a_word(how):
    code = f"from digitflow.cli import main, results\n{PRINTING[how]}\nmain.main()"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 128 + signal.SIGPIPE


def test_a_config_is_checked_without_training(run, tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text("model: mine\n")
    assert "model mine, 3 candidates" in run("config", "check", file).output
    file.write_text("candidates: [{name: a, estimator: nosuch, recipe: pixels}]\n")
    with pytest.raises(InputError, match="nosuch"):
        raise run("config", "check", file).exception


def test_old_predictions_go_only_where_it_is_asked_for(run, monkeypatch):
    with monkeypatch.context() as patch, PredictionLog(open_store()) as log:
        patch.setattr(predictions, "now", lambda: "2020-01-01T00:00:00+00:00")
        images = np.arange(2 * 784, dtype=np.uint16).astype(np.uint8).reshape(2, 28, 28)
        log.add(name_images(images), np.eye(10)[[3, 3]], ["read", "read"], "digits", "1")

    def count(*options):
        return json.loads(run("gc", "--json", *options).stdout)["predictions"]

    assert count() == 0
    assert count("--keep-days", 30, "--dry-run") == 2
    assert count("--keep-days", 30) == 2
    assert count("--keep-days", 30) == 0


def test_commands_of_prefects_are_offline_and_keep_to_our_folder(tmp_path):
    artifacts = tmp_path / "artifacts"
    command = [Path(sys.executable).with_name("digitflow"), "prefect", "config", "view"]
    environ = os.environ | {"DIGITFLOW_ARTIFACTS": str(artifacts)}
    found = subprocess.run(command, capture_output=True, text=True, env=environ)
    assert found.returncode == 0, found.stderr
    assert "PREFECT_SERVER_ANALYTICS_ENABLED='false'" in found.stdout
    assert f"PREFECT_HOME='{artifacts}/prefect'" in found.stdout.replace("\n", "")
