"""Left alone for days: nobody answers, workers die, and runs come while others go on."""

import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psutil
import pytest
import yaml
from real_service import CONFIG, ENDED, GATE, wait_for

from digitflow.registry.champion import read_champion
from digitflow.registry.listing import find_registration, list_history, list_versions
from digitflow.service.environment import USUAL_POOL, open_client, read_state
from digitflow.service.processes import find_process, is_alive, log_path, read_environ
from digitflow.service.repairs import (
    PENDING_LOOKS,
    RUN_VARIABLE,
    find_stuck,
    restart_stuck,
    restart_unsubmitted,
)
from digitflow.store.runs import list_runs, read_events

pytestmark = pytest.mark.slow

MODEL = "digits-unattended"
TREE = {"name": "tree", "estimator": "tree", "recipe": "pixels"}
BETTER = {"name": "svm", "estimator": "svm", "recipe": "strokes"}
# The corrections are those of test_by_itself.py, which shares the service.
SMALL = CONFIG | {"model": MODEL, "candidates": [TREE], "feedback": {"learn": False}}
# Long enough for a second run, or a kill, to come meanwhile.
LONG = SMALL | {
    "candidates": [TREE, {"name": "knn", "estimator": "knn", "recipe": "strokes"}, BETTER],
    "augment": {"backend": "shift"},
}

# About as long as such a run takes, from its being asked for to its end.
LONG_SECONDS, KILLS = 40, 20
# A training that has its turn, and takes no more of it than that there is no such file.
FAILING = {"parameters": {"config": "configs/missing.yaml"}}


def asking(model, minutes):
    """Return a config with a better candidate, whose promotion a person is asked about."""
    gate = GATE | {"approval": {"timeout_minutes": minutes}}
    return SMALL | {"model": model, "candidates": [BETTER], "gate": gate}


@pytest.fixture(scope="module")
def trained(service):
    """The service, once it has a champion."""
    asked = {"parameters": {"config": SMALL}, "idempotency_key": "the first"}
    run = service.start_run(**asked)
    assert service.start_run(**asked) == run
    ended = service.finish(run)
    assert ended["state"]["type"] == "COMPLETED", ended["state"]["message"]
    assert (service.store.root / "reports" / "latest" / "index.html").is_file()
    return service


@pytest.fixture(scope="module", autouse=True)
def stuck(service):
    """Runs that say they are at work, and have no process: the last test looks after them."""

    def start(state):
        planned = {
            "type": "SCHEDULED",
            "state_details": {"scheduled_time": "2100-01-01T00:00Z"},
        }
        # Not a training, of which each would wait for the place that these hold.
        run = service.start_run("judge/judge-digits", state=planned)
        forced = {"state": {"type": state}, "force": True}
        assert service.api(f"/flow_runs/{run}/set_state", forced)["status"] == "ACCEPT"
        return run

    runs, suspects = [start("RUNNING"), start("PENDING")], {}
    with open_client(f"http://127.0.0.1:{service.port}/api") as client:
        assert {str(run.id) for run in find_stuck(client, USUAL_POOL)} >= set(runs)
        # The supervisor looks every half minute.
        for _ in range(PENDING_LOOKS):
            assert service.state_of(runs[1]) == "PENDING"
            suspects = restart_stuck(client, USUAL_POOL, suspects)
    assert "AwaitingRetry" in service.list_states(runs[1])
    return runs


def list_processes(run):
    """Return the processes that work at a flow run."""
    return [p for p in psutil.process_iter() if read_environ(p).get(RUN_VARIABLE) == run]


def find_record(service, run):
    """Return the record of a flow run."""
    (record,) = [one for one in list_runs(service.store) if one["flow_run_id"] == run]
    return record


def count_computed(service, record):
    """Return how often each task that can be cached was computed in a run."""
    events = read_events(service.store, record["run"])
    cacheable = {event["task"] for event in events if event["event"] == "key"}
    return Counter(
        event["task"]
        for event in events
        if event["event"] == "computed" and event["task"] in cacheable
    )


