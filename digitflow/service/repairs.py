"""Flow runs that say they run while no process of theirs is alive."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil

from digitflow.service.processes import read_environ
from digitflow.service.server_api import ServerRefused, call_api
from digitflow.store.artifacts import Store
from digitflow.store.runs import is_interrupted

logger = logging.getLogger(__name__)

# Prefect's worker sets it for each process that it starts.
RUN_VARIABLE = "PREFECT__FLOW_RUN_ID"
UNFINISHED = {"type": {"any_": ["RUNNING", "PENDING", "CANCELLING"]}}
GONE = "Its process is gone."
# A run that takes its process down with it each time must not do so for ever.
MOST_STARTS = 3

FlowRun = dict[str, Any]


def mark_crashed(api_url: str, pool: str) -> list[FlowRun]:
    """Mark the dead runs of a work pool on this machine as crashed; return them.

    Killed at once, they couldn't say so themselves, and would hold their deployment's
    slot. Call it while no worker of the pool is alive: it may be just starting a process.
    A dead run that was being cancelled has been cancelled, and is not returned.
    """
    alive = {read_environ(process).get(RUN_VARIABLE) for process in psutil.process_iter()}
    wanted = {"work_pools": {"name": {"any_": [pool]}}, "flow_runs": {"state": UNFINISHED}}
    crashed = []
    with _told_refusals():
        for run in call_api(api_url, "/flow_runs/filter", wanted):
            if run["id"] in alive:
                continue
            if run["state_type"] == "CANCELLING":
                _set_state(api_url, run, type="CANCELLED", message=GONE)
                continue
            _crash(api_url, run)
            crashed.append(run)
    return crashed


def reschedule(api_url: str, runs: list[FlowRun]) -> None:
    """Let crashed runs of deployments begin again; what they had finished is kept."""
    with _told_refusals():
        for run in runs:
            if run["run_count"] >= MOST_STARTS:
                logger.warning(
                    "flow run %s was started %d times, and is left crashed",
                    run["name"],
                    run["run_count"],
                )
                continue
            _set_state(api_url, run, type="SCHEDULED", name="AwaitingRetry", message=GONE)
            logger.warning("flow run %s begins again", run["name"])


def mark_crashed_commands(api_url: str, store: Store) -> None:
    """Mark the runs of commands that were killed as crashed.

    No worker watches those; whether one lives is seen by its record's lock in the store.
    """
    wanted = {"deployment_id": {"is_null_": True}, "state": UNFINISHED}
    with _told_refusals():
        for run in call_api(api_url, "/flow_runs/filter", {"flow_runs": wanted}):
            if is_interrupted(store, run["name"].split()[0]):
                _crash(api_url, run)


def _crash(api_url: str, run: FlowRun) -> None:
    _set_state(api_url, run, type="CRASHED", message=GONE)
    logger.warning("flow run %s crashed: its process is gone", run["name"])


def _set_state(api_url: str, run: FlowRun, **state: str) -> None:
    call_api(api_url, f"/flow_runs/{run['id']}/set_state", {"state": state})


@contextmanager
def _told_refusals() -> Iterator[None]:
    try:
        yield
    except ServerRefused as exc:
        logger.warning("can't look after crashed runs: %s", exc)


MISSED = "Missed: the service was not running. The latest one missed is made up for."
# The server's own limit.
PAGE = 200


def skip_missed_runs(api_url: str, moment: str) -> int:
    """Cancel the scheduled runs of each deployment that were due before, but the latest.

    After a night switched off, a worker would else start a hundred of them at once. What a
    person or an event has asked for stays.

    Parameters
    ----------
    moment : str
        ISO 8601 with a time zone.

    Returns
    -------
    int
        How many were cancelled.
    """
    kept: set[str] = set()
    skipped = offset = 0
    try:
        while page := _list_due(api_url, moment, offset):
            # The newest first: the first of each deployment stays.
            for run in page:
                if not run["auto_scheduled"] or run["deployment_id"] not in kept:
                    offset += 1
                    if run["auto_scheduled"]:
                        kept.add(run["deployment_id"])
                    continue
                state = {"type": "CANCELLED", "name": "Missed", "message": MISSED}
                call_api(api_url, f"/flow_runs/{run['id']}/set_state", {"state": state})
                skipped += 1
    except ServerRefused as exc:
        logger.warning("can't look after missed runs: %s", exc)
    if skipped:
        logger.warning("%d scheduled runs were missed, and are not made up for", skipped)
    return skipped


def _list_due(api_url: str, moment: str, offset: int) -> list[dict[str, Any]]:
    """Return a page of the deployments' runs that were due, the newest first.

    None that has begun before, and waits to go on. What is cancelled is in no page after:
    `offset` counts what stays.
    """
    wanted = {
        "flow_runs": {
            "state": {"name": {"any_": ["Scheduled", "Late"]}},
            "expected_start_time": {"before_": moment},
            "deployment_id": {"is_null_": False},
        },
        "sort": "EXPECTED_START_TIME_DESC",
        "limit": PAGE,
        "offset": offset,
    }
    found: list[dict[str, Any]] = call_api(api_url, "/flow_runs/filter", wanted)
    return found
