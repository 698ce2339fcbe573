"""Kills, damage, and two runs at once: nothing is lost, and nothing is done twice."""

import json
import os
import shutil
import time

import numpy as np
import pytest

from digitflow.predict import Predictor
from digitflow.registry import list_versions
from digitflow.runs import list_runs, read_events

STAGES = (
    "ingest builtin",
    "validate",
    "split",
    "augment shift",
    "prepare pca on images and copies",
    "train knn-pca",
    "evaluate tree-pixels",
    "score challenger on the test images",
    "gate",
    "promote",
    "draw figures",
    "report",
)


def _kill_when(project, stage, delay=0.0):
    """Start a training and kill it with SIGKILL once `stage` has started."""
    process = project.start("train", "--config", "config.yaml")
    known = {run["run"] for run in list_runs(project.store)}
    while process.poll() is None:
        for run in list_runs(project.store):
            events = [] if run["run"] in known else read_events(project.store, run["run"])
            if any(e["event"] == "started" and e["task"] == stage for e in events):
                time.sleep(delay)
                process.kill()
                process.communicate()
                return
        time.sleep(0.002)
    pytest.fail(f"the run ended before {stage!r} began: {process.communicate()[1]}")


@pytest.fixture
def registered(trained_once, empty_project):
    """A project whose databases exist, so that each kill is spared their first start."""
    for folder in ("registry", "models"):
        shutil.copytree(trained_once.store.root / folder, empty_project.store.root / folder)
    empty_project.config["augment"] = {"backend": "shift", "directions": ["up"]}
    empty_project.config["candidates"][0]["params"] = {"n_neighbors": 1}
    return empty_project


@pytest.mark.slow
def test_killed_at_every_stage_a_run_goes_on_from_what_was_finished(registered):
    project = registered
    done = set()
    for stage in STAGES:
        _kill_when(project, stage)
        assert list_runs(project.store)[0]["status"] == "interrupted"
        Predictor.load(project.store, "digits-sample")  # the old one or the new one
        # What an earlier, killed run had finished is not computed again.
        assert not done & project.computed()
        done |= project.computed()
    record = project.train()
    assert not done & project.computed()
    assert record["champion"]["version"] == max(v.version for v in list_versions(project.store))
    assert len(list_versions(project.store)) <= 2
    assert not list((project.store.root / "tmp").iterdir())


DAMAGES = {
    "deleted": lambda path: path.unlink(),
    "truncated": lambda path: _rewrite(path, path.read_bytes()[:-100]),
    "one byte changed": lambda path: _rewrite(path, _flip_last(path.read_bytes())),
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


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("task", ["split", "prepare pca on images"])
def test_a_damaged_file_is_named_in_a_warning_and_computed_again(project, damage, task):
    path = _output_of(project, task)
    before = np.array(np.load(path)) if path.suffix == ".npy" else path.read_bytes()
    DAMAGES[damage](path)
    record = project.train()
    assert str(path) in project.errors.replace("\n", "")
    assert project.computed() == {task}
    assert record["verdict"]["outcome"] == "unchanged"
    after = np.load(path) if path.suffix == ".npy" else path.read_bytes()
    np.testing.assert_array_equal(after, before)


def test_a_byte_changed_under_the_same_times_is_found_before_a_task_reads_it(project):
    path = _output_of(project, "split")
    stat = path.stat()
    _rewrite(path, _flip_last(path.read_bytes()))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    project.config["candidates"].append(
        {"name": "forest", "estimator": "forest", "recipe": "scaled"}
    )
    project.train()
    assert str(path) in project.errors.replace("\n", "")
    assert {"split", "prepare scaled on images", "train forest"} <= project.computed()


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