def wait_until_started(service, run, task):
    """Wait until a task of a flow run has started; return the run's record."""

    def find():
        for record in list_runs(service.store):
            if record["flow_run_id"] == run and any(
                (event["event"], event["task"]) == ("started", task)
                for event in read_events(service.store, record["run"])
            ):
                return record
        assert service.state_of(run) not in ENDED
        return None

    return wait_for(find, seconds=120)


def test_a_run_that_the_worker_could_not_start_begins_again_and_no_other_that_crashed(service):
    began = datetime.now(UTC)

    def crash(message):
        planned = {
            "type": "SCHEDULED",
            "state_details": {"scheduled_time": "2100-01-01T00:00Z"},
        }
        run = service.start_run("judge/judge-digits", state=planned)
        forced = {"state": {"type": "CRASHED", "message": message}, "force": True}
        service.api(f"/flow_runs/{run}/set_state", forced)
        return run

    unsubmitted = crash("Failed to submit flow run to infrastructure: HTTPStatusError: 503")
    crashed = crash("Flow run infrastructure exited with non-zero status code 1.")
    with open_client(f"http://127.0.0.1:{service.port}/api") as client:
        restart_unsubmitted(client, USUAL_POOL, began)
    assert "AwaitingRetry" in service.list_states(unsubmitted)
    assert service.list_states(crashed)[-1] == "Crashed"


def test_a_run_that_waits_for_a_person_frees_its_place_and_goes_on_when_answered(trained):
    waiting = trained.start_run(parameters={"config": asking(MODEL, 30)})
    wait_for(lambda: trained.state_of(waiting) == "PAUSED", seconds=120)
    wait_for(lambda: not list_processes(waiting))
    record = find_record(trained, waiting)
    assert record["status"] == "waiting"
    assert len(list_versions(trained.store, MODEL)) == 1

    # Its place is free: another training has its turn while it waits.
    assert trained.finish(trained.start_run(**FAILING))["state"]["type"] == "FAILED"
    assert trained.state_of(waiting) == "PAUSED"

    answer = {"promote": True, "name": "Ada", "why": "reads my sevens"}
    resumed = trained.api(f"/flow_runs/{waiting}/resume", {"run_input": answer})
    assert resumed["status"] == "ACCEPT"
    ended = trained.finish(waiting)
    assert ended["state"]["type"] == "COMPLETED", ended["state"]["message"]
    assert ended["name"] == f"{record['run']} promote v2"
    assert read_champion(trained.store, MODEL).version == "2"
    last = list_history(trained.store, MODEL)[0]
    assert "Ada" in last.why
    assert "reads my sevens" in last.why

    assert {"digitflow", "training", MODEL, "promote"} <= set(ended["tags"])
    # One run, one record: it went on from what it had computed before the question.
    after = find_record(trained, waiting)
    assert after["started"] == record["started"]
    assert after["status"] == "completed"
    assert set(count_computed(trained, after).values()) == {1}


def test_nobody_answers_and_that_is_a_no(trained):
    run = trained.start_run(parameters={"config": asking("digits-unanswered", 0.05)})
    ended = trained.finish(run)
    assert ended["state"]["type"] == "COMPLETED", ended["state"]["message"]
    assert "Suspended" in trained.list_states(run)
    verdict = find_record(trained, run)["verdict"]
    assert "no answer within 0.05 minutes" in verdict["reason"]
    assert read_champion(trained.store, "digits-unanswered") is None
    bundle = find_registration(trained.store, "digits-unanswered", "1")
    assert "no answer" in bundle.verdict.reason


def test_people_are_told_of_a_rejection_and_of_a_failure(trained, told):
    messages, _ = told

    def find(words):
        return [one for one in messages if words in one["title"]]

    # Of the runs before: one had no config, and nobody answered the other.
    (failure,) = wait_for(lambda: find("no-config"))
    assert failure["title"].endswith("failed")
    assert "configs/missing.yaml" in failure["message"]
    (rejection,) = wait_for(lambda: find("digits-unanswered keeps its champion"), seconds=180)
    assert "no answer" in rejection["message"]


