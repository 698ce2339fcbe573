import logging
import sqlite3
import threading
from contextlib import closing

import pytest
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import IntegrityError

from digitflow.errors import StorageError
from digitflow.registry import mlflow, mlflow_client
from digitflow.registry.versions import MIRROR_FILE
from digitflow.store.artifacts import Store


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.delenv(mlflow_client.TRACKING_VARIABLE, raising=False)
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

    assert mlflow_client.is_missing(store)
    watcher = threading.Thread(target=watch)
    watcher.start()
    with mlflow_client.open_client(store):
        pass
    done.set()
    watcher.join()
    assert not mlflow_client.is_missing(store)
    assert seen == [list_tables(path)]
    assert "registered_model_aliases" in seen[0]
    inode = path.stat().st_ino
    with mlflow_client.open_client(store) as client:
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
    monkeypatch.setenv(mlflow_client.TRACKING_VARIABLE, "http://me:secret@127.0.0.1:9")
    assert not mlflow_client.is_missing(store)
    with (
        pytest.raises(StorageError, match="named by MLFLOW_TRACKING_URI") as caught,
        mlflow_client.open_client(store) as client,
    ):
        client.search_registered_models()
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(store.root.iterdir())


def test_whom_the_database_refuses_finds_the_other_alias_there_and_changes_it(store):
    with mlflow_client.open_client(store) as client:
        client.create_registered_model("digits")
        versions = [client.create_model_version("digits", "nowhere") for _ in range(2)]
        add = client.set_registered_model_alias

        def come_second(model, alias, version):
            client.set_registered_model_alias = add
            add(model, alias, versions[0].version)
            raise MlflowException("UNIQUE constraint failed") from IntegrityError("", {}, None)

        client.set_registered_model_alias = come_second
        mlflow.set_alias(client, "digits", "champion", versions[1].version)
        assert mlflow.list_aliases(client, "digits") == {"champion": "2"}

        def refuse(model, alias, version):
            raise MlflowException("no such table")

        client.set_registered_model_alias = refuse
        with pytest.raises(MlflowException):
            mlflow.set_alias(client, "digits", "champion", "1")
