"""Locks between processes and threads, freed by the kernel when their holder dies."""

import fcntl
import os
import time
from pathlib import Path

POLL_SECONDS = 0.05


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
