import os
import signal
import sqlite3
from contextlib import closing

import pytest
from sqlalchemy import event

from digitflow.errors import InputError, StorageError
from digitflow.registry import history
from digitflow.registry.history import HISTORY
from digitflow.store.artifacts import Store

VARIABLE = "DIGITFLOW_DATABASE_URL"
pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")


def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def filled(store, make_champion, make_verdict):
    """A history with an entry and a judgement."""
    history.append_entry(store, make_champion(1), 0, "bootstrap", "first")
    history.add_judgement(store, "digits", "1", make_verdict("a"), "run-1")
    return store


@pytest.mark.parametrize("table", ["promotions", "judgements"])
@pytest.mark.parametrize("change", ["UPDATE {} SET run = 'x'", "DELETE FROM {}"])
def test_what_was_written_can_be_neither_changed_nor_removed(filled, table, change):
    with (
        pytest.raises(StorageError, match="append-only"),
        HISTORY.connect(filled) as connection,
    ):
        connection.exec_driver_sql(change.format(table))
    assert len(history.list_entries(filled, "digits")) == 1
    assert len(history.list_judgements(filled, "digits")) == 1


def test_making_the_tables_again_changes_nothing(filled):
    HISTORY.initialise(filled)
    assert len(history.list_entries(filled, "digits")) == 1


def test_a_history_whose_making_was_killed_is_made_anew(tmp_path, monkeypatch, make_champion):
    monkeypatch.delenv(VARIABLE, raising=False)
    store = Store(tmp_path)
    pid = os.fork()
    if not pid:
        try:
            # Dies within the transaction, when one of the two tables is there.
            table = history.define_tables().tables["promotions"]
            event.listen(table, "after_create", die)
            HISTORY.initialise(store)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    assert not (tmp_path / history.FILE).exists()  # an empty one would be taken for damaged
    assert history.list_entries(store, "digits") == []
    history.append_entry(store, make_champion(1), 0, "bootstrap", "first")
    with closing(sqlite3.connect(tmp_path / history.FILE)) as connection:
        names = {row[0] for row in connection.execute("select name from sqlite_master")}
    assert {"promotions", "judgements", "judgements_refuse_DELETE"} <= names


def test_a_server_has_no_file_that_could_be_missing(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, "postgresql://me:secret@127.0.0.1:9/nothing")
    store = Store(tmp_path)
    assert not HISTORY.is_missing(store)


def test_a_server_that_does_not_answer_is_one_clear_error_without_its_password(
    tmp_path, monkeypatch
):
    pytest.importorskip("psycopg")
    monkeypatch.setenv(VARIABLE, "postgresql://me:secret@127.0.0.1:9/nothing")
    with pytest.raises(StorageError, match=f"named by {VARIABLE}") as caught:
        history.read_last(Store(tmp_path), "digits")
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite://", "must name a database that lasts"),
        ("sqlite:///:memory:", "must name a database that lasts"),
        ("nosuchthing://here", "driver is not installed"),
        ("not a url", "is no database's address"),
    ],
)
def test_an_address_that_cannot_be_used_is_bad_input(tmp_path, monkeypatch, url, message):
    monkeypatch.setenv(VARIABLE, url)
    with pytest.raises(InputError, match=message):
        history.read_last(Store(tmp_path), "digits")


def test_a_folder_that_cannot_be_written_is_one_clear_error(
    tmp_path, monkeypatch, make_verdict
):
    Store(tmp_path).begin()
    (tmp_path / "registry").write_text("a file where the folder should be")
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(StorageError, match="can't write"):
        history.add_judgement(Store(tmp_path), "digits", "1", make_verdict("a"), "run")
