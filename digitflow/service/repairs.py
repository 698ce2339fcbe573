"""Flow runs whose process is gone though they say that they run, and runs that were missed."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psutil

from digitflow.service.processes import is_alive, read_environ
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
AGAIN = "AwaitingRetry"
WORKER = "digitflow"
# How Prefect's worker begins when it could not start a run, as when the server was too busy.
UNSUBMITTED = "Failed to submit flow run"
# What the tags begin with by which commands that were killed are told.
COMMAND = "command-"
MISSED = "Missed: the service was not running. Only the latest missed run is started."
# A run that takes its process down with it each time must not do so for ever.
MOST_STARTS = 3
# The server's own limit.
PAGE = 200

# A look alone says little.
LOOKS, PENDING_LOOKS = 2, 10
Suspects = dict[UUID, tuple[UUID | None, int]]


def mark_crashed(client: "SyncPrefectClient", pool: str) -> None:
    """Mark the dead runs of a work pool on this machine as crashed.

    Killed at once, they couldn't say so themselves, and would hold their deployment's
    slot. Call it while no worker of the pool is alive: it may be just starting a process.
    """
    for run in _find_dead_runs(client, pool):
        _end_dead_run(client, run)


def restart_crashed(
    client: "SyncPrefectClient", pool: str, since: datetime | None = None
) -> None:
    """Mark dead runs as crashed, and let them begin again; what they had finished is kept.

    Parameters
    ----------
    since : datetime, optional
        When their worker was last seen alive, with a time zone. Runs that have crashed after
        that begin again too: who writes to a worker that has ended, ends by that, and says so.
    """
    crashed = [] if since is None else _find_crashed(client, pool, since)
    dead = [run for run in _find_dead_runs(client, pool) if _end_dead_run(client, run)]
    for run in [*crashed, *dead]:
        _begin_again(client, run)


def restart_unsubmitted(client: "SyncPrefectClient", pool: str, since: datetime) -> None:
    """Let runs begin again that a worker could not start after a moment with a time zone."""
    for run in _find_crashed(client, pool, since):
        if run.state is not None and (run.state.message or "").startswith(UNSUBMITTED):
            _begin_again(client, run)


def restart_stuck(client: "SyncPrefectClient", pool: str, before: Suspects) -> Suspects:
    """Let runs without a process begin again while the worker is alive.

    A run must be found twice in the same state; and more often while it is pending, since the
    worker may be about to start its process, which takes minutes on a machine that is busy.

    Parameters
    ----------
    before : dict
        What the look before has returned; looks are half a minute apart.

    Returns
    -------
    dict
        The state's id of each run that was found now, and how often, by the run's id.
    """
    found: Suspects = {}
    for run in find_stuck(client, pool):
        state, looks = before.get(run.id, (None, 0))
        looks = looks + 1 if state == run.state_id else 1
        found[run.id] = run.state_id, looks
        enough = PENDING_LOOKS if run.state_type == "PENDING" else LOOKS
        if looks >= enough and _end_dead_run(client, run):
            _begin_again(client, run)
    return found


def find_stuck(
    client: "SyncPrefectClient", pool: str, age: timedelta = timedelta(0)
) -> "list[FlowRun]":
    """Return the runs of a pool on this machine that are at work only by their own account.

    None where other workers take runs of the pool: theirs may be on another machine.

    Parameters
    ----------
    age : timedelta
        How long they must have been in their state.
    """
    workers = client.read_workers_for_work_pool(pool)
    if any(each.name != WORKER and each.status == "ONLINE" for each in workers):
        return []
    latest = datetime.now(UTC) - age
    dead = _find_dead_runs(client, pool)
    return [run for run in dead if run.state is not None and run.state.timestamp <= latest]


def mark_crashed_commands(client: "SyncPrefectClient", store: Store) -> None:
    """Mark the runs of commands and notebooks that were killed as crashed.

    No worker watches those. Whether one lives is seen by the locks in the store: the one of
    its record, and, before that is written, the one that its command has tagged it with.
    """
    left = set(store.list_abandoned(COMMAND))
    for run in find_runs(client, {"state": UNFINISHED, "deployment_id": {"is_null_": True}}):
        if left.intersection(run.tags) or is_interrupted(store, run.name.split()[0]):
            _crash(client, run)
    for name in left:
        store.lock_path(name).unlink(missing_ok=True)


@contextmanager
def tag_command(store: Store) -> Iterator[None]:
    """Tag the flow runs that a command begins, so that they are found if it is killed."""
    from prefect import tags

    name = f"{COMMAND}{token_hex(4)}"
    with store.lock_here(name), tags(name):
        yield


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


def _find_crashed(client: "SyncPrefectClient", pool: str, since: datetime) -> "list[FlowRun]":
    recent = {"state": {"type": {"any_": ["CRASHED"]}}, "end_time": {"after_": since}}
    return find_runs(client, recent, pool)


def _find_dead_runs(client: "SyncPrefectClient", pool: str) -> "list[FlowRun]":
    unfinished = find_runs(client, {"state": UNFINISHED}, pool)
    return [run for run in unfinished if not _is_at_work(run)]


def _is_at_work(run: "FlowRun") -> bool:
    """Tell whether the process lives that a worker has noted; others inherit variables."""
    with suppress(psutil.Error, ValueError):
        process = psutil.Process(int(run.infrastructure_pid or ""))
        return is_alive(process) and read_environ(process).get(RUN_VARIABLE) == str(run.id)
    return False


def _begin_again(client: "SyncPrefectClient", run: "FlowRun") -> None:
    """Plan a run that has crashed anew, three starts at most."""
    states = client.read_flow_run_states(run.id)
    # A run that dies before it runs is counted by what it was granted.
    starts = max(run.run_count, 1 + sum(state.name == AGAIN for state in states))
    if starts >= MOST_STARTS:
        logger.warning("flow run %s was started %d times: no more", run.name, starts)
        return
    _set_state(client, run, type="SCHEDULED", name=AGAIN, message=GONE)
    logger.warning("flow run %s is started again", run.name)


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
