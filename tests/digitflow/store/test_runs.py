import json

import pytest

from digitflow.errors import InputError
from digitflow.store import runs
from digitflow.store.references import ArrayRef, FileRef, ModelRef
from digitflow.store.runs import (
    explain_run,
    find_outputs,
    find_run,
    is_interrupted,
    list_runs,
    open_run,
    read_events,
    read_run,
    summarise_tasks,
)


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


def test_runs_come_in_the_order_in_which_they_began_whatever_the_clock_said(store, monkeypatch):
    times = ("2026-01-03T00:00:00", "2026-01-03T00:00:00", "2026-01-01T00:00:00")
    for name, started in zip(("digits-b", "digits-c", "digits-a"), times, strict=True):
        monkeypatch.setattr(runs, "now", lambda started=started: started)
        with open_run(store, name, model="digits"):
            pass
    with open_run(store, "digits-c"):
        pass  # goes on with its record, and stays in its place
    assert [run["run"] for run in list_runs(store)] == ["digits-a", "digits-c", "digits-b"]
    assert read_run(store, "latest")["run"] == "digits-a"
    assert explain_run(store, "latest")["before"] == "digits-c"
    assert explain_run(store, "digits-b")["before"] is None


@pytest.mark.parametrize("lost", ["", "seven"])
def test_where_the_last_number_is_lost_it_is_found_in_the_records(store, lost):
    for name in ("a", "b"):
        with open_run(store, name):
            pass
    store.write_text(runs.LAST_NUMBER, lost)
    with open_run(store, "c"):
        pass
    assert [run["number"] for run in list_runs(store)] == [3, 2, 1]


def test_progress_is_logged(store, caplog):
    caplog.set_level("INFO", "digitflow")
    with open_run(store, "a") as log:
        log.note("computed", "split", seconds=1.5)
    assert "split: computed in 1.5 s" in caplog.messages


def test_how_far_a_task_is_is_told_and_it_still_goes_on(store, caplog):
    caplog.set_level("INFO", "digitflow")
    with open_run(store, "a") as log:
        log.note("started", "train cnn")
        log.note("progress", "train cnn", text="epoch 1 of 2, loss 0.4")
        assert summarise_tasks(log.events)["train cnn"]["state"] == "started"
    assert "train cnn: progress (epoch 1 of 2, loss 0.4)" in caplog.messages


def test_only_a_run_that_nobody_is_at_and_that_has_not_ended_is_interrupted(store):
    store.write_text("runs/cut/run.json", json.dumps({"run": "cut", "status": "running"}))
    assert is_interrupted(store, "cut")
    with open_run(store, "a"):
        assert not is_interrupted(store, "a")
    assert not is_interrupted(store, "a")
    assert not is_interrupted(store, "nosuch")


def test_a_run_is_found_by_its_very_name_alone(store):
    with open_run(store, "a", job="judge"):
        pass
    with open_run(store, "b"):
        pass
    assert find_run(store, "a")["run"] == "a"
    assert find_run(store, "latest") is find_run(store, "") is None
    # Whatever says no job is a training.
    assert [run["run"] for run in list_runs(store, "train")] == ["b"]
    assert [run["run"] for run in list_runs(store, "judge")] == ["a"]
    assert [run["run"] for run in list_runs(store)] == ["b", "a"]


def test_what_a_task_gave_is_found_by_its_name(store):
    array = {"digest": "d", "path": "arrays/d.npy", "bytes": 9, "dtype": "uint8", "shape": [2]}
    file = {"digest": "f", "path": "figures/f.png", "bytes": 3}
    model = {"digest": "m", "path": "models/m.skops", "bytes": 4, "trusted": ["my.Scaler"]}
    with open_run(store, "a") as log:
        outputs = [{"name": "rows", **array}, {"name": "page", **file}, {"name": "m", **model}]
        log.note("computed", "split", seconds=1.0, outputs=outputs)
    found = find_outputs(store, "a", "split")
    expected = {"rows": ArrayRef(**array), "page": FileRef(**file), "m": ModelRef(**model)}
    assert found == expected
    assert type(found["page"]) is FileRef
    assert find_outputs(store, "a", "other") == find_outputs(store, "b", "split") == {}


def test_who_has_no_name_is_a_number(monkeypatch):
    assert "@" in runs.name_user()

    def refuse():
        raise KeyError

    monkeypatch.setattr(runs.getpass, "getuser", refuse)
    assert runs.name_user().startswith("user ")