def test_a_second_run_of_a_deployment_is_cancelled_and_another_training_waits(
    trained,
):
    nightly, asked = "train/train-digits-nightly", {"config": LONG}
    first = trained.start_run(nightly, parameters=asked)
    wait_until_started(trained, first, "train svm")
    second = trained.start_run(nightly, parameters=asked)
    other = trained.start_run(**FAILING)
    time.sleep(5)  # the worker looks for runs every two seconds
    assert trained.state_of(first) == "RUNNING"
    assert trained.state_of(other) == "SCHEDULED"
    assert trained.finish(first)["state"]["type"] == "COMPLETED"
    cancelled = trained.finish(second)
    assert cancelled["state"]["type"] == "CANCELLED"
    # By Prefect, where the first one's place isn't free yet; else by the run itself.
    said = ("concurrency limit reached", "was going on when this run was due")
    assert any(words in cancelled["state"]["message"] for words in said)
    ended = trained.finish(other)
    assert ended["state"]["type"] == "FAILED"
    assert ended["start_time"] > trained.api(f"/flow_runs/{first}")["end_time"]


def test_a_run_whose_worker_is_killed_is_marked_and_goes_on_from_what_was_finished(trained):
    config = LONG | {"model": "digits-killed", "seed": 7}
    run = trained.start_run(parameters={"config": config})
    killed = wait_until_started(trained, run, "train svm")
    left = list_processes(run)
    assert left
    marks = read_state(trained.store).processes
    server = find_process(marks["server"])
    # A server that is too busy to answer now: the supervisor asks again.
    server.suspend()
    find_process(marks["worker"]).kill()
    log = log_path(trained.store, "service")
    wait_for(lambda: "doesn't answer" in log.read_text())
    server.resume()
    ended = trained.follow(run)
    assert read_state(trained.store).processes["supervisor"] == marks["supervisor"]
    # What it had started went with it, and didn't do the same again beside the new one.
    assert not [process for process in left if is_alive(process)]
    assert ended["state"]["type"] == "COMPLETED", ended["state"]["message"]
    states = trained.list_states(run)
    assert states[-1] == "Completed"
    assert states.index("Crashed") < states.index("AwaitingRetry")
    assert ended["run_count"] == 2
    record = find_record(trained, run)
    assert record["run"] == killed["run"]
    computed = count_computed(trained, record)
    assert computed["split"] == 1
    assert set(computed.values()) == {1}


@pytest.mark.soak
def test_a_worker_that_is_killed_at_random_moments_loses_no_run(trained):
    moments = np.random.default_rng(16).uniform(0, LONG_SECONDS, KILLS)
    for turn, moment in enumerate(moments):
        config = LONG | {"model": f"digits-random-{turn}", "seed": 100 + turn}
        run = trained.start_run(parameters={"config": config})
        time.sleep(moment)
        find_process(read_state(trained.store).processes["worker"]).kill()
        ended = trained.follow(run)
        assert ended["state"]["type"] == "COMPLETED", (moment, trained.list_states(run))
        assert ended["run_count"] <= 3
        assert set(count_computed(trained, find_record(trained, run)).values()) == {1}
        wait_for(lambda run=run: not list_processes(run))


def test_a_run_without_a_process_begins_again(trained, stuck):
    for run in stuck:
        ended = trained.follow(run)
        states = trained.list_states(run)
        assert states.index("Crashed") < states.index("AwaitingRetry")
        assert ended["run_count"] >= 1


def test_a_command_that_is_killed_is_marked_too(trained, tmp_path):
    # A model without a champion: nothing else ends the run before the kill does.
    config = LONG | {"model": "digits-commanded", "seed": 8}
    (tmp_path / "long.yaml").write_text(yaml.safe_dump(config))
    environment = trained.environment() | {
        "PREFECT_API_URL": f"http://127.0.0.1:{trained.port}/api"
    }
    command = [Path(sys.executable).with_name("digitflow"), "train", "--config", "long.yaml"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    known = {record["run"] for record in list_runs(trained.store)}
    new = wait_for(lambda: [r for r in list_runs(trained.store) if r["run"] not in known])
    process.kill()
    process.wait()
    wait_for(lambda: trained.state_of(new[0]["flow_run_id"]) == "CRASHED", seconds=120)
