"""`python -m digitflow.service.control up|down|status`: Prefect's server and a worker."""

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from digitflow.errors import DigitflowError, InputError
from digitflow.service.environment import (
    STATE_FILE,
    ServiceState,
    find_running_server,
    is_supervised,
    read_state,
)
from digitflow.service.processes import (
    end_processes,
    find_process,
    list_descendants,
    wait_until_ended,
)
from digitflow.service.supervisor import (
    POLL_SECONDS,
    READY,
    ServiceFailed,
    Supervisor,
    choose_host,
    log_path,
)
from digitflow.store.artifacts import ARTIFACTS_VARIABLE, Store, open_store, storage_errors

CHECKOUT = Path(__file__).resolve().parents[2]
ENDING_PATIENCE_SECONDS = 60.0
NOT_RUNNING = 3
HINTS = {"starting the server": " (a first start takes up to half a minute)"}

app = typer.Typer(
    add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__
)
Project = Annotated[
    Path, typer.Option(help="folder of prefect.yaml, where flows run", show_default="checkout")
]


def main() -> None:
    """Run the command line; an error of ours is one message and its exit code."""
    try:
        app()
    except DigitflowError as exc:
        typer.echo(str(exc), err=True)
        sys.exit(exc.exit_code)


@app.command()
def up(project: Project = CHECKOUT) -> None:
    """Start the server and a worker, deploy prefect.yaml, and return when all is ready."""
    store = open_store()
    state = read_state(store)
    if is_supervised(store):
        where = f"at {state.url}" if state and state.phase == READY else "or being started"
        typer.echo(f"The service is running already, {where}; `make down` ends it.")
        return
    end_leftovers(store, state)
    supervisor = start_supervisor(store, project.resolve())
    try:
        ready = wait_until_ready(store, supervisor)
    except KeyboardInterrupt:
        supervisor.terminate()
        raise
    typer.echo(f"Ready: {ready.url}   logs: {log_path(store, '*')}")


@app.command()
def down() -> None:
    """End the server, the worker and the runs that it started; nothing else."""
    store = open_store()
    state = read_state(store)
    if state is None:
        typer.echo("The service is not running: nothing to end.")
        return
    supervisor = find_process(state.processes["supervisor"])
    if supervisor is not None:
        typer.echo("Ending the worker, its runs and the server ...")
        supervisor.send_signal(signal.SIGTERM)
        wait_until_ended([supervisor], ENDING_PATIENCE_SECONDS)
    end_leftovers(store, state)
    typer.echo("The service has ended.")


@app.command()
def status() -> None:
    """Tell whether the service runs, and where; exit code 3 when it doesn't."""
    store = open_store()
    state = read_state(store)
    if state is None or not is_supervised(store):
        typer.echo("The service is not running.")
        raise typer.Exit(NOT_RUNNING)
    answer = "it answers" if find_running_server(store) else "it doesn't answer"
    typer.echo(f"{state.phase}: {state.url}, {answer}")
    for name, mark in state.processes.items():
        typer.echo(f"  {name}: process {mark.pid}")


@app.command(hidden=True)
def supervise(project: Project = CHECKOUT) -> None:
    """Be the process that `up` leaves in the background."""
    logging.basicConfig(format="%(asctime)s %(message)s")
    supervisor = Supervisor(open_store(), project)
    # SIGINT too: what a shell starts in the background inherits it ignored, and a worker
    # that can't receive it doesn't end. With a handler here, children have the default.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, supervisor.stop)
    supervisor.run()


def start_supervisor(store: Store, project: Path) -> "subprocess.Popen[bytes]":
    """Start `supervise` so that it outlives this process and its terminal.

    Raises
    ------
    InputError
        If the folder has no prefect.yaml, or the server would be open to anybody.
    """
    choose_host(os.environ)
    if not (project / "prefect.yaml").is_file():
        raise InputError(f"{project} has no prefect.yaml; name its folder by --project")
    log = log_path(store, "service")
    with storage_errors(log):
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            return subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "digitflow.service.control",
                    "supervise",
                    "--project",
                    project,
                ],
                cwd=CHECKOUT,
                env=os.environ | {ARTIFACTS_VARIABLE: str(store.root)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )


def wait_until_ready(store: Store, supervisor: "subprocess.Popen[bytes]") -> ServiceState:
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
            typer.echo(f"{told.capitalize()}{HINTS.get(told, '')} ...")
        time.sleep(POLL_SECONDS)
    logged = log_path(store, "service").read_text(encoding="utf-8", errors="replace")
    raise ServiceFailed(f"The service didn't start: {logged.strip() or 'it was ended'}")


def end_leftovers(store: Store, state: ServiceState | None) -> None:
    """End what a supervisor that was killed left behind, and forget it."""
    if state is None:
        return
    found = {process for mark in state.processes.values() if (process := find_process(mark))}
    end_processes(found.union(*(list_descendants(process) for process in found)))
    store.remove(STATE_FILE)


if __name__ == "__main__":
    main()
