"""Processes that we start: logged, recognised again by id and start, ended for sure."""

import signal
import subprocess
import sys
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

import psutil

from digitflow.store.artifacts import Store
from digitflow.store.references import Record

ENDING_PATIENCE_SECONDS = 10.0
POLL_SECONDS = 0.1
START_TOLERANCE_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 30.0


class ProcessMark(Record):
    """A process, recognised again by its id and its start (seconds since the epoch)."""

    pid: int
    started: float


class Child:
    """A Prefect process that is started again when it ends, later each time.

    Parameters
    ----------
    name : str
        Its name, also that of its log.
    arguments : list of str
        A module and what follows it on the command line.
    """

    def __init__(self, name: str, arguments: list[str]) -> None:
        self.name = name
        self.arguments = arguments
        self.process: subprocess.Popen[bytes]
        self.starts = 0
        self._not_before = 0.0

    def start(self, store: Store, folder: Path, environ: dict[str, str]) -> None:
        """Start it with its output in its log."""
        self.process = start_module(self.name, self.arguments, store, folder, environ)
        self.starts += 1
        pause = min(2.0**self.starts, LONGEST_PAUSE_SECONDS)
        self._not_before = time.monotonic() + pause

    def is_due(self) -> bool:
        """Tell whether it has ended and may be started again by now."""
        return self.process.poll() is not None and time.monotonic() >= self._not_before


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


def start_module(
    name: str, arguments: list[str], store: Store, folder: Path, environ: dict[str, str]
) -> "subprocess.Popen[bytes]":
    """Start `python -m ...` from this Python; what it prints is added to its log."""
    with log_path(store, name).open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def log_path(store: Store, name: str) -> Path:
    """Return where a part of the service writes its log."""
    return store.root / "prefect" / f"{name}.log"
