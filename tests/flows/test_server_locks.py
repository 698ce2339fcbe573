"""Trainings whose locks are PostgreSQL's, which is started again meanwhile."""

import time

import psycopg
import pytest

from digitflow.store.runs import list_runs, read_events


def _wait_until(project, process, event):
    while process.poll() is None:
        for run in list_runs(project.store):
            if any(each["event"] == event for each in read_events(project.store, run["run"])):
                return
        time.sleep(0.02)


@pytest.mark.slow
def test_a_run_whose_locks_are_lost_says_so_and_goes_on_with_the_same_command(
    empty_project, postgres_url
):
    project, variables = empty_project, {"DIGITFLOW_DATABASE_URL": postgres_url}
    process = project.start("train", "--config", "config.yaml", **variables)
    _wait_until(project, process, "started")
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        ended = connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'digitflow locks' AND datname = current_database()"
        ).fetchall()
    output, errors = process.communicate(timeout=300)
    assert ended
    assert process.returncode == 2, f"{output}\n{errors}"
    assert "no longer holds the locks" in errors
    assert "begin again; what was finished is kept" in " ".join(errors.split())
    record = project.train(**variables)
    assert record["status"] == "completed"
    assert record["verdict"]["outcome"] == "bootstrap"
