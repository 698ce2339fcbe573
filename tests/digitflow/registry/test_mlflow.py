import logging
import sqlite3
import threading
from contextlib import closing

import pytest

from digitflow.errors import StorageError
from digitflow.registry import mlflow
from digitflow.registry.versions import MIRROR_FILE
from digitflow.store.artifacts import Store


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.delenv(mlflow.TRACKING_VARIABLE, raising=False)
    return Store(tmp_path)


def list_tables(path):
    with closing(sqlite3.connect(path)) as connection:
        return {row[0] for row in connection.execute("select name from sqlite_master")}


def test_the_database_is_made_once_quietly_and_is_whole_when_it_appears(store, capfd, caplog):
    path = store.root / MIRROR_FILE
    seen, done = [], threading.Event()

    def watch():
        while not path.exists() and not done.wait(0.001):
            pass
        seen.append(list_tables(path))

    assert mlflow.is_missing(store)
    watcher = threading.Thread(target=watch)
    watcher.start()
    with mlflow.open_client(store):
        pass
    done.set()
    watcher.join()
    assert not mlflow.is_missing(store)
    assert seen == [list_tables(path)]
    assert "registered_model_aliases" in seen[0]
    inode = path.stat().st_ino
    with mlflow.open_client(store) as client:
        assert path.stat().st_ino == inode
        _expect_nothing(client)
    assert not list((store.root / "tmp").iterdir())
    assert capfd.readouterr() == ("", "")
    assert not [record for record in caplog.records if record.levelno >= logging.INFO]


def _expect_nothing(client):
    """A name that nobody registered is nothing."""
    assert mlflow.find_registered(client, "digits") is None
    assert mlflow.list_aliases(client, "digits") == {}
    assert mlflow.list_versions(client, "digits") == []


def test_a_server_that_does_not_answer_is_one_clear_error_without_its_password(
    store, monkeypatch
):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv(mlflow.TRACKING_VARIABLE, "http://me:secret@127.0.0.1:9")
    assert not mlflow.is_missing(store)
    with (
        pytest.raises(StorageError, match="named by MLFLOW_TRACKING_URI") as caught,
        mlflow.open_client(store) as client,
    ):
        client.search_registered_models()
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(store.root.iterdir())
