"""A person is asked in the Prefect UI before anything is promoted, by a command's run.

A deployment's run is suspended meanwhile: test_unattended.py.
"""

import time

import pytest
from real_service import BETTER, call_api

from digitflow.registry.champion import read_champion
from digitflow.registry.history import list_judgements
from digitflow.registry.listing import find_registration, list_history
from digitflow.store.runs import list_runs

SECONDS = 120


def _call(url, body):
    # Asks again where the server's database was locked.
    return call_api(url, "", body)


def _wait_for_pause(project, process):
    """Return the flow run's id once it waits for an answer."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        flow_run = list_runs(project.store)[0]["flow_run_id"]
        asked = {"flow_runs": {"id": {"any_": [flow_run]}}}
        (found,) = _call(f"{project.server}/flow_runs/filter", asked)
        if found["state_type"] == "PAUSED":
            return flow_run
        time.sleep(0.2)
    pytest.fail(f"the run never waited for an answer: {process.communicate()[1]}")


@pytest.fixture
def asking(copy_project, refused_once, tmp_path):
    project = copy_project(refused_once, tmp_path)
    project.config["candidates"].append(BETTER)
    project.config["gate"]["approval"] = {"timeout_minutes": 5}
    return project


def _train_and_answer(project, **answer):
    process = project.start("train", "--config", "config.yaml")
    time.sleep(1)
    flow_run = _wait_for_pause(project, process)
    resumed = _call(f"{project.server}/flow_runs/{flow_run}/resume", {"run_input": answer})
    assert resumed["status"] == "ACCEPT"
    output, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, errors
    assert "waiting up to 5 minutes for a yes or no" in errors
    return list_runs(project.store)[0], output


@pytest.mark.slow
def test_a_yes_promotes_and_the_history_says_whose_it_was(asking):
    record, _ = _train_and_answer(asking, promote=True, name="Ada", why="reads my sevens")
    assert record["promoted"]
    assert read_champion(asking.store, "digits-sample").version == "2"
    last = list_history(asking.store, "digits-sample")[0]
    assert "Ada" in last.why
    assert "reads my sevens" in last.why


@pytest.mark.slow
def test_a_no_keeps_the_champion_and_the_verdict_says_why(asking):
    record, output = _train_and_answer(asking, promote=False, name="Ada", why="too soon")
    assert record["verdict"]["outcome"] == "keep"
    assert "too soon" in record["verdict"]["reason"]
    assert "too soon" in output
    assert read_champion(asking.store, "digits-sample").version == "1"
    # A year later it still says so: the verdict that is stored is the one that was acted on.
    stored = find_registration(asking.store, "digits-sample", "2")
    assert stored.verdict.outcome == "keep"
    assert "too soon" in stored.verdict.reason
    assert list_judgements(asking.store, "digits-sample")[0].outcome == "keep"


@pytest.mark.slow
def test_silence_is_a_no(asking):
    asking.config["gate"]["approval"] = {"timeout_minutes": 0.05}
    record = asking.train()
    assert record["status"] == "completed"
    assert record["verdict"]["outcome"] == "keep"
    assert "no answer within 0.05 minutes" in record["verdict"]["reason"]


def test_without_a_server_nobody_could_be_asked(asking):
    asking.run("train", "--config", "config.yaml", code=2, PREFECT_API_URL="")
    assert "digitflow up" in asking.errors
