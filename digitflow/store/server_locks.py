"""Locks that hold across machines: PostgreSQL's, which belong to a session and end with it.

A session that is killed, or whose machine is gone, frees what it held: there are no leases
and no clocks. They don't work through a pooler that hands one session to many (PgBouncer in
transaction mode).
"""

import hashlib
import logging
import os
import re
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from typing import Any

from digitflow.errors import InputError, StorageError, list_some

logger = logging.getLogger(__name__)

DATABASE_VARIABLE = "DIGITFLOW_DATABASE_URL"
POLL_SECONDS = 0.1
# Until a server that was started again takes connections.
PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0)
CONNECT_SECONDS = 10
# A machine that is gone without a word is found out after 10 + 3 * 5 seconds, from both sides.
_OURS = {
    "keepalives": 1, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}  # fmt: skip
_THEIRS = (
    "SET tcp_keepalives_idle = 10",
    "SET tcp_keepalives_interval = 5",
    "SET tcp_keepalives_count = 3",
    "SET idle_session_timeout = 0",
)
_IS_LOCKED = (
    "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted "
    "AND objsubid = 1 AND ((classid::bigint << 32) | objid::bigint) = %s AND database = "
    "(SELECT oid FROM pg_database WHERE datname = current_database()))"
)


def names_server(environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether the environment names a PostgreSQL, whose locks all machines see."""
    return environ.get(DATABASE_VARIABLE, "").startswith("postgres")


class ServerLocks:
    """Named locks on the PostgreSQL that the environment names.

    Parameters
    ----------
    space : str
        Equal names of different spaces are different locks.
    """

    def __init__(self, space: str) -> None:
        self._space = space

    def acquire(self, name: str, timeout: float | None = None) -> None:
        """Wait for a lock, as `digitflow.store.locks.acquire_lock` does.

        Raises
        ------
        TimeoutError
            If it is still held elsewhere after `timeout` seconds.
        StorageError
            If the server can't be reached, or the session with the locks that this process
            holds was lost.
        """
        session, key = _find_session(), self._find_key(name)
        deadline = None if timeout is None else time.monotonic() + timeout
        while not session.take(key, name):
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError(f"{name} is held by another process")
            time.sleep(POLL_SECONDS)

    def release(self, name: str, held: None) -> None:
        """Give back a lock."""
        _find_session().give_back(self._find_key(name), name)

    def is_locked(self, name: str) -> bool:
        """Tell whether anybody holds a lock now, on any machine."""
        return _find_session().is_held(self._find_key(name))

    def _find_key(self, name: str) -> int:
        """Return the signed number of 64 bits by which the server knows a name."""
        digest = hashlib.blake2b(f"{self._space} {name}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big", signed=True)


class _Session:
    """One connection of this process. The server would let it lock again what it holds."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Any = None
        self._held: dict[int, str] = {}
        self._lost: dict[int, str] = {}
        self._using = threading.Lock()

    def take(self, key: int, name: str) -> bool:
        with self._using:
            if key in self._held:
                return False
            if self._lost:
                raise self._describe_loss("the session was lost")
            if self._ask("SELECT pg_try_advisory_lock(%s)", key):
                self._held[key] = name
            return key in self._held

    def give_back(self, key: int, name: str) -> None:
        with self._using:
            if self._lost.pop(key, None) is not None:
                logger.warning("the lock %s was lost before it was given back", name)
                return
            self._held.pop(key, None)
            self._ask("SELECT pg_advisory_unlock(%s)", key)

    def is_held(self, key: int) -> bool:
        with self._using:
            return key in self._held or self._ask(_IS_LOCKED, key)

    def _ask(self, query: str, key: int) -> bool:
        from psycopg import Error, InterfaceError, OperationalError

        for pause in (*PAUSES, None):
            try:
                if self._connection is None:
                    self._connection = _connect(self._url)
                row = self._connection.execute(query, (key,)).fetchone()
                return bool(row[0])
            except (OperationalError, InterfaceError) as exc:
                self._connection = None
                self._lost |= self._held
                self._held.clear()
                if self._lost:
                    raise self._describe_loss(_write_first_line(exc)) from exc
                if pause is None:
                    raise _describe_silence(exc) from exc
                time.sleep(pause)
            except Error as exc:
                raise _describe_silence(exc) from exc
        raise AssertionError("the last pause is None")

    def _describe_loss(self, said: str) -> StorageError:
        return StorageError(
            f"PostgreSQL ({DATABASE_VARIABLE}) no longer holds the locks of this process on "
            f"{list_some(self._lost.values())}: {said}. Another may be at the same work: "
            "begin again; what was finished is kept"
        )


def _connect(url: str) -> Any:
    from psycopg import Error, connect

    connection = connect(
        re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql://", url),
        autocommit=True,
        connect_timeout=CONNECT_SECONDS,
        application_name="digitflow locks",
        **_OURS,  # type: ignore[arg-type]
    )
    for statement in _THEIRS:
        with suppress(Error):  # an older server knows fewer
            connection.execute(statement)
    return connection


def _describe_silence(exc: Exception) -> StorageError:
    return StorageError(
        f"PostgreSQL ({DATABASE_VARIABLE}) can't be asked for locks: {_write_first_line(exc)}"
    )


def _write_first_line(exc: Exception) -> str:
    """Return an error's first line, without a password."""
    return re.sub(r"//[^/@\s]+@", "//", (str(exc).splitlines() or [type(exc).__name__])[0])


def _find_session() -> _Session:
    try:
        import psycopg  # noqa: F401
    except ImportError as exc:
        raise InputError(
            f"{DATABASE_VARIABLE} names PostgreSQL, which needs the extra postgres: "
            "pip install 'digitflow[postgres]'"
        ) from exc
    return _open_session(os.getpid(), os.environ[DATABASE_VARIABLE])


@cache
def _open_session(process: int, url: str) -> _Session:
    """Return the session of a process: a fork must not speak for its parent."""
    return _Session(url)
