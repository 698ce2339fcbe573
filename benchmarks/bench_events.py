"""How long after an event a retraining begins, on a real server and worker.

Contract: at most 15 s from the event to the start of the flow that it asks for, each time.
The events are those of prefect.yaml, one after another; the other core is free, and the
worker starts a process for each run. What follows the start is not measured.
"""

import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from uuid import uuid4

import httpx
from measuring import run_service

EVENTS = {
    "digitflow.dataset.updated": "retrain-on-new-data",
    "digitflow.drift.detected": "retrain-on-drift",
}
TIMES = 5
MOST_SECONDS = 15.0
PATIENCE_SECONDS = 120.0
CONFIG = {
    "model": "digits-sample",
    "candidates": [{"name": "tree", "estimator": "tree", "recipe": "pixels"}],
    "gate": {"floor": {"min_accuracy": 0.5}},
}


def emit(api: str, event: str) -> datetime:
    """Emit an event of a model; return when."""
    now = datetime.now(UTC)
    resource = {"prefect.resource.id": "digitflow.model.digits-sample"}
    told = {"id": str(uuid4()), "occurred": now.isoformat(), "event": event, "payload": {}}
    httpx.post(f"{api}/events", json=[told | {"resource": resource}]).raise_for_status()
    return now


def find_runs(api: str, deployment: str) -> dict[str, dict]:
    """Return the flow runs of a deployment by their ids."""
    wanted = {"deployments": {"name": {"any_": [deployment]}}}
    runs = httpx.post(f"{api}/flow_runs/filter", json=wanted).raise_for_status().json()
    return {run["id"]: run for run in runs}


def wait_for(condition):
    """Return what the condition returns as soon as it is true."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise RuntimeError(f"nothing happened within {PATIENCE_SECONDS:g} s")
        time.sleep(0.2)
    return found


def measure(api: str, event: str, deployment: str) -> float:
    """Return the seconds from an event to the start of the run that it triggers."""
    known = find_runs(api, deployment)
    emitted = emit(api, event)

    def find_ended():
        new = [run for key, run in find_runs(api, deployment).items() if key not in known]
        return [run for run in new if run["end_time"]]

    (run,) = wait_for(find_ended)
    return (datetime.fromisoformat(run["start_time"]) - emitted).total_seconds()


def main() -> None:
    """Measure each event, and fail where one of them took too long."""
    slow = False
    with (
        tempfile.TemporaryDirectory() as folder,
        run_service(Path(folder), CONFIG) as api,
    ):
        for event, deployment in EVENTS.items():
            found = [measure(api, event, deployment) for _ in range(TIMES)]
            slow = slow or max(found) > MOST_SECONDS
            print(
                f"{event} to the start of {deployment}: median {median(found):.1f} s, "
                f"longest {max(found):.1f} s of {TIMES} = "
                f"{max(found) / MOST_SECONDS:.2f} x the {MOST_SECONDS:g} s allowed",
                flush=True,
            )
    if slow:
        sys.exit("contract broken: a retraining began later than allowed")


if __name__ == "__main__":
    main()
