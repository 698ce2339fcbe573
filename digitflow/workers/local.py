"""Processes that compute and can be ended: a fixed number of slots, one process each.

A native fit can't be interrupted in a thread. joblib's loky workers start clean (no
fork), read features from memory maps that all of them share, and can be killed.
"""

import multiprocessing
import multiprocessing.resource_tracker
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, wait
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, TypeVar

from digitflow.errors import CandidateFailed
from digitflow.formatting import format_bytes
from digitflow.project.code import Code
from digitflow.workers.child import THREAD_VARIABLES, StaleProcess, begin
from digitflow.workers.turns import Turns

Result = TypeVar("Result")


def _always() -> bool:
    return True


class WorkerPool:
    """Slots for computations, each in a process of its own with its share of threads.

    Parameters
    ----------
    slots : int
        Computations at the same time.
    threads : int, optional
        Threads of all of them together; None takes one a core.
    memory : int, optional
        Bytes that each process may have of its own: what files it has mapped is not counted.
    """

    def __init__(
        self, slots: int, threads: int | None = None, memory: int | None = None
    ) -> None:
        self._memory = memory
        self.threads_each = max(1, (threads or count_cores()) // slots)
        # An empty slot holds None: its process starts when it is first needed.
        self._free: list[Any] = [None] * slots
        self._turns = Turns(slots)
        self._open: list[Any] = []
        self._closed = False
        self._starting = threading.Lock()
        self._here = threading.local()

    def run(
        self,
        function: Callable[..., Result],
        *args: Any,
        time_limit: float | None = None,
        place: int = 0,
        hear: Callable[[str], None] | None = None,
        code: Callable[[], Code] | None = None,
        wanted: Callable[[], bool] = _always,
    ) -> Result:
        """Wait for a slot, call `function(*args)` in its process and return the result.

        Parameters
        ----------
        place : int
            Whose turn it is first, of those that wait: see `Turns`.
        hear : callable, optional
            Given what the function says by `tell_parent`, while it computes.
        code : callable, optional
            Tells what is behind the result; here it is what this process has, too.
        wanted : callable
            Asked about each second whether anybody still waits for it; else it is ended.

        Raises
        ------
        CandidateFailed
            If it computes longer than `time_limit` seconds, each of its threads, or takes more
            memory than it may, or does
            nothing for as long (it is killed), if its process dies, or if nobody wants it.
        """
        asked = time.monotonic()
        executor = self._take_slot(place)
        self._here.waited = self.seconds_waited() + time.monotonic() - asked
        kept = None
        try:
            executor = executor or self._start_process()
            with _no_interrupts():
                future = executor.submit(function, *args)
            self._watch(executor, future, time_limit, hear, wanted)
            result = _wait(future)
            kept = executor
            return result
        except (CandidateFailed, StaleProcess):
            self._kill(executor)
            raise
        except Exception:
            kept = executor  # the function raised; its process is well
            raise
        finally:
            self._give_back(kept)

    def _take_slot(self, place: int) -> Any:
        """Wait for a turn and a free slot; return its process, or None for one without."""
        self._turns.take(place)
        # The last one given back: its process is there already.
        return self._free.pop()

    def _give_back(self, executor: Any) -> None:
        self._free.append(executor)
        self._turns.give_back()

    @property
    def here(self) -> "WorkerPool":
        """The pool of this machine's own processes."""
        return self

    def take_host(self) -> str | None:
        """Return where this thread's last work was computed, once; None for this machine."""
        return None

    def seconds_waited(self) -> float:
        """Return how long this thread has waited for slots so far."""
        waited: float = getattr(self._here, "waited", 0.0)
        return waited

    def _watch(
        self,
        executor: Any,
        future: Any,
        limit: float | None,
        hear: Callable[[str], None] | None,
        wanted: Callable[[], bool],
    ) -> None:
        """Wait until a computation ends, or has computed or slept longer than its limit.

        A busy machine gives it less of the processors, which must not end it: its own
        processor seconds count, not the clock's.

        Raises
        ------
        CandidateFailed
            If it is over its limit.
        """
        began = seen = _count_processor_seconds(executor)
        active = time.monotonic()
        while not _ends_within(future, 1.0 if limit is None else min(limit / 4, 1.0)):
            _listen(executor, hear)
            if not wanted():
                raise CandidateFailed("nobody waits for it any more, and it was ended")
            self._limit_memory(executor)
            if limit is None:
                continue
            used = _count_processor_seconds(executor)
            if used > seen:
                seen, active = used, time.monotonic()
            idle = time.monotonic() - active
            if max((used - began) / self.threads_each, idle) > limit:
                did = "did nothing for" if idle > limit else "computed longer than"
                raise CandidateFailed(
                    f"{did} its limit of {limit:g} s and was ended; raise `time_limit` or "
                    f"give it less to do"
                )
        _listen(executor, hear)

    def _limit_memory(self, executor: Any) -> None:
        if self._memory is not None and _count_memory(executor) > self._memory:
            raise CandidateFailed(
                f"took more than the {format_bytes(self._memory)} of memory that it may have "
                "on its worker, and was ended; give it less to do, or its worker more"
            )

    def _start_process(self) -> Any:
        # One thread at a time: loky's modules import each other in a circle, and two
        # threads that import them at once see halves of them.
        with self._starting:
            from joblib.externals.loky import ProcessPoolExecutor
            from joblib.externals.loky.backend import resource_tracker

            # Each of these lets signals in again, for this thread, as it starts.
            resource_tracker.ensure_running()
            multiprocessing.resource_tracker.ensure_running()
            if self._closed:
                raise CandidateFailed("the run is being ended")
            variables = dict.fromkeys(THREAD_VARIABLES, str(self.threads_each))
            # It ends a process that has grown by 300 MB, as ours do with their features, and
            # starts another: nothing is lost, and nobody needs to hear of it.
            warnings.filterwarnings("ignore", "A worker stopped while some jobs", UserWarning)
            watched, held = multiprocessing.Pipe(duplex=False)
            heard, told = multiprocessing.Pipe(duplex=False)
            executor = ProcessPoolExecutor(
                max_workers=1,
                env=variables,
                initializer=begin,
                initargs=(watched, told, self.threads_each),
            )
            executor.held = held  # as long as there is somebody to compute for
            executor.heard, executor.told = heard, told
            self._open.append(executor)
            return executor

    def _kill(self, executor: Any) -> None:
        executor.shutdown(wait=True, kill_workers=True)
        self._open.remove(executor)

    def __enter__(self) -> "WorkerPool":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End every process, also one in the middle of a fit."""
        self._closed = True
        while self._open:
            self._open.pop().shutdown(wait=True, kill_workers=True)


def count_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _ends_within(future: Any, seconds: float) -> bool:
    return bool(wait((future,), seconds).done)


def _count_processor_seconds(executor: Any) -> float:
    """Return what the executor's process has used of the processors so far."""
    import psutil

    seconds = 0.0
    for pid in list(executor._processes or ()):
        with suppress(psutil.Error):  # it has just ended: its future says so
            times = psutil.Process(pid).cpu_times()
            seconds += times.user + times.system
    return seconds


def _count_memory(executor: Any) -> int:
    """Return the bytes of memory that the executor's process shares with nobody."""
    import psutil

    taken = 0
    for pid in list(executor._processes or ()):
        with suppress(psutil.Error):
            memory = psutil.Process(pid).memory_info()
            taken += memory.rss - getattr(memory, "shared", 0)
    return taken


def _wait(future: Any) -> Any:
    from joblib.externals.loky.process_executor import BrokenProcessPool, ShutdownExecutorError

    try:
        return future.result()
    except (BrokenProcessPool, ShutdownExecutorError, CancelledError) as exc:
        raise CandidateFailed(f"its process died, out of memory? ({exc})") from exc


@contextmanager
def _no_interrupts() -> Iterator[None]:
    """Have what is started here never see a Ctrl-C: who started it is told, and ends it.

    A terminal sends it to all of them. Blocked, not ignored: only that is a thread's own.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _listen(executor: Any, hear: Callable[[str], None] | None) -> None:
    """Hand on what the executor's process has said since."""
    with suppress(EOFError, OSError):  # it has just ended: its future says so
        while executor.heard.poll():
            text = executor.heard.recv_bytes().decode()
            if hear is not None:
                hear(text)
