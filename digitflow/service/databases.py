"""The four databases of a folder: what is wrong with one, and how it is repaired.

The history and the feedback are ours, MLflow's mirrors the history, and Prefect's knows runs.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from shutil import disk_usage
from typing import Any, NamedTuple

import psutil

from digitflow.errors import DigitflowError, InputError, StorageError, list_some
from digitflow.feedback.tables import FEEDBACK
from digitflow.formatting import format_bytes, format_count
from digitflow.registry import history, mlflow_client
from digitflow.registry.cleanup import refuse_while_running
from digitflow.registry.history import HISTORY
from digitflow.registry.versions import MIRROR_FILE
from digitflow.service.environment import is_supervised
from digitflow.service.server import ServerFailed
from digitflow.store.artifacts import Store
from digitflow.store.databases import Database, read_patience
from digitflow.store.server_locks import DATABASE_VARIABLE
from digitflow.store.sqlite_files import (
    SIDE_FILES,
    Fault,
    compare_revision,
    copy_database,
    find_fault,
    open_file,
    set_aside,
)

# Prefect reads the second where the first is not set.
URL_VARIABLES = (
    "PREFECT_SERVER_DATABASE_CONNECTION_URL",
    "PREFECT_API_DATABASE_CONNECTION_URL",
)
PREFECT_TITLE, PREFECT_FILE = "Prefect's database", "prefect.db"
# How long to wait for whoever writes, where somebody looks for what is wrong.
LOOK_SECONDS = 3.0
# What a fresh server and a run write there is 6 MB.
LEAST_FREE = 32 << 20
# All of it is read in less than a second.
QUICKLY_READ = 128 << 20
MOST_NAMED_CHARACTERS = 60


class KeptDatabase(NamedTuple):
    """One of the four.

    Attributes
    ----------
    title : str
        What it is called in a sentence.
    path : Path or None
        None where a server keeps it.
    named_by : str
        The variable that names another place.
    find_fault : callable
        (seconds to wait, whether to read all of it) -> what is wrong.
    rebuild : callable
        (store, the damaged file or None) -> sentences on what a new one holds.
    """

    title: str
    path: Path | None
    named_by: str
    find_fault: Callable[[float, bool], Fault | None]
    rebuild: Callable[[Store, Path | None], list[str]]


def list_databases(store: Store) -> list[KeptDatabase]:
    """Return the four databases of a store."""
    prefect = find_prefect_file(store)
    return [
        KeptDatabase(
            HISTORY.title,
            HISTORY.find_file(store),
            DATABASE_VARIABLE,
            lambda seconds, thorough: _find_history_fault(store, seconds, thorough),
            _rebuild_history,
        ),
        KeptDatabase(
            mlflow_client.TITLE,
            None if mlflow_client.is_remote() else store.root / MIRROR_FILE,
            mlflow_client.TRACKING_VARIABLE,
            lambda seconds, thorough: _find_mirror_fault(store, seconds, thorough),
            _rebuild_mirror,
        ),
        KeptDatabase(
            FEEDBACK.title,
            FEEDBACK.find_file(store),
            DATABASE_VARIABLE,
            lambda seconds, thorough: _ignore_missing(
                FEEDBACK.find_fault(store, seconds, thorough)
            ),
            _rebuild_feedback,
        ),
        KeptDatabase(
            PREFECT_TITLE,
            prefect,
            URL_VARIABLES[0],
            lambda seconds, thorough: find_prefect_fault(prefect, seconds, thorough),
            _begin_anew,
        ),
    ]


# -- what is wrong ------------------------------------------------------------------


def _ignore_missing(fault: Fault | None) -> Fault | None:
    return None if fault is not None and fault.kind == "missing" else fault


def _find_history_fault(store: Store, seconds: float, thorough: bool) -> Fault | None:
    fault = HISTORY.find_fault(store, seconds, thorough)
    is_begun = (store.root / MIRROR_FILE).exists()
    if fault is not None and fault.kind == "missing":
        return fault if is_begun else None
    return fault


def _find_mirror_fault(store: Store, seconds: float, thorough: bool) -> Fault | None:
    fault = mlflow_client.find_fault(store, seconds, thorough)
    if fault is not None and fault.kind == "missing":
        with suppress(DigitflowError):
            return fault if history.list_models(store) else None
    return fault


def find_prefect_file(store: Store) -> Path | None:
    """Return where Prefect's server keeps its database; None where another server does."""
    for name in URL_VARIABLES:
        if url := os.environ.get(name):
            kind, _, place = url.partition(":///")
            return Path(place.partition("?")[0]) if kind.startswith("sqlite") else None
    home = os.environ.get("PREFECT_HOME") or store.root / "prefect"
    return Path(home).expanduser() / PREFECT_FILE


