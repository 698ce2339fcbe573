import logging
import sqlite3
import threading

import pytest

from digitflow import tracking
from digitflow.artifacts import Store
from digitflow.errors import StorageError


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.delenv(tracking.TRACKING_VARIABLE, raising=False)
    return Store(tmp_path)


def list_tables(path):
    connection = sqlite3.connect(path)
    try:
        return {row[0] for row in connection.execute("select name from sqlite_master")}
    finally:
        connection.close()


def test_the_database_is_made_once_quietly_and_is_whole_when_it_appears(store, capfd, caplog):
    path = store.root / tracking.DATABASE
    seen, done = [], threading.Event()

    def watch():
        while not path.exists() and not done.wait(0.001):
            pass
        seen.append(list_tables(path))

    watcher = threading.Thread(target=watch)
    watcher.start()
    with tracking.open_client(store):
        pass
    done.set()
    watcher.join()
    assert seen == [list_tables(path)]
    assert "registered_model_aliases" in seen[0]
    inode = path.stat().st_ino
    with tracking.open_client(store):
        assert path.stat().st_ino == inode
    assert not list((store.root / "tmp").iterdir())
    assert capfd.readouterr() == ("", "")
    assert not [record for record in caplog.records if record.levelno >= logging.INFO]


def test_a_server_that_does_not_answer_is_one_clear_error_without_its_password(
    store, monkeypatch
):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv(tracking.TRACKING_VARIABLE, "http://me:secret@127.0.0.1:9")
    with (
        pytest.raises(StorageError, match="named by MLFLOW_TRACKING_URI") as caught,
        tracking.open_client(store) as client,
    ):
        client.search_registered_models()
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(store.root.iterdir())


def test_a_name_nobody_registered_is_nothing(store):
    with tracking.open_client(store) as client:
        assert tracking.find_registered(client, "digits") is None
        assert tracking.find_alias(client, "digits", "champion") is None
        assert tracking.find_unused(client, "digits", "abc", None) is None
        assert tracking.list_versions(client, "digits") == []
