"""The process behind `make up`: starts Prefect's server and a worker and keeps both alive.

It holds a lock as long as it lives, writes down what it started, and ends all of it,
flow runs included, when it is told to end.
"""

import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import psutil

from digitflow.errors import DigitflowError, InputError
from digitflow.service.environment import (
    SERVICE_LOCK,
    STATE_FILE,
    ServiceState,
    prefect_environment,
    write_state,
)
from digitflow.service.processes import end_processes, is_alive, list_descendants, mark_process
from digitflow.service.repairs import (
    mark_crashed,
    mark_crashed_commands,
    reschedule,
    skip_missed_runs,
)
from digitflow.service.server_api import call_api, is_there
from digitflow.store.artifacts import Store
from digitflow.store.locks import acquire_lock, release_lock

logger = logging.getLogger(__name__)

POOL = "local"
TRAINING_QUEUE = "training"
PREFERRED_PORT = 4200
SERVER_PATIENCE_SECONDS = 180.0
DEPLOY_PATIENCE_SECONDS = 120.0
LONGEST_PAUSE_SECONDS = 30.0
POLL_SECONDS = 0.25
SECONDS_BETWEEN_LOOKS = 30.0
LOGGED_LINES = 12
READY = "ready"
NOTIFICATIONS = "configs/notifications.yaml"
OWN_ADDRESS = "127.0.0.1"


class ServiceFailed(DigitflowError):
    """The server, the worker or the deployment didn't come up."""


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


class Supervisor:
    """Starts, watches and ends the service of one store.

    Parameters
    ----------
    store : Store
        Where Prefect's database, the logs and the state are kept.
    folder : Path
        The folder of prefect.yaml; flows run in it.
    """

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self.folder = folder
        self.stopping = threading.Event()
        self.environ: dict[str, str] = {}
        self.children: dict[str, Child] = {}
        self.state = ServiceState(phase="starting", processes={})
        self._seen: set[psutil.Process] = set()
        self._next_look = 0.0

    def run(self) -> None:
        """Hold the lock, start all, watch until told to end, end all.

        Raises
        ------
        ServiceFailed
            If another supervisor is there, or something doesn't come up.
        """
        lock = self.store.lock_path(SERVICE_LOCK)
        try:
            descriptor = acquire_lock(lock, timeout=2.0)
        except TimeoutError as exc:
            raise ServiceFailed("the service is being started already") from exc
        try:
            self._start_and_watch()
        finally:
            self._end_all()
            self.store.remove(STATE_FILE)
            release_lock(lock, descriptor)

    def stop(self, *_: object) -> None:
        """End soon; also a signal handler."""
        self.stopping.set()

    def _start_and_watch(self) -> None:
        host, port = choose_host(os.environ), choose_port(os.environ)
        url = write_url(host, port)
        self.environ = service_environment(self.store, url)
        self._note(url=url, phase="starting the server")
        server = ["prefect", "server", "start", "--host", host, "--port", str(port)]
        self._start("server", server)
        self._wait_for("server", lambda: is_there(self.state.api_url, "/health"))
        skip_missed_runs(self.state.api_url, datetime.now(UTC).isoformat())
        self._revive_runs()
        self._note(phase="starting a worker")
        # The worker makes the pool where there is none, and leaves one that was changed alone.
        worker = ["prefect", "worker", "start", "--pool", POOL, "--type", "process"]
        self._start("worker", [*worker, "--name", "digitflow"])
        self._wait_for("worker", lambda: is_there(self.state.api_url, f"/work_pools/{POOL}"))
        limit_queue(self.state.api_url)
        self._note(phase="deploying prefect.yaml")
        self._run_once("deploy", ["prefect", "--no-prompt", "deploy", "--all"])
        if (self.folder / NOTIFICATIONS).is_file():
            self._note(phase="reading notifications.yaml")
            self._run_once("notifications", ["digitflow.service.notifications", NOTIFICATIONS])
        self._note(phase=READY)
        while not self.stopping.wait(1.0):
            self._keep_alive()

    def _start(self, name: str, arguments: list[str]) -> None:
        child = self.children[name] = Child(name, arguments)
        child.start(self.store, self.folder, self.environ)
        self._note()

    def _run_once(self, name: str, arguments: list[str]) -> None:
        process = start_module(name, arguments, self.store, self.folder, self.environ)
        deadline = time.monotonic() + DEPLOY_PATIENCE_SECONDS
        while process.poll() is None:
            self._pause()
            if time.monotonic() > deadline:
                raise ServiceFailed(f"`{name}` takes too long; {self._see_log(name)}")
        if process.returncode:
            raise ServiceFailed(f"`{name}` failed; {self._see_log(name)}")

    def _wait_for(self, name: str, is_up: Callable[[], bool]) -> None:
        deadline = time.monotonic() + SERVER_PATIENCE_SECONDS
        while not is_up():
            self._pause()
            if self.children[name].process.poll() is not None:
                raise ServiceFailed(f"the {name} ended at once; {self._see_log(name)}")
            if time.monotonic() > deadline:
                raise ServiceFailed(f"the {name} doesn't answer; {self._see_log(name)}")

    def _pause(self) -> None:
        if self.stopping.wait(POLL_SECONDS):
            raise ServiceFailed("it was told to end before it was ready")

    def _keep_alive(self) -> None:
        # A worker that is killed leaves its flow runs behind: remember them for the end.
        self._seen = {process for process in self._seen if is_alive(process)}
        self._seen |= list_descendants(psutil.Process())
        for child in self.children.values():
            if child.is_due() and self._may_start(child):
                code = child.process.returncode
                logger.warning("the %s ended (exit code %s): starting it", child.name, code)
                if child.name == "worker":
                    self._revive_runs()
                child.start(self.store, self.folder, self.environ)
                self._note()
        if time.monotonic() >= self._next_look:
            mark_crashed_commands(self.state.api_url, self.store)
            self._next_look = time.monotonic() + SECONDS_BETWEEN_LOOKS

    def _may_start(self, child: Child) -> bool:
        """Keep a worker waiting for the server: its dead runs must be looked after first."""
        return child.name == "server" or is_there(self.state.api_url, "/health")

    def _revive_runs(self) -> None:
        """Call it while there is no worker."""
        reschedule(self.state.api_url, mark_crashed(self.state.api_url, POOL))

    def _end_all(self) -> None:
        """End the worker and its runs while the server can still take down their states."""
        everything = self._seen | list_descendants(psutil.Process())
        server = self.children["server"].process.pid if "server" in self.children else -1
        end_processes({process for process in everything if process.pid != server})
        mark_crashed(self.state.api_url, POOL)
        end_processes(everything)

    def _note(self, **fields: str) -> None:
        marks = {"supervisor": mark_process(os.getpid())}
        for child in self.children.values():
            marks[child.name] = mark_process(child.process.pid)
        self.state = self.state.model_copy(update={**fields, "processes": marks})
        write_state(self.store, self.state)

    def _see_log(self, name: str) -> str:
        path = log_path(self.store, name)
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        last = [line for line in lines if line][-LOGGED_LINES:]
        return "\n".join([f"the end of {path}:", *last])


