"""Start and stop the service of a store: Prefect's server, a worker and what they run."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

import psutil

from digitflow.errors import InputError, list_some
from digitflow.service.databases import require_prefect
from digitflow.service.environment import (
    AUTH_VARIABLE,
    STATE_FILE,
    ServiceState,
    find_running_server,
    is_supervised,
    read_state,
)
from digitflow.service.processes import (
    TOKEN_VARIABLE,
    end_processes,
    is_alive,
    list_environs,
    list_family,
    log_path,
    make_token,
    open_log,
    wait_until_ended,
)
from digitflow.service.server import find_temporary, open_listener
from digitflow.service.supervisor import POLL_SECONDS, READY, ServiceFailed
from digitflow.store.artifacts import Store

ENDING_PATIENCE_SECONDS = 60.0
SUPERVISOR = "digitflow.service.supervisor"
HINTS = {"starting the server": " (a first start takes up to half a minute)"}

Tell = Callable[[str], None]


def start(store: Store, project: Path, tell: Tell) -> None:
    """Start the server and a worker and deploy prefect.yaml; tell what is going on.

    Raises
    ------
    InputError
        If the folder has no prefect.yaml, or the server would be open to anybody.
    ServiceFailed
        If something doesn't come up; the message holds what was logged.
    StorageError
        If Prefect's database is damaged, or has no room.
    """
    state = read_state(store)
    if is_supervised(store):
        where = f"at {state.url}" if state and state.phase == READY else "or being started"
        tell(f"The service is running already, {where}; `digitflow down` stops it.")
        return
    if state is not None and "supervisor" in state.processes:
        _end_leftovers(store, list_family(state.processes["supervisor"].token))
    require_prefect(store)
    supervisor = start_supervisor(store, project)
    try:
        ready = wait_until_ready(store, supervisor, tell)
    except KeyboardInterrupt:
        supervisor.terminate()
        raise
    for line in describe_address(ready):
        tell(line)
    tell(f"Ready: {ready.url}   logs: {log_path(store, '*')}")


def stop(store: Store, tell: Tell) -> None:
    """Stop the server, the worker and the runs that it started; tell what is going on.

    Raises
    ------
    ServiceFailed
        If something can't be ended.
    """
    if not find_service(store):
        tell("The service is not running: nothing to stop.")
        store.remove(STATE_FILE)
        return
    tell("Stopping the worker, its runs and the server ...")
    supervisors = [one for one in find_service(store) if _is_supervisor(one)]
    for supervisor in supervisors:
        supervisor.send_signal(signal.SIGTERM)
    wait_until_ended(supervisors, ENDING_PATIENCE_SECONDS)
    _end_leftovers(store, find_service(store))
    tell("The service has stopped.")


def describe(store: Store) -> list[str]:
    """Return how far the service is, where, and its processes; nothing if there is none."""
    state = read_state(store)
    if state is None or not is_supervised(store):
        return []
    answer = "it answers" if find_running_server(store) else "it doesn't answer"
    processes = [f"  {name}: process {mark.pid}" for name, mark in state.processes.items()]
    return [f"{state.phase}: {state.url}, {answer}", *processes, *describe_address(state)]


def describe_address(state: ServiceState) -> list[str]:
    """Return what makes the command `prefect` in a shell talk to this server."""
    lines = [f"export PREFECT_API_URL={state.api_url}"]
    if AUTH_VARIABLE in os.environ:
        lines.append(f'export PREFECT_API_AUTH_STRING="${AUTH_VARIABLE}"')
    return ["For the command `prefect` in a shell:", *(f"  {line}" for line in lines)]


def start_supervisor(store: Store, project: Path) -> "subprocess.Popen[bytes]":
    """Start the supervisor so that it outlives this process and its terminal.

    Raises
    ------
    InputError
        If the folder has no prefect.yaml, the server would be open to anybody, or its port
        is none or taken.
    """
    open_listener(os.environ).close()
    if not (project / "prefect.yaml").is_file():
        raise InputError(f"{project} has no prefect.yaml; name its folder by --project")
    named = store.variables() | {TOKEN_VARIABLE: make_token()}
    with open_log(store, "service", "wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", SUPERVISOR, project],
            cwd=project,
            env=os.environ | named,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def wait_until_ready(
    store: Store, supervisor: "subprocess.Popen[bytes]", tell: Tell
) -> ServiceState:
    """Tell each phase as it begins, and return the state when the last is reached.

    Raises
    ------
    ServiceFailed
        If the supervisor ends; the message holds what it logged.
    """
    told = ""
    while supervisor.poll() is None:
        state = read_state(store)
        if state is not None and state.phase == READY:
            return state
        if state is not None and state.phase != told:
            told = state.phase
            tell(f"{told.capitalize()}{HINTS.get(told, '')} ...")
        time.sleep(POLL_SECONDS)
    logged = log_path(store, "service").read_text(encoding="utf-8", errors="replace")
    raise ServiceFailed(f"The service didn't start: {logged.strip() or 'it was ended'}")


def find_service(store: Store) -> list[psutil.Process]:
    """Return all processes of a store's service, also those that a kill has left behind."""
    return [
        process
        for process, environ in list_environs()
        if TOKEN_VARIABLE in environ
        and store.variables().items() <= environ.items()
        and is_alive(process)
    ]


def find_orphans(store: Store) -> list[psutil.Process]:
    """Return what still runs of a service, or for a command, of a store that has ended."""
    service = find_service(store)
    left = [] if any(map(_is_supervisor, service)) else service
    return [*find_temporary(store), *left]


def _is_supervisor(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return SUPERVISOR in process.cmdline()
    return False


def _end_leftovers(store: Store, processes: Collection[psutil.Process]) -> None:
    """End what a supervisor that was killed left behind, and forget it."""
    if left := end_processes(processes):
        named = list_some(f"{one.pid} ({one.name()})" for one in left)
        raise ServiceFailed(
            f"can't end {named}: the processes are another user's, or hang in the system. "
            "End them yourself, then try again"
        )
    store.remove(STATE_FILE)
