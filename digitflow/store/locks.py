"""Locks between processes and threads, freed by the kernel when their holder dies.

They hold on one machine; `digitflow.store.server_locks` has those that hold across machines.
"""

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

POLL_SECONDS = 0.05


class Locks(Protocol):
    """Named locks; what `acquire` returns is handed to `release`."""

    def acquire(self, name: str, timeout: float | None = None) -> Any:
        """Wait for a lock; raise `TimeoutError` if it isn't free within seconds."""

    def release(self, name: str, held: Any) -> None:
        """Give back a lock."""

    def is_locked(self, name: str) -> bool:
        """Tell whether anybody holds a lock now."""


class FileLocks:
    """Locks on files of a folder.

    Parameters
    ----------
    find_path : callable
        Returns the file of a lock's name.
    """

    def __init__(self, find_path: Callable[[str], Path]) -> None:
        self._find_path = find_path

    def acquire(self, name: str, timeout: float | None = None) -> int:
        """Wait for a lock, see `acquire_lock`."""
        return acquire_lock(self._find_path(name), timeout)

    def release(self, name: str, held: int) -> None:
        """Give back a lock."""
        release_lock(self._find_path(name), held)

    def is_locked(self, name: str) -> bool:
        """Tell whether somebody alive holds a lock now."""
        return is_locked(self._find_path(name))


def acquire_lock(path: Path, timeout: float | None = None) -> int:
    """Wait for the lock on `path` and return the file descriptor that holds it.

    Parameters
    ----------
    path : Path
        The lock's file; its folder exists.
    timeout : float, optional
        Seconds to wait; None waits for ever, 0 tries once.

    Raises
    ------
    TimeoutError
        If it is still held elsewhere after `timeout` seconds.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    while (descriptor := _try_lock(path)) is None:
        if deadline is not None and time.monotonic() >= deadline:
            raise TimeoutError(f"{path} is held by another process")
        time.sleep(POLL_SECONDS)
    return descriptor


def release_lock(path: Path, descriptor: int) -> None:
    """Give back a lock; its file goes too, so that they don't pile up."""
    path.unlink(missing_ok=True)
    os.close(descriptor)


def is_locked(path: Path) -> bool:
    """Tell whether somebody alive holds the lock on `path` now."""
    if not path.exists():
        return False
    if (descriptor := _try_lock(path)) is None:
        return True
    release_lock(path, descriptor)
    return False


def was_abandoned(path: Path) -> bool:
    """Tell whether the holder of the lock on `path` was killed: else its file would be gone."""
    try:
        descriptor = _try_lock(path, made=False)
    except FileNotFoundError:
        return False
    if descriptor is None:
        return False
    os.close(descriptor)
    return True


def _try_lock(path: Path, made: bool = True) -> int | None:
    descriptor = os.open(path, os.O_RDWR | (os.O_CREAT if made else 0), 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The holder before us may have removed the file that we locked.
        if os.fstat(descriptor).st_ino == path.stat().st_ino:
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return None