def limit_queue(api_url: str) -> None:
    """Make the queue in which one training waits for the other, unless it is there.

    One that is there was changed by somebody, or made by us: it is left alone.
    """
    if not is_there(api_url, f"/work_pools/{POOL}/queues/{TRAINING_QUEUE}"):
        queue = {"name": TRAINING_QUEUE, "concurrency_limit": 1}
        call_api(api_url, f"/work_pools/{POOL}/queues", queue)


def write_url(host: str, port: int) -> str:
    """Return the address at which this machine reaches its server."""
    address = _read_address(host)
    name = OWN_ADDRESS if address is not None and address.is_unspecified else host
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def service_environment(store: Store, url: str) -> dict[str, str]:
    """Return the whole environment of the server, the worker and what it runs."""
    ours = prefect_environment(store.root, os.environ, quiet=False)
    address = {
        "PREFECT_API_URL": f"{url}/api",
        # The page asks the server that it came from, whatever the port.
        "PREFECT_SERVER_UI_API_URL": "/api",
        "PYTHONUNBUFFERED": "1",
    }
    return {**os.environ, **ours, **address}


def choose_host(environ: Mapping[str, str]) -> str:
    """Return where the server listens: on this machine alone, or where the user says.

    Raises
    ------
    InputError
        If others could reach it without a password: who does may run anything here.
    """
    host = environ.get("PREFECT_SERVER_API_HOST", OWN_ADDRESS)
    address = _read_address(host)
    is_open = host != "localhost" if address is None else not address.is_loopback
    if is_open and "PREFECT_SERVER_API_AUTH_STRING" not in environ:
        raise InputError(
            f"PREFECT_SERVER_API_HOST={host} opens the server to other machines, and who "
            "reaches it may run anything on this one. Set a password too: "
            "PREFECT_SERVER_API_AUTH_STRING=user:password"
        )
    return host


def _read_address(host: str) -> IPv4Address | IPv6Address | None:
    """Return what a host is as a number; None for a name."""
    with suppress(ValueError):
        return ip_address(host)
    return None


def choose_port(environ: Mapping[str, str]) -> int:
    """Return the user's port, else 4200 where it is free, else any free one."""
    if "PREFECT_SERVER_API_PORT" in environ:
        return int(environ["PREFECT_SERVER_API_PORT"])
    with socket.socket() as probe:
        # Connections of an earlier server that are still being closed don't count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", PREFERRED_PORT))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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