def find_prefect_fault(path: Path | None, seconds: float, thorough: bool) -> Fault | None:
    """Return what is wrong with Prefect's file, or with the room that it has.

    One without tables is being made by a server that starts; an older one is brought up to
    date by the next server.
    """
    if path is None:
        return None
    fault = find_fault(path, seconds, thorough, _check_prefect_file)
    if fault is None or fault.kind in ("missing", "empty", "older"):
        return _find_lack_of_room(path)
    return fault


def _check_prefect_file(connection: sqlite3.Connection) -> Fault | None:
    folder = "server/database/_migrations/versions/sqlite"
    return compare_revision(connection, "prefect", folder, "Prefect")


def _find_lack_of_room(path: Path) -> Fault | None:
    folder = next(each for each in path.absolute().parents if each.exists())
    free = disk_usage(folder).free
    if free >= LEAST_FREE:
        return None
    said = f"can't grow: {format_bytes(free)} are free on its disk, and a run writes up to "
    return Fault("full", said + format_bytes(LEAST_FREE))


def require_prefect(store: Store) -> None:
    """Refuse to start a server with a database that it could not use.

    Raises
    ------
    StorageError
        Which file, what is wrong, and what mends it: the server would only not come up.
    """
    path = find_prefect_file(store)
    is_small = path is not None and path.exists() and path.stat().st_size < QUICKLY_READ
    fault = find_prefect_fault(path, read_patience(), is_small)
    if path is not None and fault is not None:
        raise StorageError(fault.describe(PREFECT_TITLE, path))


@contextmanager
def explain_failures(store: Store) -> Iterator[None]:
    """Let a failure that nobody expected say which of the databases is at fault, if one is."""
    try:
        yield
    except Exception as exc:
        if isinstance(exc, DigitflowError) and not isinstance(exc, ServerFailed):
            raise
        for database in list_databases(store):
            fault = database.find_fault(LOOK_SECONDS, True)
            if database.path is not None and fault is not None:
                raise StorageError(fault.describe(database.title, database.path)) from exc
        raise


# -- repairing ----------------------------------------------------------------------


def repair(store: Store, path: Path) -> list[str]:
    """Mend one of the four databases; return what was done, in sentences.

    Raises
    ------
    InputError
        If the file is none of them, or a newer version wrote it.
    StorageError
        If it can't be mended now: who holds it, who may change it, what to end first.
    """
    file, database = _choose(store, path)
    fault = database.find_fault(LOOK_SECONDS, True)
    if fault is None:
        return [f"{database.title} {file}: nothing is wrong with it, and nothing was changed"]
    said = f"{database.title} {file} {fault.said}"
    if fault.kind == "newer":
        raise InputError(fault.describe(database.title, file))
    if fault.kind == "full":
        raise StorageError(fault.describe(database.title, file))
    if fault.kind == "locked":
        raise StorageError(f"{said}: {_name_users(file)}. When it has ended, all works again.")
    if fault.kind in ("read-only", "refused"):
        return [said, _make_writable(file, database)]
    _require_quiet(store, file, database)
    if fault.kind == "older":
        return [said, *_bring_up_to_date(store, file, database)]
    moment = f"{datetime.now(UTC):%Y%m%d-%H%M%S}"
    aside = set_aside(file, f"damaged-{moment}")
    kept = "nothing was there to set aside" if aside is None else f"it is kept as {aside}"
    return [f"{said}; {kept}", *database.rebuild(store, aside)]


def _choose(store: Store, path: Path) -> tuple[Path, KeptDatabase]:
    known = {each.path.resolve(): each for each in list_databases(store) if each.path}
    file = path.absolute().resolve()
    if file not in known:
        raise InputError(
            f"{path} is none of the databases of {store.root}; those are "
            f"{list_some(known)}. `digitflow doctor` says which of them is damaged."
        )
    return file, known[file]


