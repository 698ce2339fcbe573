"""Every command as a user or a script meets it; wrong input on purpose."""

import csv
import gzip
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

COMMAND = Path(sys.executable).with_name("digitflow")
DOCS = Path(__file__).parents[2] / "docs"


def test_a_picture_is_read_and_the_model_is_named(project, digit):
    (result,) = json.loads(project.run("predict", digit, "--json", fresh=True))
    assert result["digit"] == 0
    assert result["model"] == "digits-sample"
    assert "digits-sample" in project.run("predict", digit)


def test_a_bad_picture_is_bad_input_and_the_others_are_read(project, digit):
    bad = project.folder / "text.png"
    bad.write_text("not a picture")
    results = json.loads(project.run("predict", bad, digit, "--json", code=2))
    assert "text.png" in results[0]["error"]
    assert results[1]["digit"] == 0


CLOSED = {
    "<&-": (["-"], 2, "standard input is closed"),
    ">&-": (["zero.png"], 2, "standard output is closed"),
    "<&- >&- 2>&-": (["zero.png"], 2, ""),
    "2>&-": (["zero.png"], 0, ""),
    "</dev/null": (["-", "zero.png", ""], 2, "standard input is no picture"),
}


@pytest.mark.parametrize("closed", CLOSED)
def test_what_is_closed_or_empty_is_one_clear_error(project, digit, closed):
    arguments, code, message = CLOSED[closed]
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", COMMAND, "predict", *arguments],
        cwd=project.folder,
        env=project.environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    if "zero.png" in arguments and ">&-" not in closed.replace("2>&-", ""):
        assert "zero.png: 0 (" in done.stdout


def test_a_folder_becomes_a_table_and_what_is_damaged_is_one_line(project, digit):
    content = digit.read_bytes()
    scans = project.folder / "scans"
    scans.mkdir()
    (scans / "a.png").write_bytes(content)
    (scans / "damaged.png").write_bytes(content[:60] + b"????" + content[64:])
    (scans / "notes.txt").write_text("no picture")
    table = project.run("predict", "scans", "scans/a*.png", "--csv", code=2, fresh=True)
    rows = list(csv.DictReader(table.splitlines()))
    assert [row["file"] for row in rows] == ["scans/a.png", "scans/damaged.png", "scans/a.png"]
    assert [row["digit"] for row in rows] == ["0", "", "0"]
    assert "damaged" in rows[1]["error"]
    assert project.errors == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("predict", "zero.png"), "digitflow train"),
        (("predict", "zero.png", "--model", "nosuch"), "nosuch"),
        (("why",), "no run"),
        (("why", "nosuch"), "nosuch"),
        (("train", "--config", "nowhere.yaml"), "nowhere.yaml"),
    ],
)
def test_asking_for_what_is_not_there_is_bad_input(empty_project, arguments, message):
    empty_project.run(*arguments, code=2)
    assert message in empty_project.errors


@pytest.mark.parametrize("command", ["runs", "models"])
def test_lists_are_empty_before_the_first_run(empty_project, command):
    assert json.loads(empty_project.run(command, "--json")) == []
    assert "digitflow train" in empty_project.run(command)


def test_runs_models_and_why_tell_what_happened(project):
    (run,) = json.loads(project.run("runs", "--job", "train", "--json", fresh=True))
    assert run["deployment"] == "command line"
    assert json.loads(project.run("runs", "--job", "monitor", "--json")) == []
    assert run["verdict"]["outcome"] == "bootstrap"
    assert run["run"] in project.run("runs")
    (version,) = json.loads(project.run("models", "--json", fresh=True))
    assert (version["model"], version["version"]) == ("digits-sample", "1")
    assert "champion" in project.run("models")
    why = json.loads(project.run("why", run["run"], "--json", fresh=True))
    states = {task["task"]: task["state"] for task in why["tasks"]}
    assert states["train knn-pca"] == "computed"
    assert "train knn-pca" in project.run("why", run["run"])


def test_gc_frees_what_nobody_needs_and_the_champion_still_predicts(project, digit):
    planned = json.loads(project.run("gc", "--keep-runs", "0", "--dry-run", "--json"))
    freed = json.loads(project.run("gc", "--keep-runs", "0", "--json", fresh=True))
    assert freed["bytes"] == planned["bytes"] > 0
    # What is left belongs to the champion: its test images, what it must repeat, and what
    # the monitor compares with.
    kept = len(list((project.store.root / "arrays").iterdir()))
    assert 0 < kept < 12
    project.run("predict", digit)


def test_gc_keeps_what_recent_runs_made(project):
    project.run("gc", "--keep-runs", "1")
    project.train()
    assert project.computed() == set()
    assert "unchanged: this is the champion" in project.output


def test_the_doctor_finds_nothing_wrong_with_a_sound_project(project):
    findings = json.loads(project.run("doctor", "--verify", "--json", fresh=True))
    assert {finding["level"] for finding in findings} <= {"ok", "warning"}
    assert "registry" in {finding["what"] for finding in findings}


