"""Processes that we start: logged, recognised again by a token, ended for sure.

A token is in the environment of a process and of all that it starts, whoever their parent is
by now. No setting of the clock changes it, as it does the time at which a process began, and
an id that another process has by now doesn't come with it.
"""

import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Literal

import psutil
from pydantic import Field

from digitflow.store.artifacts import Store
from digitflow.store.files import storage_errors
from digitflow.store.references import Record

TOKEN_VARIABLE = "DIGITFLOW_PROCESS"  # noqa: S105, a name
ENDING_PATIENCE_SECONDS = 10.0
POLL_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 30.0
SECONDS_BETWEEN_LOOKS = 1.0
TOKEN_BYTES = 8


class ProcessMark(Record):
    """A process, recognised again by its id and its token."""

    pid: int
    # An empty one would be the beginning of any.
    token: str = Field(min_length=TOKEN_BYTES)


class Child:
    """A Prefect process that is started again when it ends, later each time.

    Parameters
    ----------
    name : str
        Its name, also that of its log.
    arguments : list of str
        A module and what follows it on the command line.
    inherited : collection of int
        Descriptors that it takes over.
    """

    def __init__(
        self, name: str, arguments: list[str], inherited: Collection[int] = ()
    ) -> None:
        self.name = name
        self.arguments = arguments
        self.inherited = inherited
        self.process: subprocess.Popen[bytes]
        self.mark: ProcessMark
        self.starts = 0
        self._not_before = 0.0

    def start(self, store: Store, folder: Path, environ: dict[str, str]) -> None:
        """Start it with its output in its log."""
        token = make_token(environ.get(TOKEN_VARIABLE, ""))
        environ = environ | {TOKEN_VARIABLE: token}
        self.process = start_module(
            self.name, self.arguments, store, folder, environ, self.inherited
        )
        self.mark = ProcessMark(pid=self.process.pid, token=token)
        self.starts += 1
        pause = min(2.0**self.starts, LONGEST_PAUSE_SECONDS)
        self._not_before = time.monotonic() + pause

    def has_ended(self) -> bool:
        """Tell whether it has ended."""
        return self.process.poll() is not None

    def is_due(self) -> bool:
        """Tell whether it has ended and may be started again by now."""
        return self.has_ended() and time.monotonic() >= self._not_before


def make_token(family: str = "") -> str:
    """Return a new token; it begins with that of the family, which `list_family` finds."""
    return f"{family}{secrets.token_hex(TOKEN_BYTES)}/"


def find_process(mark: ProcessMark) -> psutil.Process | None:
    """Return the marked process if it is alive; its id may be another's by now."""
    with suppress(psutil.Error):
        process = psutil.Process(mark.pid)
        same = read_environ(process).get(TOKEN_VARIABLE) == mark.token
        return process if same and is_alive(process) else None
    return None


def is_alive(process: psutil.Process) -> bool:
    """Tell whether a process runs; one that ended and waits for its parent does not."""
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def end_processes(processes: Collection[psutil.Process]) -> list[psutil.Process]:
    """Ask processes to end; ask again, since a worker waits for its runs; then kill.

    Returns
    -------
    list of Process
        Those that nothing could end: another user's, or stuck in the kernel.
    """
    for signal_number in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
        alive = [process for process in processes if is_alive(process)]
        for process in alive:
            with suppress(psutil.Error):
                process.send_signal(signal_number)
        wait_until_ended(alive, ENDING_PATIENCE_SECONDS)
    return [process for process in processes if is_alive(process)]


def kill_processes(processes: Collection[psutil.Process]) -> None:
    """Kill processes that have nothing more to say, and wait until they have ended."""
    for process in processes:
        with suppress(psutil.Error):
            process.kill()
    wait_until_ended(processes, ENDING_PATIENCE_SECONDS)


def wait_until_ended(processes: Collection[psutil.Process], seconds: float) -> None:
    """Return when none of the processes is alive, or after so many seconds."""
    deadline = time.monotonic() + seconds
    while any(map(is_alive, processes)) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def watch_parent(parent: int, act: Callable[[], object]) -> None:
    """Do something, in a thread, once this process's parent has ended, however it ended.

    After kill -9 nobody else is there to end what it started.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(SECONDS_BETWEEN_LOOKS)
        act()

    threading.Thread(target=watch, daemon=True).start()


def list_family(token: str) -> set[psutil.Process]:
    """Return what carries a token, or one that begins with it; never this process.

    That is the process that was started with it, and whatever that has started, also where
    their parents have ended.
    """
    return {
        process
        for process, environ in list_environs()
        if environ.get(TOKEN_VARIABLE, "").startswith(token)
    }


def list_environs() -> Iterator[tuple[psutil.Process, dict[str, str]]]:
    """Yield all other processes of this user that are alive, with their environments."""
    for process in psutil.process_iter():
        if process.pid != os.getpid() and (environ := read_environ(process)):
            yield process, environ


def read_environ(process: psutil.Process) -> dict[str, str]:
    """Return the environment that a process was started with; empty if it isn't ours."""
    with suppress(psutil.Error, OSError):
        return process.environ()
    return {}


def start_module(
    name: str,
    arguments: list[str],
    store: Store,
    folder: Path,
    environ: dict[str, str],
    inherited: Collection[int] = (),
) -> "subprocess.Popen[bytes]":
    """Start `python -m ...` from this Python; what it prints is added to its log."""
    with open_log(store, name) as log:
        return subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=inherited,
        )


def open_log(store: Store, name: str, mode: Literal["ab", "wb"] = "ab") -> BinaryIO:
    """Open the log of a part of the service; its folder is made.

    Raises
    ------
    StorageError
        If it can't be written.
    """
    path = log_path(store, name)
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open(mode)


def log_path(store: Store, name: str) -> Path:
    """Return where a part of the service writes its log."""
    return store.root / "prefect" / f"{name}.log"
