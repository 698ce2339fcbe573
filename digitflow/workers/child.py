"""What a process that computes for another knows: who listens to it, and when to end."""

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, TypeVar

Result = TypeVar("Result")

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

# Where the parent listens; how many threads it gave.
_told: Connection | None = None
_share = 1


class StaleProcess(Exception):
    """What the process has loaded is no longer what is installed; a new one must be begun."""


def call_with_share(function: Callable[..., Result], *args: Any, **kwargs: Any) -> Result:
    """Call a function with its process's share of threads as its argument `threads`.

    Who hands the work on can't know it: the cores are those of the machine that computes.
    """
    return function(*args, threads=_share, **kwargs)


def tell_parent(text: str) -> None:
    """Say something to who waits for what this process computes; elsewhere it is lost."""
    if _told is not None:
        with suppress(OSError):  # it ends together with its parent
            _told.send_bytes(text.encode())


def begin(held: Connection, told: Connection, threads: int) -> None:
    """Start a process: know where its parent listens and its share, and end with it."""
    global _told, _share
    _told, _share = told, threads
    _end_with_parent(held)


def _end_with_parent(held: Connection) -> None:
    """Watch the parent from a thread: after kill -9 nobody else ends this process."""

    def watch() -> None:
        held.poll(None)  # its other end is closed when the parent ends, however it does
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
