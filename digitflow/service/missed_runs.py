"""Scheduled runs that were missed while nothing ran: the latest is made up for, no other."""

import logging
from typing import Any

from digitflow.service.server_api import ServerRefused, call_api

logger = logging.getLogger(__name__)

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
