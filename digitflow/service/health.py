"""Whether nobody has to think of it: the worker, the deployments, and how runs ended recent."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from digitflow.errors import list_some
from digitflow.service.server_api import call_api
from digitflow.service.supervisor import POOL

# A worker takes a run within seconds; one that is so late is taken by nobody.
LATE = timedelta(minutes=5)
LATELY = timedelta(days=1)
BAD = ("FAILED", "CRASHED")

Fact = tuple[str, str, str]


def check_service(api_url: str) -> Iterator[Fact]:
    """Yield (level, what, found) of a server that answers: level is ok, warning or error."""
    yield _check_worker(api_url)
    yield _check_deployments(api_url)
    yield from _check_late(api_url)
    yield _check_lately(api_url)


def _check_worker(api_url: str) -> Fact:
    workers = call_api(api_url, f"/work_pools/{POOL}/workers/filter", {})
    online = [worker["name"] for worker in workers if worker["status"] == "ONLINE"]
    if not online:
        return (
            "error",
            "worker",
            f"none of the pool {POOL} is online, runs wait: make down, make up",
        )
    return "ok", "worker", f"{list_some(online)} online"


def _check_deployments(api_url: str) -> Fact:
    found = call_api(api_url, "/deployments/filter", {})
    if not found:
        return "error", "deployments", "none is there: make down, make up"
    scheduled = sum(any(s["active"] for s in one["schedules"]) for one in found)
    paused = sorted(one["name"] for one in found if one["paused"])
    counted = f"{len(found)}, {scheduled} of them with a schedule"
    if paused:
        return (
            "warning",
            "deployments",
            f"{counted}; paused, they start nothing: " + list_some(paused),
        )
    return "ok", "deployments", counted


def _check_late(api_url: str) -> Iterator[Fact]:
    """Tell of runs that nobody has taken; Prefect calls those in a full queue late too."""
    moment = (datetime.now(UTC) - LATE).isoformat()
    late = _find_runs(
        api_url,
        state={"name": {"any_": ["Late"]}},
        expected_start_time={"before_": moment},
    )
    pool = call_api(api_url, f"/work_pools/{POOL}")
    if pool["is_paused"]:
        yield "warning", "pool", f"{POOL} is paused, its runs wait"
    if late:
        names = list_some([run["name"] for run in late])
        yield "warning", "late runs", f"{len(late)} wait for their turn or a worker: {names}"


def _check_lately(api_url: str) -> Fact:
    moment = (datetime.now(UTC) - LATELY).isoformat()
    recent = {"end_time": {"after_": moment}}
    ended = call_api(api_url, "/flow_runs/count", {"flow_runs": recent})
    bad = _find_runs(api_url, **recent, state={"type": {"any_": BAD}})
    if bad:
        names = list_some([run["name"] for run in bad])
        return "warning", "flow runs", f"{len(bad)} of {ended} since yesterday failed: {names}"
    return "ok", "flow runs", f"{ended} ended since yesterday, none failed"


def _find_runs(api_url: str, **filters: Any) -> list[dict[str, Any]]:
    wanted = {"flow_runs": filters, "sort": "END_TIME_DESC"}
    found: list[dict[str, Any]] = call_api(api_url, "/flow_runs/filter", wanted)
    return found
