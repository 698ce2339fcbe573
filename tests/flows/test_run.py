"""What surrounds a run, with a real server: hooks, failures that nobody waits for, repairs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from digitflow.store.runs import find_run, read_events, summarise_tasks

ROOT = Path(__file__).parents[2]

# In a module of its own on the path, and not in a package of ours: a stand-in for the library.
SCRIPT = """
import sys

import numpy as np
from prefect import flow

from digitflow.errors import DamagedArtifact
from digitflow.registry.training import resolve_config
from digitflow.store.references import ArrayRef
from flows.run import TASK_THREADS, run_job
from tasks.digits import validate_feedback
from tasks.wiring import cached_task, named, plain_task, settle, value_of


def make(store, size: int) -> ArrayRef:
    return store.put_array(np.arange(size))


def refuse(store, ref: ArrayRef) -> int:
    raise ValueError("not today")


make.__module__ = refuse.__module__ = "digitflow.data.sets"
make_array = cached_task(make, run_name="make {size}")
fail = plain_task(refuse, run_name="fail")
unknown = cached_task(
    make, run_name="make by unknown code", modules=lambda **_: ("digitflow.nothing",)
)
attempts = []


def tolerate(run):
    made = named(make_array, "make four").submit(4)
    made.wait()
    make_array(4)
    failed = fail.submit(value_of(made))
    after = named(fail, "after it").submit(value_of(failed))
    print(repr(settle(failed, Exception)), type(settle(after, Exception)).__name__)


def forget(run):
    fail.submit(make_array(4)).wait()


def lose_key(run):
    unknown(6)


def damage(run):
    attempts.append(run)
    ref = make_array(5)
    if len(attempts) == 1:
        fail.submit(ref).wait()  # of an attempt that is made again: forgotten with it
        raise DamagedArtifact("a file")


@flow(flow_run_name=sys.argv[1], task_runner=TASK_THREADS)
def do(name: str):
    run_job(globals()[name], resolve_config("config.yaml"), "test", 3)


do(sys.argv[1])
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory, make_project):
    made = make_project(tmp_path_factory.mktemp("run"))
    made.start("--help").communicate()  # writes the project's config
    return made


@pytest.fixture(scope="module")
def do(project):
    """Run one of the script's jobs; return its exit code, output and the run's tasks."""

    def do(name):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, name],
            cwd=project.folder,
            env=project.environment(PYTHONPATH=str(ROOT)),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return done, summarise_tasks(read_events(project.store, name))

    return do


def test_what_is_computed_cached_or_failed_is_noted_once_whoever_waits(do, project):
    done, tasks = do("tolerate")
    assert done.returncode == 0, done.stderr
    assert "ValueError('not today') UnfinishedRun" in done.stdout
    states = {name: task["state"] for name, task in tasks.items()}
    assert states == {"make four": "computed", "make 4": "cached", "fail": "failed"}
    assert tasks["make four"]["key"] == tasks["make 4"]["key"]
    assert tasks["make four"]["outputs"] == tasks["make 4"]["outputs"]
    assert tasks["fail"]["error"] == "not today"
    events = [(e["event"], e["task"]) for e in read_events(project.store, "tolerate")]
    assert len(events) == len(set(events))
    assert find_run(project.store, "tolerate")["status"] == "completed"


def test_a_failure_that_nobody_waited_for_fails_the_run(do, project):
    done, _ = do("forget")
    assert done.returncode != 0
    record = find_run(project.store, "forget")
    assert (record["status"], record["error"]) == ("failed", "not today")


def test_a_key_that_can_not_be_computed_fails_the_run_and_nothing_is_computed(do, project):
    done, tasks = do("lose_key")
    assert done.returncode != 0
    assert {name: task["state"] for name, task in tasks.items()} == {
        "make by unknown code": "failed"
    }
    record = find_run(project.store, "lose_key")
    assert record["status"] == "failed"
    assert "digitflow.nothing" in record["error"]


def test_after_a_damaged_file_the_work_is_done_again_and_what_is_whole_is_cached(do, project):
    done, tasks = do("damage")
    assert done.returncode == 0, done.stderr
    kinds = [e["event"] for e in read_events(project.store, "damage") if e["task"] == "make 5"]
    assert kinds.count("computed") == kinds.count("cached") == 1
    assert json.dumps(tasks)
    assert find_run(project.store, "damage")["status"] == "completed"