def test_the_doctor_names_a_changed_file(project):
    path = next((project.store.root / "arrays").glob("*.npy"))
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    findings = json.loads(project.run("doctor", "--verify", "--json", code=1))
    assert any(path.name in finding["found"] for finding in findings)


@pytest.mark.parametrize(
    "command", ["", "train", "runs", "models", "predict", "why", "gc", "doctor"]
)
def test_every_command_has_help_and_is_documented(project, command):
    assert "--help" in project.run(*command.split(), "--help", fresh=True)
    page = (DOCS / "commands.md").read_text()
    assert f"digitflow {command}".strip() in page


def _write_idx(folder, name, magic, shape, content):
    header = magic.to_bytes(4, "big") + b"".join(n.to_bytes(4, "big") for n in shape)
    (folder / name).write_bytes(gzip.compress(header + content))


def _prepare_empty(folder):
    return {"kind": "images", "folder": str(folder)}


def _prepare_corrupt_gzip(folder):
    _prepare_lying_header(folder)
    (folder / "train-images-idx3-ubyte.gz").write_bytes(b"\x1f\x8b not gzip at all")
    return {"kind": "mnist", "folder": str(folder)}


def _prepare_lying_header(folder):
    for part, count in (("train", 60_000), ("t10k", 10_000)):
        _write_idx(folder, f"{part}-images-idx3-ubyte.gz", 2051, (count, 28, 28), b"\0" * 784)
        _write_idx(folder, f"{part}-labels-idx1-ubyte.gz", 2049, (count,), b"\0")
    return {"kind": "mnist", "folder": str(folder)}


def _prepare_missing_column(folder):
    (folder / "rows.csv").write_text("label,pixel0,pixel1\n5,0,0\n")
    return {"kind": "table", "file": str(folder / "rows.csv")}


def _prepare_one_class(folder):
    (folder / "3").mkdir()
    image = np.zeros((28, 28), np.uint8)
    for number in range(9):
        image[4:24, 10:14], image[4, number] = 255, 200
        cv2.imwrite(str(folder / "3" / f"{number}.png"), image)
    return {"kind": "images", "folder": str(folder)}


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (_prepare_empty, "input"),
        (_prepare_corrupt_gzip, "train-images-idx3-ubyte.gz"),
        (_prepare_lying_header, "t10k-images|train-images"),
        (_prepare_missing_column, "pixel2"),
        (_prepare_one_class, "every digit"),
        (lambda folder: {"kind": "nosuch"}, "nosuch"),
        (lambda folder: {"kind": "mnist"}, "DIGITFLOW_MNIST_DIR"),
    ],
)
def test_bad_data_is_one_clear_error_before_any_training(empty_project, prepare, message):
    folder = empty_project.folder / "input"
    folder.mkdir()
    empty_project.config["source"] = prepare(folder)
    empty_project.run("train", "--config", "config.yaml", code=2, SCIKIT_LEARN_DATA=str(folder))
    lines = [line for line in empty_project.errors.splitlines() if "error:" in line]
    assert len(lines) == 1
    assert any(part in lines[0] for part in message.split("|"))
    tasks = empty_project.tasks() if (empty_project.store.root / "runs").exists() else {}
    assert not any(task.startswith("train") for task in tasks)


@pytest.mark.parametrize(
    "change", [{"seeed": 1}, {"seed": -1}, {"candidates": []}], ids=["key", "value", "empty"]
)
def test_a_wrong_config_is_refused_before_prefect_is_asked(empty_project, change):
    empty_project.config |= change
    empty_project.run(
        "train", "--config", "config.yaml", code=2, PREFECT_API_URL="http://127.0.0.1:9/api"
    )
    assert next(iter(change)) in empty_project.errors


@pytest.mark.parametrize("change", ["estimator", "recipe"])
def test_an_unknown_name_lists_the_known_ones(empty_project, change):
    empty_project.config["candidates"][0][change] = "nosuch"
    empty_project.run("train", "--config", "config.yaml", code=2)
    assert "nosuch" in empty_project.errors
    assert {"estimator": "svm", "recipe": "strokes"}[change] in empty_project.errors


def test_debug_shows_the_traceback(empty_project):
    process = empty_project.start("train", "--config", "nowhere.yaml", "--debug", fresh=True)
    assert "Traceback" in process.communicate()[1]


def test_a_store_that_can_not_be_written_is_one_clear_error(project):
    disk = project.folder / "disk"
    disk.mkdir()
    command = ("train", "--config", "config.yaml")
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", disk]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this machine doesn't let us mount a small disk")
    try:
        project.run(*command, code=2, fresh=True, DIGITFLOW_ARTIFACTS=str(disk))
        assert "No space left" in project.errors
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        project.run(*command, code=2, fresh=True, DIGITFLOW_ARTIFACTS=str(disk))
        assert "Read-only" in project.errors
    finally:
        subprocess.run(["umount", disk], check=True)
