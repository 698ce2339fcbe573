"""Loaded by Dask into a worker of ours: see to it that one that closes ends.

Told to end while its scheduler ends too, Dask's worker gives up closing halfway, and stays.
"""

import os
import threading
import time
from collections.abc import Callable
from typing import Any

PATIENCE_SECONDS, LOOK_SECONDS = 30.0, 1.0
_CLOSING = ("closing", "closed", "failed")


def dask_setup(worker: Any) -> None:
    """Watch a worker from a thread; Dask calls this when the worker starts."""
    threading.Thread(target=watch, args=(worker, lambda: os._exit(1)), daemon=True).start()


def watch(worker: Any, end: Callable[[], object]) -> None:
    """Call `end` once a worker has been closing for longer than that takes."""
    since = time.monotonic()
    while time.monotonic() - since < PATIENCE_SECONDS:
        time.sleep(LOOK_SECONDS)
        if worker.status.name not in _CLOSING:
            since = time.monotonic()
    end()
