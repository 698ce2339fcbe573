"""`make up` and `make down` for real: server, worker and the deployments of prefect.yaml.

The service is the one of test_by_itself.py and test_unattended.py, which come first: here it is
killed and ended.
"""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from real_service import wait_for

from digitflow.cli import doctor
from digitflow.service.environment import find_running_server, read_state
from digitflow.service.processes import find_process, is_alive

pytestmark = pytest.mark.slow


def test_up_tells_its_progress_and_ends_with_the_address(service):
    assert service.first_up.returncode == 0, service.first_up.stderr
    first, *between, last = service.first_up.stdout.splitlines()
    assert "half a minute" in first
    assert f"  export PREFECT_API_URL=http://127.0.0.1:{service.port}/api" in between
    assert f"http://127.0.0.1:{service.port}" in last
    # What the worker starts would keep the server's database from the deployments.
    assert between.index("Deploying prefect.yaml ...") < between.index("Starting a worker ...")


def test_the_server_answers_and_is_found_by_other_commands(service):
    assert service.api("/health") is True
    assert find_running_server(service.store) == f"http://127.0.0.1:{service.port}/api"
    assert "it answers" in service.run("status").stdout


def test_the_page_is_served_and_asks_the_server_it_came_from(service):
    page, settings = service.page("/"), service.page("/ui-settings")
    assert b"<html" in page
    assert b'"api_url":"/api"' in settings


def test_every_port_is_open_to_this_machine_only(service):
    for process in service.processes():
        for connection in process.net_connections("tcp"):
            assert connection.laddr.ip in ("127.0.0.1", "::1")


def test_the_deployments_of_prefect_yaml_are_there(service):
    assert service.api("/work_pools/local")["type"] == "process"
    asked = service.api("/deployments/name/train/train-digits")
    nightly = service.api("/deployments/name/train/train-digits-nightly")
    assert asked["schedules"] == []
    # Without a command the worker starts a process for each run before the run's own.
    assert asked["job_variables"] == nightly["job_variables"] != {}
    assert Path(asked["job_variables"]["working_dir"]) == service.project
    assert asked["job_variables"]["command"].endswith("-m prefect.engine")
    assert asked["concurrency_options"]["collision_strategy"] == "ENQUEUE"
    assert nightly["concurrency_options"]["collision_strategy"] == "CANCEL_NEW"
    (schedule,) = nightly["schedules"]
    assert schedule["active"]
    assert schedule["schedule"]["cron"] == "0 2 * * *"
    # The form in the UI is made from this.
    assert "DigitsConfig" in asked["parameter_openapi_schema"]["definitions"]


def test_the_doctor_looks_at_the_worker_the_deployments_and_the_runs(service):
    def examine():
        findings = list(doctor._check_server(service.store))
        return {one["what"]: (one["level"], one["found"]) for one in findings}

    found = examine()
    assert found["server"] == ("ok", f"answers at http://127.0.0.1:{service.port}/api")
    assert found["worker"] == ("ok", "digitflow online")
    assert found["deployments"] == ("ok", "14, 6 of them with a schedule")
    monitor = service.api("/deployments/name/monitor-digits/monitor-digits")["id"]
    service.api(f"/deployments/{monitor}/pause_deployment", {})
    level, said = examine()["deployments"]
    assert level == "warning"
    assert "start nothing: monitor-digits" in said
    service.api(f"/deployments/{monitor}/resume_deployment", {})


def test_nightly_runs_are_scheduled(service):
    # With a SQLAlchemy that Prefect wasn't made for, the scheduler silently makes none.
    wanted = {
        "deployments": {"name": {"any_": ["train-digits-nightly"]}},
        "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}},
    }
    runs = wait_for(lambda: service.api("/flow_runs/filter", wanted))
    assert "T02:00:00" in runs[0]["expected_start_time"]


def test_a_second_up_says_that_it_runs_already_and_starts_nothing(service):
    before = read_state(service.store)
    second = service.run("up")
    assert second.returncode == 0
    assert f"running already, at http://127.0.0.1:{service.port}" in second.stdout
    assert read_state(service.store) == before


def test_a_supervisor_that_is_killed_takes_all_with_it_and_up_loses_nothing(service):
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    due = {"type": "SCHEDULED", "state_details": {"scheduled_time": tomorrow}}
    asked = service.start_run(state=due)
    runs = {run["id"] for run in service.list_runs("train-digits")}
    assert asked in runs
    running = service.start_run("judge/judge-digits", state=due)
    forced = {"state": {"type": "RUNNING"}, "force": True}
    service.api(f"/flow_runs/{running}/set_state", forced)
    left = service.processes()
    supervisor = find_process(read_state(service.store).processes["supervisor"])
    supervisor.kill()
    # Nobody is there to end them.
    wait_for(lambda: not [process for process in left if is_alive(process)])
    assert find_running_server(service.store) is None
    assert service.run("up").returncode == 0
    assert service.api("/health") is True
    assert {run["id"] for run in service.list_runs("train-digits")} == runs
    assert service.state_of(asked) == "SCHEDULED"
    assert "AwaitingRetry" in service.list_states(running)
    assert service.api("/work_pools/local/queues/training")["concurrency_limit"] == 1


def test_down_leaves_no_process_and_a_second_down_finds_nothing(service):
    processes = service.processes()
    assert len(processes) >= 3
    assert service.run("down").returncode == 0
    assert not [process for process in processes if is_alive(process)]
    assert read_state(service.store) is None
    assert find_running_server(service.store) is None
    assert "nothing to stop" in service.run("down").stdout
    assert service.run("status").returncode == 3


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({}, "--project"),
        ({"PREFECT_SERVER_API_HOST": "0.0.0.0"}, "PREFECT_SERVER_API_AUTH_STRING"),
        ({"PREFECT_SERVER_API_PORT": "abc"}, "must be a port"),
    ],
    ids=["a folder without prefect.yaml", "open to anybody", "no port"],
)
def test_what_can_t_be_started_is_bad_input(tmp_path, variables, words):
    command = [Path(sys.executable).with_name("digitflow"), "up", "--project", tmp_path]
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT")}
    environment = kept | {"DIGITFLOW_ARTIFACTS": str(tmp_path)} | variables
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr
