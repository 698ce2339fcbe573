"""Locks on a real PostgreSQL: between sessions, processes and threads, and when one is lost."""

import subprocess
import sys
import threading
import time

import pytest

from digitflow.errors import InputError, StorageError
from digitflow.store import server_locks
from digitflow.store.artifacts import Store
from digitflow.store.runs import INTERRUPTED, list_runs
from digitflow.store.server_locks import DATABASE_VARIABLE, ServerLocks, names_server

HOLD = (
    "import sys, time; from digitflow.store.server_locks import ServerLocks;"
    "ServerLocks('').acquire('a'); print('held', flush=True); time.sleep(60)"
)


@pytest.fixture
def locks(postgres_url, monkeypatch):
    monkeypatch.setenv(DATABASE_VARIABLE, postgres_url)
    return ServerLocks("")


@pytest.fixture
def holder(locks):
    """Another process, which holds the lock a."""
    with subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def end_sessions():
    """End all sessions that hold locks, as a server that is started again does."""
    import os

    import psycopg

    url = os.environ[DATABASE_VARIABLE]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'digitflow locks' AND datname = current_database()"
        )


def test_a_lock_is_held_until_it_is_released_and_by_one_in_this_process_too(locks):
    held = locks.acquire("a")
    assert locks.is_locked("a")
    assert not locks.is_locked("b")
    assert not ServerLocks("s3://another").is_locked("a")
    with pytest.raises(TimeoutError, match="a is held"):
        locks.acquire("a", timeout=0)
    locks.release("a", held)
    assert not locks.is_locked("a")


def test_threads_take_turns(locks):
    inside, most = [], []

    def work():
        for _ in range(5):
            held = locks.acquire("a")
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.0005)
            inside.pop()
            locks.release("a", held)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1
    assert len(most) == 20


def test_kill_9_frees_the_lock_of_another_process(locks, holder):
    assert locks.is_locked("a")
    with pytest.raises(TimeoutError):
        locks.acquire("a", timeout=0.2)
    holder.kill()
    locks.release("a", locks.acquire("a", timeout=30))


def test_a_session_that_was_lost_with_a_lock_is_a_clear_error(locks, caplog):
    held = locks.acquire("train knn")
    end_sessions()
    with pytest.raises(StorageError, match=r"no longer holds.*train knn.*begin again"):
        locks.acquire("b")
    # Until who holds it has heard of it; nobody else has it from us.
    with pytest.raises(StorageError, match="no longer holds"):
        locks.acquire("b")
    locks.release("train knn", held)
    assert "train knn was lost" in caplog.text
    locks.release("b", locks.acquire("b"))


def test_a_session_that_held_nothing_is_opened_again(locks):
    locks.release("a", locks.acquire("a"))
    end_sessions()
    locks.release("a", locks.acquire("a"))
    end_sessions()
    assert not locks.is_locked("a")


def test_a_server_that_is_not_there_is_named_without_its_password(locks, monkeypatch, tmp_path):
    monkeypatch.setattr(server_locks, "PAUSES", (0.01,))
    url = f"postgresql://me:secret@/none?host={tmp_path}"
    monkeypatch.setenv(DATABASE_VARIABLE, url)
    with pytest.raises(StorageError, match="can't be asked for locks") as caught:
        locks.acquire("a")
    assert "secret" not in str(caught.value)


def test_without_the_extra_it_is_named(monkeypatch):
    monkeypatch.setenv(DATABASE_VARIABLE, "postgresql://nobody@nowhere/x")
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(InputError, match=r"extra postgres"):
        ServerLocks("").acquire("a")


def test_only_a_postgresql_has_locks():
    for url in ("postgresql://x/y", "postgres://x/y", "postgresql+psycopg://x/y"):
        assert names_server({DATABASE_VARIABLE: url})
    assert not names_server({DATABASE_VARIABLE: "sqlite:////x.db"})
    assert not names_server({})


def test_stores_of_two_machines_share_locks_and_keep_the_service_s_own(locks, tmp_path):
    here, there = Store(tmp_path / "here"), Store(tmp_path / "there")
    with here.lock("gc"), here.lock_here("prefect-service"):
        assert there.is_locked("gc")
        assert not there.own_locks.is_locked("prefect-service")
        assert here.own_locks.is_locked("prefect-service")
        assert not here.is_locked("prefect-service")
    assert not there.is_locked("gc")


RUN = (
    "import sys, time; from pathlib import Path; from digitflow.store.artifacts import Store;"
    "from digitflow.store.runs import open_run; store = Store(Path(sys.argv[1]), sys.argv[2])\n"
    "with open_run(store, 'digits-1') as log:\n"
    "    print('begun', flush=True); time.sleep(60)"
)


@pytest.mark.parametrize("on_a_server", [True, False])
def test_a_run_of_another_home_that_was_killed_is_known_by_its_lock(
    on_a_server, tmp_path, bucket_url, request, monkeypatch
):
    if on_a_server:
        monkeypatch.setenv(DATABASE_VARIABLE, request.getfixturevalue("postgres_url"))
    command = [sys.executable, "-c", RUN, tmp_path / "theirs", bucket_url]
    ours = Store(tmp_path / "ours", bucket_url)
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"begun\n"
        assert [run["status"] for run in list_runs(ours)] == ["running"]
        process.kill()
        process.wait()
    for _ in range(100 if on_a_server else 1):  # the server hears of it in a moment
        statuses = [run["status"] for run in list_runs(ours)]
        if statuses == [INTERRUPTED]:
            break
        time.sleep(0.05)
    assert statuses == [INTERRUPTED if on_a_server else "running"]
    theirs = Store(tmp_path / "theirs", bucket_url)
    assert [run["status"] for run in list_runs(theirs)] == [INTERRUPTED]
