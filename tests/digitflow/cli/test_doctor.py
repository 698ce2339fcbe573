"""What the doctor says of the registry."""

from types import SimpleNamespace

import pytest

from digitflow.cli import doctor
from digitflow.registry import champion, listing


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
