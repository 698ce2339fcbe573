"""Kills, damage, and two runs at once: nothing is lost, and nothing is done twice."""

import json
import os
import shutil

import numpy as np
import pytest

from digitflow.predict.predictor import Predictor
from digitflow.registry.listing import list_history, list_versions
from digitflow.store.places import FORMAT_FILE
from digitflow.store.runs import list_runs, read_events

EVERY_STAGE = (
    "ingest builtin",
    "augment shift",
    "prepare strokes on samples and copies",
    "train svm-strokes",
    "gate",
    "register",
)
SOME_STAGES = ("train svm-strokes", "register")
SVM = {"name": "svm-strokes", "estimator": "svm", "recipe": "strokes"}
# Within the promotion; tests of the registry kill it at ten points.
PROMOTION_DELAYS = (0.0, 0.7)


@pytest.fixture
def registered(trained_once, empty_project):
    """A project whose databases exist, so that each kill is spared their first start."""
    for folder in ("registry", "models"):
        shutil.copytree(trained_once.store.root / folder, empty_project.store.root / folder)
    shutil.copy(trained_once.store.root / FORMAT_FILE, empty_project.store.root)
    empty_project.config["augment"] = {"backend": "shift", "directions": ["up"]}
    # Better than the champion of the copied registry, so that it is promoted.
    empty_project.config["candidates"][0] = SVM
    return empty_project


@pytest.mark.slow
@pytest.mark.parametrize(
    "stages",
    [SOME_STAGES, pytest.param(EVERY_STAGE, marks=pytest.mark.soak)],
    ids=["some", "every"],
)
def test_killed_at_one_stage_after_another_a_run_goes_on_from_what_was_finished(
    registered, stages
):
    project = registered
    done = set()
    for stage in stages:
        if stage in done:
            continue  # it ran beside an earlier stage, and ended before the kill
        assert project.kill_at(stage), f"the run ended before {stage!r}"
        assert list_runs(project.store)[0]["status"] == "interrupted"
        champion = Predictor.load(project.store, "digits-sample").champion
        assert champion.version == "1"
        # What an earlier, killed run had finished is not computed again.
        assert not done & project.computed()
        done |= project.computed()
    record = project.train()
    assert not done & project.computed()
    assert record["verdict"]["outcome"] == "promote"
    assert not list((project.store.root / "tmp").iterdir())


@pytest.mark.slow
@pytest.mark.soak
def test_killed_while_promoting_the_champion_is_the_old_or_the_new_one(registered):
    project = registered
    for delay in PROMOTION_DELAYS:
        killed = project.kill_at("promote", delay)
        champion = Predictor.load(project.store, "digits-sample").champion
        assert champion.version in ("1", "2")
        if not killed:
            break
    record = project.train()
    assert record["champion"]["version"] == "2"
    assert [version.version for version in list_versions(project.store)] == ["2", "1"]
    aliases = {version.version: version.aliases for version in list_versions(project.store)}
    assert aliases == {"2": ("challenger", "champion"), "1": ("previous",)}
    # Not a step more in the history than was taken.
    entries = list_history(project.store, "digits-sample")
    assert [entry.version for entry in entries] == ["2", "1"]


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["report"])
def test_killed_after_the_promotion_the_next_run_reports_it(project, stage):
    project.config["candidates"][0] = SVM
    assert project.kill_at(stage)
    record = project.train()
    assert record["status"] == "completed"
    assert (project.store.root / "reports" / record["run"] / "index.html").is_file()


DAMAGES = {
    "ingest builtin": lambda path: _rewrite(path, path.read_bytes()[:-100]),
    "split": lambda path: _rewrite(path, _flip_last(path.read_bytes())),
    "prepare pca on samples": lambda path: path.unlink(),
}


def _rewrite(path, content):
    path.chmod(0o644)
    path.write_bytes(content)


def _flip_last(content):
    return content[:-1] + bytes([content[-1] ^ 1])


def _output_of(project, task):
    (run,) = list_runs(project.store)
    outputs = [
        event["outputs"]
        for event in read_events(project.store, run["run"])
        if event["task"] == task and event.get("outputs")
    ]
    return project.store.root / outputs[-1][0]["path"]


def test_damaged_files_are_named_in_warnings_and_computed_again(project):
    paths = {task: _output_of(project, task) for task in DAMAGES}
    before = {task: np.array(np.load(path)) for task, path in paths.items()}
    for task, damage in DAMAGES.items():
        damage(paths[task])
    record = project.train()
    assert project.computed() == set(DAMAGES)
    assert record["verdict"]["outcome"] == "unchanged"
    said = project.errors.replace("\n", "")
    for task, path in paths.items():
        assert str(path) in said
        np.testing.assert_array_equal(np.load(path), before[task])


def test_a_byte_changed_under_the_same_times_is_found_before_a_task_reads_it(project):
    path = _output_of(project, "split")
    stat = path.stat()
    _rewrite(path, _flip_last(path.read_bytes()))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    project.config["candidates"].append(
        {"name": "stump", "estimator": "tree", "recipe": "scaled", "params": {"max_depth": 4}}
    )
    project.train()
    assert str(path) in project.errors.replace("\n", "")
    assert {"split", "prepare scaled on samples", "train stump"} <= project.computed()


def test_two_trainings_at_once_do_each_piece_of_work_once(empty_project):
    project = empty_project
    processes = [project.start("train", "--config", "config.yaml", "--json") for _ in range(2)]
    records = []
    for process in processes:
        output, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
        records.append(json.loads(output))
    both = project.computed(0), project.computed(1)
    assert not both[0] & both[1]
    assert both[0] | both[1] >= {
        "ingest builtin",
        "split",
        "train knn-pca",
        "train tree-pixels",
    }
    assert len(list_versions(project.store)) == 1
    assert {record["champion"]["version"] for record in records} == {"1"}
    assert sorted(record["verdict"]["outcome"] for record in records) == [
        "bootstrap",
        "unchanged",
    ]
