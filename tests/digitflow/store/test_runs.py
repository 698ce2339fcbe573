import json

import pytest

from digitflow.errors import InputError
from digitflow.store.runs import list_runs, open_run, read_events, read_run


def test_a_run_is_recorded_from_start_to_end(store):
    with open_run(store, "a", model="digits") as log:
        assert read_run(store, "a")["status"] == "running"
        log.note("computed", "split", seconds=1.5)
    record = read_run(store, "latest")
    assert (record["run"], record["model"], record["status"]) == ("a", "digits", "completed")
    assert record["seconds"] >= 0
    assert [event["task"] for event in read_events(store, "a")] == ["split"]


def test_a_failed_run_says_why(store):
    with pytest.raises(InputError), open_run(store, "a"):
        raise InputError("no digits here")
    record = read_run(store, "a")
    assert (record["status"], record["error"]) == ("failed", "no digits here")


def test_a_run_whose_process_is_gone_is_interrupted_not_running(store):
    store.write_text("runs/a/run.json", json.dumps({"run": "a", "status": "running"}))
    assert read_run(store, "a")["status"] == "interrupted"


def test_a_line_cut_by_a_kill_is_passed_over(store):
    store.append_line("runs/a/events.jsonl", '{"event": "key", "task": "split"}')
    store.append_line("runs/a/events.jsonl", '{"event": "comp')
    assert len(read_events(store, "a")) == 1
    assert read_events(store, "b") == []


def test_an_unknown_run_lists_the_known_ones(store):
    with open_run(store, "a"):
        pass
    with pytest.raises(InputError, match=r"'b'.*: a"):
        read_run(store, "b")


def test_a_run_record_that_is_garbage_is_passed_over(store):
    store.write_text("runs/a/run.json", "{")
    assert list_runs(store) == []


def test_runs_come_newest_first(store):
    for name, started in (("a", "2026-01-01"), ("b", "2026-01-02")):
        store.write_text(f"runs/{name}/run.json", json.dumps({"run": name, "started": started}))
    assert [run["run"] for run in list_runs(store)] == ["b", "a"]


def test_progress_is_logged(store, caplog):
    caplog.set_level("INFO", "digitflow")
    with open_run(store, "a") as log:
        log.note("computed", "split", seconds=1.5)
    assert "split: computed in 1.5 s" in caplog.messages
