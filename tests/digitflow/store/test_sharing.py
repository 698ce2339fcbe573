"""Named files that homes of a bucket share, and those that each keeps to itself."""

import contextlib

import pytest

from digitflow.store.artifacts import Store
from digitflow.store.bucket import Bucket
from digitflow.store.runs import list_runs, open_run, read_events, read_run


@pytest.fixture
def homes(bucket_url, tmp_path):
    return [Store(tmp_path / name, bucket_url) for name in ("here", "there")]


def test_a_record_is_seen_by_other_homes_as_it_changes(homes):
    here, there = homes
    for text in ("one", "two"):
        here.write_text("runs/a/run.json", text)
        there.refresh("runs/", "/run.json")
        assert (there.root / "runs/a/run.json").read_text() == text
    there.write_text("runs/a/run.json", "three")
    here.refresh("runs/a/run.json")
    assert (here.root / "runs/a/run.json").read_text() == "three"


def test_what_is_as_last_seen_is_not_fetched_again(homes, monkeypatch):
    here, there = homes
    here.write_text("runs/a/run.json", "one")
    there.refresh("runs/")
    read = []
    monkeypatch.setattr(Bucket, "read", lambda self, name: read.append(name) or b"")
    there.refresh("runs/")
    here.refresh("runs/")
    assert not read


def test_what_a_home_keeps_to_itself_is_in_no_bucket(homes, bucket_url):
    here, _ = homes
    for name in ("prefect/service.json", "checkpoints/a.npz", "stats/a.json", "checked/a"):
        here.write_text(name, "{}")
    here.append_line("runs/a/events.jsonl", "{}")
    assert [each.name for each in Bucket(bucket_url).list_objects("")] == ["format"]
    here.share("runs/a/events.jsonl")
    assert Bucket(bucket_url).read("runs/a/events.jsonl") == b"{}\n"


def _fail(store, run):
    with open_run(store, run) as log:
        log.note("started", "read")
        raise ValueError("too bad")


def test_a_run_is_listed_elsewhere_with_its_events_once_it_has_ended(homes):
    here, there = homes
    with open_run(here, "digits-1", job="train") as log:
        log.note("started", "read")
        assert [run["run"] for run in list_runs(there)] == ["digits-1"]
        assert read_events(there, "digits-1") == []
    assert read_run(there, "latest")["status"] == "completed"
    assert [event["task"] for event in read_events(there, "digits-1")] == ["read"]
    with pytest.raises(ValueError, match="too bad"):
        _fail(there, "digits-2")
    last, first = list_runs(here)
    assert (last["status"], last["number"]) == ("failed", first["number"] + 1)
    assert len(read_events(here, "digits-2")) == 1


def test_a_run_that_waits_goes_on_in_another_home(homes):
    here, there = homes
    with contextlib.suppress(KeyboardInterrupt), open_run(here, "digits-1") as log:
        log.note("started", "read")
        log.wait()
        raise KeyboardInterrupt
    with open_run(there, "digits-1") as log:
        log.note("started", "judge")
    assert [event["task"] for event in read_events(here, "digits-1")] == ["read", "judge"]
    assert read_run(here, "digits-1")["status"] == "completed"


def test_a_browser_is_led_to_the_latest_report(homes, bucket_url):
    here, there = homes
    here.write_text("reports/a/index.html", "<p>a</p>")
    here.point("reports/latest", "a")
    assert b"../a/index.html" in Bucket(bucket_url).read("reports/latest/index.html")
    there.refresh("reports/a/")
    assert (there.root / "reports/a/index.html").read_text() == "<p>a</p>"


def test_what_is_shared_without_a_copy_is_read_where_it_is(homes, store):
    here, there = homes
    here.write_shared("results/key", b"value")
    assert there.read_shared("results/key") == b"value"
    assert there.read_shared("results/none") is None
    assert not (here.root / "results").exists()
    store.write_shared("results/key", b"value")
    assert store.read_shared("results/key") == b"value"
    assert store.read_shared("results/none") is None
