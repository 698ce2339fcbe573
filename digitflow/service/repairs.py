"""Flow runs whose process is gone though they say that they run, and runs that were missed."""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import psutil

from digitflow.service.processes import read_environ
from digitflow.store.artifacts import Store
from digitflow.store.runs import is_interrupted

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun

logger = logging.getLogger(__name__)

# Prefect's worker sets it for each process that it starts.
RUN_VARIABLE = "PREFECT__FLOW_RUN_ID"
UNFINISHED = {"type": {"any_": ["RUNNING", "PENDING", "CANCELLING"]}}
GONE = "Its process is gone."
MISSED = "Missed: the service was not running. Only the latest missed run is started."
# A run that takes its process down with it each time must not do so for ever.
MOST_STARTS = 3
# The server's own limit.
PAGE = 200


def mark_crashed(client: "SyncPrefectClient", pool: str) -> None:
    """Mark the dead runs of a work pool on this machine as crashed.

    Killed at once, they couldn't say so themselves, and would hold their deployment's
    slot. Call it while no worker of the pool is alive: it may be just starting a process.
    """
    for run in _find_dead_runs(client, pool):
        _end_dead_run(client, run)


def restart_crashed(client: "SyncPrefectClient", pool: str) -> None:
    """Mark dead runs as crashed, and let them begin again; what they had finished is kept."""
    for run in _find_dead_runs(client, pool):
        if not _end_dead_run(client, run):
            continue
        if run.run_count >= MOST_STARTS:
            logger.warning(
                "flow run %s was started %d times, and is not started again",
                run.name,
                run.run_count,
            )
            continue
        _set_state(client, run, type="SCHEDULED", name="AwaitingRetry", message=GONE)
        logger.warning("flow run %s is started again", run.name)


def mark_crashed_commands(client: "SyncPrefectClient", store: Store) -> None:
    """Mark the runs of commands that were killed as crashed.

    No worker watches those; whether one lives is seen by its record's lock in the store.
    """
    for run in find_runs(client, {"state": UNFINISHED, "deployment_id": {"is_null_": True}}):
        if is_interrupted(store, run.name.split()[0]):
            _crash(client, run)


def skip_missed_runs(client: "SyncPrefectClient", moment: datetime) -> int:
    """Cancel the scheduled runs of each deployment that were due before, but the latest.

    After a night switched off, a worker would else start a hundred of them at once. What a
    person or an event has asked for stays.

    Parameters
    ----------
    moment : datetime
        With a time zone.

    Returns
    -------
    int
        How many were cancelled.
    """
    kept = set()
    skipped = offset = 0
    while page := _list_due(client, moment, offset):
        # The newest first: the first of each deployment stays.
        for run in page:
            if run.auto_scheduled and run.deployment_id in kept:
                _set_state(client, run, type="CANCELLED", name="Missed", message=MISSED)
                skipped += 1
                continue
            offset += 1
            if run.auto_scheduled:
                kept.add(run.deployment_id)
    if skipped:
        logger.warning("%d scheduled runs were missed, and are not started", skipped)
    return skipped


def find_runs(
    client: "SyncPrefectClient",
    filters: Mapping[str, Any],
    pool: str | None = None,
    order: str = "END_TIME_DESC",
    offset: int = 0,
) -> "list[FlowRun]":
    """Return the first flow runs in an order that fit the filters, `PAGE` at most.

    Parameters
    ----------
    filters : Mapping
        Fields of Prefect's `FlowRunFilter`.
    pool : str, optional
        Only runs of this work pool.
    order : str
        One of Prefect's `FlowRunSort`.
    """
    from prefect.client.schemas.filters import FlowRunFilter, WorkPoolFilter
    from prefect.client.schemas.sorting import FlowRunSort

    pools = None
    if pool is not None:
        pools = WorkPoolFilter.model_validate({"name": {"any_": [pool]}})
    return client.read_flow_runs(
        flow_run_filter=FlowRunFilter.model_validate(filters),
        work_pool_filter=pools,
        sort=FlowRunSort(order),
        limit=PAGE,
        offset=offset,
    )


def _find_dead_runs(client: "SyncPrefectClient", pool: str) -> "list[FlowRun]":
    alive = {read_environ(process).get(RUN_VARIABLE) for process in psutil.process_iter()}
    unfinished = find_runs(client, {"state": UNFINISHED}, pool)
    return [run for run in unfinished if str(run.id) not in alive]


def _end_dead_run(client: "SyncPrefectClient", run: "FlowRun") -> bool:
    """Say how a dead run ended; return whether it crashed, or else was being cancelled."""
    if run.state_type == "CANCELLING":
        _set_state(client, run, type="CANCELLED", message=GONE)
        return False
    _crash(client, run)
    return True


def _crash(client: "SyncPrefectClient", run: "FlowRun") -> None:
    _set_state(client, run, type="CRASHED", message=GONE)
    logger.warning("flow run %s crashed: its process is gone", run.name)


def _set_state(client: "SyncPrefectClient", run: "FlowRun", **state: str) -> None:
    from prefect.client.schemas.objects import State

    client.set_flow_run_state(run.id, State.model_validate(state))


def _list_due(client: "SyncPrefectClient", moment: datetime, offset: int) -> "list[FlowRun]":
    """Return a page of the deployments' runs that were due, the newest first.

    None that has begun before, and waits to go on. What is cancelled is in no page after:
    `offset` counts what stays.
    """
    due = {
        "state": {"name": {"any_": ["Scheduled", "Late"]}},
        "expected_start_time": {"before_": moment},
        "deployment_id": {"is_null_": False},
    }
    return find_runs(client, due, order="EXPECTED_START_TIME_DESC", offset=offset)
