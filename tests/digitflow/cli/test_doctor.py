"""What the doctor says of the registry."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from digitflow.cli import doctor
from digitflow.registry import champion, listing, versions


def link(number, predecessor):
    return SimpleNamespace(id=number, predecessor=predecessor)


def test_a_history_is_one_chain():
    found = doctor._check_history("digits", [link(7, 3), link(3, 1), link(1, 0)])
    assert (found["level"], found["found"]) == ("ok", "digits: 3 entries, one chain")
    assert doctor._check_history("digits", [])["level"] == "ok"


def test_entries_out_of_line_are_named():
    found = doctor._check_history("digits", [link(7, 1), link(3, 1), link(1, 9)])
    assert found["level"] == "error"
    assert "entries 7, 1 do not follow" in found["found"]


def test_what_was_behind_is_a_warning(store, monkeypatch):
    monkeypatch.setattr(listing, "list_models", lambda store: ["digits"])
    monkeypatch.setattr(champion, "mend", lambda store, model: ["the alias was on 1, not 2"])
    monkeypatch.setattr(listing, "list_history", lambda store, model: [])
    monkeypatch.setattr(champion, "read_champion", lambda store, model: None)
    first, second, third = doctor._check_registry(store)
    assert first["level"] == "warning"
    assert first["found"] == "the alias was on 1, not 2: fixed"
    assert second["found"] == "digits has no champion"
    assert third["what"] == "history"


@pytest.mark.parametrize(("database", "level"), [(None, "warning"), ("postgresql://x", None)])
def test_a_shared_registry_without_a_shared_history_is_a_warning(monkeypatch, database, level):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://shared")
    monkeypatch.delenv("DIGITFLOW_DATABASE_URL", raising=False)
    if database:
        monkeypatch.setenv("DIGITFLOW_DATABASE_URL", database)
    assert [finding["level"] for finding in doctor._check_places()] == [level] * bool(level)


def test_the_file_system_is_that_of_the_nearest_mount():
    mounts = {"/": "ext4", "/home": "nfs4", "/home/me/fast": "xfs"}
    kinds = [doctor.find_file_system(Path(path), mounts)
             for path in ("/srv/a", "/home/me/a", "/home/me/fast/a", "/homework")]  # fmt: skip
    assert kinds == ["ext4", "nfs4", "xfs", "ext4"]
    here = {m.mountpoint: m.fstype for m in psutil.disk_partitions(all=True)}
    assert doctor.find_file_system(Path("/proc/self"), here) in ("proc", "unknown", "apfs")


def test_a_folder_on_a_local_disk_is_no_warning(store):
    assert list(doctor._check_disk(store)) == []


@pytest.mark.parametrize(("days", "count"), [(0, 0), (3, 1)])
def test_a_run_that_waits_for_a_person_for_long_is_told(store, days, count):
    moment = (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="seconds")
    record = {"run": "digits-1", "status": "waiting", "finished": moment}
    store.write_text("runs/digits-1/run.json", json.dumps(record))
    found = list(doctor._check_waiting(store))
    assert [finding["level"] for finding in found] == ["warning"] * count
    assert all(
        f"digits-1 has been waiting for a person since {moment}" in f["found"] for f in found
    )


@pytest.mark.parametrize(("made_with", "level"), [(None, "ok"), ("0.0.1", "warning")])
def test_a_champion_of_other_library_versions_is_told(store, monkeypatch, made_with, level):
    libraries = {"numpy": made_with or doctor.installed_version("numpy"), "python": "2.7"}
    known = SimpleNamespace(libraries=libraries, version="3", bundle=None)
    monkeypatch.setattr(champion, "read_champion", lambda store, model: known)
    monkeypatch.setattr(versions, "list_files", lambda bundle: {})
    found = doctor._check_champion(store, "digits")
    assert found["level"] == level
    assert ("version 3 was made with numpy 0.0.1, here" in found["found"]) == bool(made_with)
