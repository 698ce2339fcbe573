"""Opening MLflow: its settings, its database, its errors."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from digitflow.errors import StorageError
from digitflow.store.artifacts import Store
from digitflow.store.databases import write_first_line

TRACKING_VARIABLE = "MLFLOW_TRACKING_URI"
DATABASE = "registry/mlflow.db"
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
    return not is_remote() and not (store.root / DATABASE).exists()


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
    uri = os.environ.get(TRACKING_VARIABLE) or _database_uri(store.root / DATABASE)
    try:
        if not is_remote():
            _initialise_database(store)
        yield MlflowClient(uri, uri)
    except (MlflowException, SQLAlchemyError) as exc:
        where = f"named by {TRACKING_VARIABLE}" if is_remote() else str(store.root / DATABASE)
        raise StorageError(
            f"the registry {where} can't be used: {write_first_line(exc)}"
        ) from exc


def _initialise_database(store: Store) -> None:
    """Make the SQLite file once: under a lock, and visible only when it is whole."""
    path = store.root / DATABASE
    if path.exists():
        return
    from mlflow import MlflowClient

    with store.lock("registry"), store.temporary_path(".db") as unfinished:
        if path.exists():
            return
        uri = _database_uri(unfinished)
        MlflowClient(uri, uri).search_registered_models()
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.replace(path)


def _database_uri(path: Path) -> str:
    return f"sqlite:///{path.resolve()}"
