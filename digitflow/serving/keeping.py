"""Predictions are kept beside the answers: nobody waits for a database."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from digitflow.errors import DigitflowError
from digitflow.feedback.predictions import PredictionLog
from digitflow.feedback.tables import Sample
from digitflow.store.artifacts import Store

logger = logging.getLogger(__name__)

# How often it is written, and how many predictions wait while it can't be.
WRITE_SECONDS, MOST_WAITING = 1.0, 20_000


class BackgroundLog(PredictionLog):
    """Keeps predictions as its base does, in a thread of its own, and tries again.

    Parameters
    ----------
    store : Store
        Whose database it writes to.
    note : callable
        Told how many were kept, and how many were lost: they were too many while the
        database could not be written.
    """

    def __init__(self, store: Store, note: Callable[[int, int], None]) -> None:
        super().__init__(store)
        self._note = note
        self._incoming: deque[partial[None]] = deque()
        self._waiting = 0
        self._counting = threading.Lock()
        self._trouble: str | None = None
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write the rest, and end the thread."""
        self._is_over.set()
        self._thread.join()

    def add(self, samples: Sequence[Sample], *what: Any, **named: Any) -> None:
        """Take what `PredictionLog.add` takes; it is written within some seconds."""
        with self._counting:
            is_kept = self._waiting < MOST_WAITING
            if is_kept:
                self._waiting += len(samples)
                self._incoming.append(partial(super().add, samples, *what, **named))
        if not is_kept:
            self._note(0, len(samples))

    def _work(self) -> None:
        while not self._is_over.wait(WRITE_SECONDS):
            self._write_waiting()
        self._write_waiting()

    def _write_waiting(self) -> None:
        try:
            while self._incoming:
                self._incoming.popleft()()
            self.flush()
        except DigitflowError as exc:
            # What is buffered stays, and is written when that is possible again.
            if str(exc) != self._trouble:
                logger.warning("the predictions are not kept: %s", exc)
            self._trouble = str(exc)
            return
        self._trouble = None
        self._count_written()

    def _count_written(self) -> None:
        with self._counting:
            left = sum(len(each.args[0]) for each in self._incoming)
            written, self._waiting = self._waiting - left, left
        if written:
            self._note(written, 0)
