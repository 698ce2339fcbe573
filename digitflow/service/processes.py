"""Processes that we started: recognised again by id and start, and ended for sure."""

import signal
import time
from collections.abc import Collection
from contextlib import suppress

import psutil

from digitflow.store.references import Record

ENDING_PATIENCE_SECONDS = 10.0
POLL_SECONDS = 0.1
START_TOLERANCE_SECONDS = 2.0


class ProcessMark(Record):
    """A process, recognised again by its id and its start (seconds since the epoch)."""

    pid: int
    started: float


def mark_process(pid: int) -> ProcessMark:
    """Return what recognises a running process of ours later."""
    return ProcessMark(pid=pid, started=psutil.Process(pid).create_time())


def find_process(mark: ProcessMark) -> psutil.Process | None:
    """Return the marked process if it is alive; its id may be another's by now."""
    with suppress(psutil.Error):
        process = psutil.Process(mark.pid)
        same = abs(process.create_time() - mark.started) < START_TOLERANCE_SECONDS
        return process if same and is_alive(process) else None
    return None


def is_alive(process: psutil.Process) -> bool:
    """Tell whether a process runs; one that ended and waits for its parent does not."""
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def end_processes(processes: Collection[psutil.Process]) -> None:
    """Ask processes to end; ask again, since a worker waits for its runs; then kill."""
    for signal_number in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
        alive = [process for process in processes if is_alive(process)]
        for process in alive:
            with suppress(psutil.Error):
                process.send_signal(signal_number)
        wait_until_ended(alive, ENDING_PATIENCE_SECONDS)


def wait_until_ended(processes: Collection[psutil.Process], seconds: float) -> None:
    """Return when none of the processes is alive, or after so many seconds."""
    deadline = time.monotonic() + seconds
    while any(map(is_alive, processes)) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def list_descendants(process: psutil.Process) -> set[psutil.Process]:
    """Return what a process started, and what that started, as far as it is alive."""
    with suppress(psutil.Error):
        return set(process.children(recursive=True))
    return set()


def read_environ(process: psutil.Process) -> dict[str, str]:
    """Return the environment that a process was started with; empty if it isn't ours."""
    with suppress(psutil.Error, OSError):
        return process.environ()
    return {}
