"""What a process that computes for another knows: who listens to it, and when to end."""

import os
import threading
from contextlib import suppress
from multiprocessing.connection import Connection

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

# Where the parent listens.
_told: Connection | None = None


def tell_parent(text: str) -> None:
    """Say something to who waits for what this process computes; elsewhere it is lost."""
    if _told is not None:
        with suppress(OSError):  # it ends together with its parent
            _told.send_bytes(text.encode())


def begin(held: Connection, told: Connection) -> None:
    """Start a process: know where its parent listens, and end with it."""
    global _told
    _told = told
    _end_with_parent(held)


def _end_with_parent(held: Connection) -> None:
    """Watch the parent from a thread: after kill -9 nobody else ends this process."""

    def watch() -> None:
        held.poll(None)  # its other end is closed when the parent ends, however it does
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