def _require_quiet(store: Store, file: Path, database: KeptDatabase) -> None:
    """Refuse while something goes on: what is open would be written over."""
    refuse_while_running(store)
    if is_supervised(store):
        raise StorageError(
            f"the service of {store.root} is up: `digitflow down` first, then repair {file}"
        )
    if users := _list_users(file):
        raise StorageError(
            f"{database.title} {file} is open in {list_some(users)}: end that first"
        )


def _name_users(path: Path) -> str:
    return list_some(_list_users(path)) or "no process of this user has it open"


def _list_users(path: Path) -> list[str]:
    """Return which processes, that we may look at, have a file open."""
    found, wanted = [], str(path.resolve())
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if any(opened.path == wanted for opened in process.open_files()):
                command = " ".join(process.cmdline())[:MOST_NAMED_CHARACTERS]
                found.append(f"process {process.pid} ({command})")
    return found


def _make_writable(file: Path, database: KeptDatabase) -> str:
    """Give its owner, if that is us, the right to write a file and its folder."""
    # What lies beside it was made with its rights.
    files = (file, *(Path(f"{file}{side}") for side in SIDE_FILES))
    for path in (file.parent, *files):
        with suppress(OSError):
            path.chmod(path.stat().st_mode | (0o600 if path in files else 0o700))
    fault = database.find_fault(LOOK_SECONDS, True)
    if fault is None:
        return "it can be written again"
    status = file.stat()
    raise StorageError(
        f"{database.title} {file} {fault.said}, and we are not who can change that: it belongs "
        f"to user {status.st_uid}, its mode is {status.st_mode & 0o777:o}, or its disk is "
        "mounted read-only"
    )


def _bring_up_to_date(store: Store, file: Path, database: KeptDatabase) -> list[str]:
    """Set a copy aside, and let the one that it belongs to migrate it."""
    copy = file.with_name(f"{file.name}.before-{datetime.now(UTC):%Y%m%d-%H%M%S}")
    with closing(open_file(file, LOOK_SECONDS)) as connection:
        copy_database(connection, copy)
    if database.title == mlflow_client.TITLE:
        mlflow_client.upgrade(store)
    else:
        _find_ours(database).migrate(store)
    return [f"a copy is kept as {copy}", "it is up to date now"]


def _find_ours(database: KeptDatabase) -> Database:
    return next(ours for ours in (HISTORY, FEEDBACK) if ours.title == database.title)


def _rebuild_history(store: Store, damaged: Path | None) -> list[str]:
    from digitflow.registry.recovery import rebuild_history

    return rebuild_history(store, {} if damaged is None else HISTORY.salvage(damaged)) or [
        "nothing was known of any model; it is empty"
    ]


def _rebuild_mirror(store: Store, damaged: Path | None) -> list[str]:
    from digitflow.registry.recovery import rebuild_mirror

    lost = "what people did in MLflow itself (aliases, tags, runs of their own) is lost"
    return [*rebuild_mirror(store), lost]


def _rebuild_feedback(store: Store, damaged: Path | None) -> list[str]:
    """Take over the rows that can be read: nothing else knows what people said."""
    rows = {} if damaged is None else FEEDBACK.salvage(damaged)
    known = {row["digest"] for row in rows.get("samples", ())}
    whole: Mapping[str, list[dict[str, Any]]] = {
        table: [row for row in found if "sample" not in row or row["sample"] in known]
        for table, found in rows.items()
    }
    FEEDBACK.fill(store, whole)
    counts = ", ".join(format_count(len(f), t.removesuffix("s")) for t, f in whole.items())
    return [
        f"it holds what could be read: {counts or 'nothing'}",
        "what could not be read is nowhere else but in a backup (`digitflow restore`)",
    ]


def _begin_anew(store: Store, damaged: Path | None) -> list[str]:
    return [
        "Prefect makes a new one when it is next needed; `digitflow up` deploys again",
        "what its pages showed of earlier runs, and what was paused there, is lost; the "
        "runs' records, reports, models and the history are elsewhere, and stay",
    ]
