"""What surrounds a long fit: how it is told to end, tells how far it is, and goes on later.

An estimator whose `fit` takes a `session` is given one in training. Nothing of it shapes what
a fit that comes to its end has learnt.
"""

import io
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from digitflow.store.artifacts import Store
from digitflow.workers.child import tell_parent

Collect = Callable[[], Mapping[str, np.ndarray]]

FOLDER = "checkpoints"
# Seconds between two checkpoints.
INTERVAL = 15.0


class FitSession(Protocol):
    """What a fit asks after each of its steps."""

    def is_over(self) -> bool:
        """Tell whether its time is up: it is to end with what it has."""

    def report(self, text: str) -> None:
        """Say how far it is."""

    def load(self, identity: str) -> Mapping[str, np.ndarray] | None:
        """Return what a fit like this one, cut off, saved last; None if there is nothing."""

    def save(self, identity: str, collect: Collect, at_once: bool = False) -> None:
        """Save how far it is, if it is time to, or at once."""

    def finish(self) -> None:
        """Forget what was saved: the fit came to its end."""


class NoSession:
    """A fit by itself: it has all the time, and nobody listens."""

    def is_over(self) -> bool:
        """Return False."""
        return False

    def report(self, text: str) -> None:
        """Say nothing."""

    def load(self, identity: str) -> Mapping[str, np.ndarray] | None:
        """Return None."""
        return None

    def save(self, identity: str, collect: Collect, at_once: bool = False) -> None:
        """Save nothing."""

    def finish(self) -> None:
        """Forget nothing."""


class StoredSession:
    """A session whose checkpoints lie in the store, and whose reports the run hears.

    Parameters
    ----------
    store : Store
    name : str
        A digest of all that shapes the fit; equal ones go on from each other's checkpoints.
    seconds : float, optional
        Processor seconds, each of its threads, after which it is over.
    threads : int
    """

    def __init__(
        self, store: Store, name: str, seconds: float | None = None, threads: int = 1
    ) -> None:
        self._store, self._file = store, f"{FOLDER}/{name}.npz"
        self._seconds, self._threads = seconds, threads
        self._began, self._saved = time.process_time(), time.monotonic()

    def is_over(self) -> bool:
        """Tell whether the processor seconds are used up."""
        used = (time.process_time() - self._began) / self._threads
        return self._seconds is not None and used >= self._seconds

    def report(self, text: str) -> None:
        """Tell the process that this one computes for."""
        tell_parent(text)

    def load(self, identity: str) -> Mapping[str, np.ndarray] | None:
        """Return the arrays of the last checkpoint; a damaged or other one counts as none."""
        try:
            content = (self._store.root / self._file).read_bytes()
            with np.load(io.BytesIO(content), allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
        except Exception:  # a zip cut short by a full disk can raise anything
            return None
        return arrays if str(arrays.pop("identity", "")) == identity else None

    def save(self, identity: str, collect: Collect, at_once: bool = False) -> None:
        """Write a checkpoint, whole or not at all, if the last one is some time ago."""
        if not at_once and time.monotonic() - self._saved < INTERVAL:
            return
        buffer = io.BytesIO()
        arrays: dict[str, Any] = {"identity": np.array(identity), **collect()}
        np.savez(buffer, **arrays)
        self._store.write_bytes(self._file, buffer.getvalue())
        self._saved = time.monotonic()

    def finish(self) -> None:
        """Remove the checkpoint."""
        self._store.remove(self._file)
