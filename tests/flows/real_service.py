"""The service of `make up` as tests start it: a real server, a real worker."""

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import numpy as np
import yaml

from digitflow.service.control import find_service
from digitflow.service.supervisor import NOTIFICATIONS
from digitflow.store.artifacts import Store

CHECKOUT = Path(__file__).parents[2]
BETTER = {"name": "svm-strokes", "estimator": "svm", "recipe": "strokes"}
PASSWORD = "admin:not a secret"
# 359 test images and one candidate: what matters is what follows what, not how well it reads.
GATE = {
    "floor": {"min_accuracy": 0.5},
    "slices": {"min_samples": 30},
    "calibration": dict.fromkeys(("max_ece", "max_brier", "max_log_loss"), 1.0)
    | dict.fromkeys(("ece_margin", "brier_margin", "log_loss_margin"), 1.0),
    "robustness": {"images": 60, "floors": {"shift-1": 0.5, "inverted": 0.5}},
    # On a machine that is busy with others, processor time too is several times as long.
    "budgets": {"latency_p95_ms": 10_000},
}
CONFIG = {
    "model": "digits-sample",
    "source": {"kind": "builtin"},
    "candidates": [{"name": "svm", "estimator": "svm", "recipe": "strokes"}],
    "feedback": {"enough": 30, "inbox": "../inbox"},
    "monitoring": {"window": 200, "least": 100},
    "gate": GATE,
}
ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


def call_api(api_url, path, body=None):
    """GET `path` of Prefect's server, or POST `body` to it as JSON; return the answer."""
    password = os.environ.get("PREFECT_SERVER_API_AUTH_STRING", "")
    with httpx.Client(
        auth=tuple(password.split(":", 1)) if password else None,
        timeout=180,  # on a machine that is busy with others, a server may take its time
        trust_env=False,
        # Without the certificates that plain HTTP does not need: reading them takes longer
        # than the answer, each time that a test looks.
        transport=httpx.HTTPTransport(retries=3, verify=False),
    ) as client:
        for pause in 0.5 * 2 ** np.arange(7):
            answer = client.request(
                "GET" if body is None else "POST", api_url + path, json=body
            )
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                break
            # Its database was locked, and it has done nothing. As Prefect's clients do.
            time.sleep(pause)
    answer.raise_for_status()
    return answer.json() if answer.content else None


class Service:
    """The service of a store of its own, at a port of its own."""

    def __init__(self, store, project=None, **variables):
        self.store = store
        self.project = project
        self.config = project and project / "configs" / "digits.yaml"
        self.variables = variables
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    def environment(self):
        """Return the environment of the service, and of commands that use its store."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT", "DIGIT"))}
        ours = {
            # Nobody is there: what goes through it does not come back.
            "HTTP_PROXY": "http://127.0.0.1:9",
            "DIGITFLOW_ARTIFACTS": str(self.store.root),
            "PREFECT_SERVER_API_PORT": str(self.port),
        }
        return kept | ours | self.variables

    def run(self, command):
        """Run `digitflow COMMAND` and return how it ended."""
        where = ["--project", str(self.project)] if self.project and command == "up" else []
        return subprocess.run(
            [Path(sys.executable).with_name("digitflow"), command, *where],
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=240,
        )

    def processes(self):
        """Return every process of the service that is alive."""
        return find_service(self.store)

    def api(self, path, body=None):
        return call_api(f"http://127.0.0.1:{self.port}/api", path, body)

    def page(self, path):
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=180).content

    def start_run(self, name="train/train-digits", **fields):
        """Create a run of a deployment, named as flow/deployment, and return its id."""
        deployment = self.api(f"/deployments/name/{name}")["id"]
        return self.api(f"/deployments/{deployment}/create_flow_run", fields)["id"]

    def follow(self, run, seconds=240):
        """Wait until a run has completed, also after a crash; return it."""
        wait_for(lambda: self.state_of(run) in ("COMPLETED", "FAILED"), seconds)
        return self.api(f"/flow_runs/{run}")

    def list_runs(self, deployment):
        """Return the runs of a deployment, the newest first."""
        wanted = {"deployments": {"name": {"any_": [deployment]}}, "sort": "START_TIME_DESC"}
        return self.api("/flow_runs/filter", wanted)

    def finish(self, run, seconds=240):
        """Wait until a run has ended; return it."""
        wait_for(lambda: self.state_of(run) in ENDED, seconds)
        return self.api(f"/flow_runs/{run}")

    def state_of(self, run):
        return self.api(f"/flow_runs/{run}")["state"]["type"]

    def list_states(self, run):
        """Return the names of a run's states, the first one first."""
        states = self.api(f"/flow_run_states/?flow_run_id={run}")
        return [state["name"] for state in sorted(states, key=lambda state: state["timestamp"])]


def serve(folder, **variables):
    """Run the service of a folder, its deployments on CONFIG; yield it, then end it."""
    shutil.copy(CHECKOUT / "prefect.yaml", folder / "prefect.yaml")
    for made in ("configs", "inbox"):
        (folder / made).mkdir()
    (folder / "configs" / "digits.yaml").write_text(yaml.safe_dump(CONFIG))
    example = (CHECKOUT / NOTIFICATIONS).read_text()
    (folder / NOTIFICATIONS).write_text(example.replace("enabled: false", "enabled: true"))
    service = Service(Store(folder / "artifacts"), folder, **variables)
    service.first_up = service.run("up")
    assert service.first_up.returncode == 0, service.first_up.stderr
    yield service
    service.run("down")


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.2)
    return result
