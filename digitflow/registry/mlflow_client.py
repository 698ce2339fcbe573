"""How MLflow is opened, and what is wrong with its file where that can't be.

It is imported and opened where something is registered, promoted or freed, not to read.
"""

import logging
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from digitflow.errors import StorageError
from digitflow.registry.versions import (
    MIRROR_FILE,
)
from digitflow.store import sqlite_files
from digitflow.store.artifacts import Store
from digitflow.store.databases import read_patience, write_first_line
from digitflow.store.sqlite_files import Fault

TITLE = "the registry"


TRACKING_VARIABLE = "MLFLOW_TRACKING_URI"
_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_CONFIGURE_LOGGING": "false",
    # A server that doesn't answer is reported after seconds, not minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
}


def is_remote() -> bool:
    """Tell whether the environment names a registry other than the store's own file."""
    return bool(os.environ.get(TRACKING_VARIABLE))


def is_missing(store: Store) -> bool:
    """Tell whether the registry is the store's own file, and not there yet."""
    return not is_remote() and not (store.root / MIRROR_FILE).exists()


@contextmanager
def open_client(store: Store) -> Iterator[Any]:
    """Yield an `MlflowClient`; what goes wrong with it inside the block is one clear error.

    Raises
    ------
    StorageError
        If the registry can't be reached, read or written.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)  # read by MLflow when it is imported
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # What it logs with a traceback it raises too.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    path = store.root / MIRROR_FILE
    uri = os.environ.get(TRACKING_VARIABLE) or _database_uri(path)
    if not is_remote():
        _initialise_database(store)
        # MLflow would fill an empty file, try a locked one for minutes, and advise to
        # upgrade what is newer than itself.
        if (fault := find_fault(store, read_patience())) is not None:
            raise StorageError(fault.describe(TITLE, path))
    try:
        yield MlflowClient(uri, uri)
    except (MlflowException, SQLAlchemyError) as exc:
        raise _explain(exc, path) from exc


def find_fault(store: Store, seconds: float, thorough: bool = False) -> Fault | None:
    """Return what is wrong with the registry's file; None where a server keeps it."""
    if is_remote():
        return None
    return sqlite_files.find_fault(store.root / MIRROR_FILE, seconds, thorough, _check_file)


def _check_file(connection: sqlite3.Connection) -> Fault | None:
    folder = "store/db_migrations/versions"
    return sqlite_files.compare_revision(connection, "mlflow", folder, "MLflow")


def upgrade(store: Store) -> None:
    """Let MLflow bring a file that an older one wrote up to date.

    Raises
    ------
    StorageError
        If it could not.
    """
    uri = _database_uri(store.root / MIRROR_FILE)
    command = [sys.executable, "-m", "mlflow", "db", "upgrade", uri]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise StorageError(f"{TITLE} {store.root / MIRROR_FILE} was not upgraded: {last}")


def _explain(exc: Exception, path: Path) -> StorageError:
    """Return what an error of MLflow's means, for its file or for a server."""
    if not is_remote() and (fault := sqlite_files.read_error(exc)) is not None:
        return StorageError(fault.describe(TITLE, path))
    where = f"named by {TRACKING_VARIABLE}" if is_remote() else path
    return StorageError(f"{TITLE} {where} can't be used: {write_first_line(exc)}")


def _initialise_database(store: Store) -> None:
    """Make the SQLite file once: under a lock, and visible only when it is whole."""
    path = store.root / MIRROR_FILE
    if path.exists():
        return
    from mlflow import MlflowClient

    with store.lock_here("registry"), store.temporary_path(".db") as unfinished:
        if path.exists():
            return
        uri = _database_uri(unfinished)
        with _unsynchronised(unfinished):
            MlflowClient(uri, uri).search_registered_models()
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.replace(path)


@contextmanager
def _unsynchronised(path: Path) -> Iterator[None]:
    """Let SQLite not wait for the disk at each of MLflow's hundred steps to a first database.

    That takes seconds, for a file that nobody uses before it is whole.
    """
    from sqlalchemy import Engine, event

    def hurry(connection: Any, _record: Any) -> None:
        if not isinstance(connection, sqlite3.Connection):
            return  # another thread's, of a history on a server
        _, _, file = connection.execute("PRAGMA database_list").fetchone()
        if Path(file) == path.resolve():
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("PRAGMA journal_mode = MEMORY")

    event.listen(Engine, "connect", hurry)
    try:
        yield
    finally:
        event.remove(Engine, "connect", hurry)


def _database_uri(path: Path) -> str:
    return f"sqlite:///{path.resolve()}"
