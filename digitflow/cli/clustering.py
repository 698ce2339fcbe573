"""`digitflow worker`, and what the doctor says of a cluster."""

import os
import socket
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Annotated, Any

import typer

from digitflow.cli.options import Debug
from digitflow.errors import DigitflowError, InputError, list_some
from digitflow.workers.address import CLUSTER_VARIABLE, check_address, is_loopback

HOST = "127.0.0.1"
GIGABYTE = 1 << 30


def worker(
    scheduler: Annotated[
        str,
        typer.Option(help=f"Address, tcp://127.0.0.1:8786 (default: {CLUSTER_VARIABLE})."),
    ] = "",
    threads: Annotated[
        int | None, typer.Option(min=1, help="Of all its fits together (default: one a core).")
    ] = None,
    parallel: Annotated[
        int | None,
        typer.Option(min=1, help="Fits at the same time (default: one a thread)."),
    ] = None,
    memory_gb: Annotated[
        float | None, typer.Option(min=0.1, help="What each fit may take (default: no limit).")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="How it is called (default: host and process).")
    ] = None,
    host: Annotated[
        str | None, typer.Option(help=f"Its address for the others (default: {HOST}).")
    ] = None,
    debug: Debug = False,
) -> None:
    """Compute for the runs of a cluster, until Ctrl-C."""
    from digitflow.workers.local import count_cores

    if find_spec("distributed") is None:
        raise InputError("a worker needs the extra cluster: pip install 'digitflow[cluster]'")
    scheduler = check_address(scheduler or os.environ.get(CLUSTER_VARIABLE) or "")
    host = choose_host(scheduler, host)
    threads = threads or parallel or count_cores()
    # A sum of floats by several threads has other last digits: with one for each fit, results
    # are equal whatever cores a worker has.
    parallel = parallel or threads
    name = name or f"{socket.gethostname()}-{os.getpid()}"
    os.environ |= list_variables(threads, memory_gb, debug)
    typer.echo(
        f"worker {name} for {scheduler}: {parallel} at a time on {threads} threads; "
        "Ctrl-C ends it"
    )
    sys.stdout.flush()
    # As a process of its own: Dask's command ends a worker in order, whatever signal comes.
    command = [sys.executable, "-P", "-m", "distributed.cli.dask_worker"]
    os.execv(sys.executable, command + list_options(scheduler, parallel, name, host))


def choose_host(scheduler: str, host: str | None) -> str:
    """Return where a worker listens; beyond this machine only where it is encrypted."""
    safe = scheduler.startswith("tls://")
    if host is None and safe and not is_loopback(scheduler.split("//")[1].rpartition(":")[0]):
        raise InputError(
            f"{scheduler} is on another machine: name the address by which it reaches this "
            "one, --host 10.0.0.7"
        )
    if not safe and not is_loopback(host or HOST):
        check_address(f"tcp://{host}:1")
    return host or HOST


def list_options(scheduler: str, parallel: int, name: str, host: str) -> list[str]:
    """Return the options of Dask's command; it holds no data, its children compute."""
    options = {"nthreads": parallel, "name": name, "host": host, "memory-limit": 0}
    listed = [f"--{option}={value}" for option, value in options.items()]
    guard = ["--preload", "digitflow.workers.guard"]
    return [scheduler, "--no-nanny", "--no-dashboard", *guard, *listed]


def list_variables(threads: int, memory_gb: float | None, debug: bool) -> dict[str, str]:
    """Return the environment of a worker: its limits, and how much Dask says."""
    from digitflow.workers.entry import MEMORY_VARIABLE, THREADS_VARIABLE

    variables = {
        THREADS_VARIABLE: str(threads),
        "DASK_LOGGING__DISTRIBUTED": "info" if debug else "warning",
    }
    if memory_gb is not None:
        variables[MEMORY_VARIABLE] = str(int(memory_gb * GIGABYTE))
    return variables


def check_cluster() -> Iterator[dict[str, Any]]:
    """Yield findings of the cluster that the environment names; it is asked for seconds."""
    address = os.environ.get(CLUSTER_VARIABLE)
    if not address:
        return
    try:
        described = _ask_workers(check_address(address))
    except DigitflowError as exc:
        yield {"level": "error", "what": "cluster", "found": str(exc)}
        return
    slots = sum(each.get("slots", 0) for each in described)
    found = f"{address} answers; workers: {len(described)}, slots: {slots}"
    level = "ok" if described else "error"
    said = found if described else f"{found}; `digitflow worker` starts one"
    yield {"level": level, "what": "cluster", "found": said}
    for each in described:
        yield {"what": "cluster", **_judge_worker(each)}


def _ask_workers(address: str) -> list[dict[str, Any]]:
    from digitflow.workers.cluster import close, connect, describe_workers

    client = connect(address)
    try:
        return describe_workers(client, None)
    finally:
        close(client)


def _judge_worker(described: dict[str, Any]) -> dict[str, str]:
    from digitflow.store.lineage import installed_version, list_versions
    from digitflow.workers.cluster import compare_versions, find_obstacle

    if obstacle := find_obstacle(described):
        return {"level": "error", "found": obstacle}
    here = {name: installed_version(name) for name in described["versions"]}
    here |= list_versions({})
    if other := compare_versions(described, here):
        return {"level": "warning", "found": f"{other}: work that needs those is refused"}
    versions = [f"{name} {described['versions'][name]}" for name in list_versions({})]
    found = f"{described['slots']} at a time on {described['cores']} cores, " + list_some(
        versions
    )
    return {"level": "ok", "found": f"{described['name']}: {found}, libraries as here"}
