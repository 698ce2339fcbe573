"""Flow runs that say they run while no process of theirs is alive."""

import logging

import psutil

from flows.processes import read_environ
from flows.server_api import ServerRefused, call_api

logger = logging.getLogger(__name__)

# Prefect's worker sets it for each process that it starts.
RUN_VARIABLE = "PREFECT__FLOW_RUN_ID"
UNFINISHED = {"state": {"type": {"any_": ["RUNNING", "PENDING", "CANCELLING"]}}}
CRASHED = {"state": {"type": "CRASHED", "message": "Its process is gone."}}


def crash_dead_runs(api_url: str, pool: str) -> None:
    """Mark the dead runs of a work pool on this machine as crashed.

    Killed at once, they couldn't say so themselves, and would hold their deployment's
    slot. Call it while no worker of the pool is alive: it may be just starting a process.
    """
    alive = {read_environ(process).get(RUN_VARIABLE) for process in psutil.process_iter()}
    unfinished = {"work_pools": {"name": {"any_": [pool]}}, "flow_runs": UNFINISHED}
    try:
        for run in call_api(api_url, "/flow_runs/filter", unfinished):
            if run["id"] not in alive:
                call_api(api_url, f"/flow_runs/{run['id']}/set_state", CRASHED)
                logger.warning("flow run %s crashed: its process is gone", run["name"])
    except ServerRefused as exc:
        logger.warning("can't look for crashed runs: %s", exc)
