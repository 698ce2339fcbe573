"""A real Prefect server for the tests of flows, and projects that train against it."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import cv2
import numpy as np
import pytest
import yaml
from forked import ForkedCommand, prepare
from real_service import BETTER, PASSWORD, serve

from digitflow.service.environment import is_answering, prefect_environment
from digitflow.store.artifacts import Store
from digitflow.store.runs import list_runs, read_events, summarise_tasks

SERVER_SECONDS = 180
COMMAND = Path(sys.executable).with_name("digitflow")
CONFIG = {
    "model": "digits-sample",
    "source": {"kind": "builtin"},
    "candidates": [
        {"name": "knn-pca", "estimator": "knn", "recipe": "pca"},
        {"name": "tree-pixels", "estimator": "tree", "recipe": "pixels"},
    ],
    # 359 test images and weak models: what matters here is who is compared with whom.
    "gate": {
        "floor": {"min_accuracy": 0.5},
        "calibration": dict.fromkeys(("max_ece", "max_brier", "max_log_loss"), 1.0)
        | dict.fromkeys(("ece_margin", "brier_margin", "log_loss_margin"), 1.0),
        "robustness": {"images": 60, "floors": {"shift-1": 0.5, "inverted": 0.5}},
        # On a machine that is busy with others, processor time too is several times as long.
        "budgets": {"latency_p95_ms": 10_000},
    },
}


@pytest.fixture(scope="session")
def told():
    """What a receiver on this machine was told, and its address."""
    messages = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            length = int(self.headers["Content-Length"])
            messages.append(json.loads(self.rfile.read(length)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as receiver:
        Thread(target=receiver.serve_forever, daemon=True).start()
        yield messages, f"json://127.0.0.1:{receiver.server_port}"
        receiver.shutdown()


@pytest.fixture(scope="session")
def lasting_service(tmp_path_factory, told):
    """The service that three modules share: behind a password, with notifications."""
    folder, (_, address) = tmp_path_factory.mktemp("with space"), told
    yield from serve(
        folder, PREFECT_SERVER_API_AUTH_STRING=PASSWORD, DIGITFLOW_NOTIFY_URL=address
    )


@pytest.fixture(scope="module")
def service(lasting_service):
    """The service, whose password is in the environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_SERVER_API_AUTH_STRING", PASSWORD)
        yield lasting_service


@pytest.fixture(scope="session")
def server(make_shared):
    """The address of the API of one Prefect server, which all processes of the tests share."""
    folder = make_shared("server", _start_server)
    prepare(prefect_environment(Store(folder), os.environ))
    return (folder / "url").read_text()


def _start_server(folder):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = ["-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    environment = os.environ | prefect_environment(Store(folder), os.environ)
    output = (os.POSIX_SPAWN_OPEN, 1, folder / "server.log", os.O_WRONLY | os.O_CREAT, 0o644)
    # Not subprocess.Popen, which wants to see the end of what outlives this process.
    process = os.posix_spawn(
        sys.executable,
        [sys.executable, *arguments],
        environment,
        file_actions=[output, (os.POSIX_SPAWN_DUP2, 1, 2)],
    )
    url = f"http://127.0.0.1:{port}/api"
    _wait_until_healthy(url, process, folder / "server.log")
    (folder / "url").write_text(url)
    return process


def _wait_until_healthy(url, process, log):
    deadline = time.monotonic() + SERVER_SECONDS
    while time.monotonic() < deadline:
        if os.waitpid(process, os.WNOHANG) != (0, 0):
            pytest.fail(f"the server ended: {log.read_text()[-2000:]}")
        if is_answering(url):
            return
        time.sleep(0.2)
    os.kill(process, signal.SIGKILL)
    pytest.fail(f"the server did not start in {SERVER_SECONDS} s: {log.read_text()[-2000:]}")


@dataclass
class Project:
    """A folder with artifacts and a config, in which commands are run as a user would."""

    folder: Path
    server: str
    config: dict = field(default_factory=lambda: json.loads(json.dumps(CONFIG)))

    @property
    def store(self):
        return Store(self.folder / "artifacts")

    def environment(self, **variables):
        kept = {
            k: v for k, v in os.environ.items() if not k.startswith(("DIGITFLOW", "MLFLOW"))
        }
        return kept | {"PREFECT_API_URL": self.server, "COLUMNS": "160"} | variables

    def start(self, *arguments, fresh=False, **variables):
        """Start a command and return its process: a fork, or `fresh`, as a shell starts it."""
        (self.folder / "config.yaml").write_text(yaml.safe_dump(self.config))
        words, environment = [*map(str, arguments)], self.environment(**variables)
        if not fresh:
            return ForkedCommand(words, self.folder, environment)
        return subprocess.Popen(
            [COMMAND, *words],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments, code=0, fresh=False, **variables):
        """Run a command to its end, check its exit code, return its standard output."""
        process = self.start(*arguments, fresh=fresh, **variables)
        self.output, self.errors = process.communicate(timeout=300)
        assert process.returncode == code, f"{self.output}\n{self.errors}"
        assert "Traceback" not in self.errors
        return self.output

    def train(self, *arguments, code=0, **variables):
        """Train with the project's config and return the newest run's record."""
        self.run("train", "--config", "config.yaml", *arguments, code=code, **variables)
        return list_runs(self.store)[0]

    def kill_at(self, stage, delay=0.0):
        """Train, and kill with SIGKILL once `stage` has started; False if it never did."""
        process = self.start("train", "--config", "config.yaml")
        known = {run["run"] for run in list_runs(self.store)}
        while process.poll() is None:
            for run in list_runs(self.store):
                events = [] if run["run"] in known else read_events(self.store, run["run"])
                if any(e["event"] == "started" and e["task"] == stage for e in events):
                    time.sleep(delay)
                    process.kill()
                    process.communicate()
                    return True
            time.sleep(0.02)
        errors = process.communicate()[1]
        assert process.returncode == 0, errors
        return False

    def tasks(self, run=0):
        """Return {task: state} of a run, the newest first."""
        name = list_runs(self.store)[run]["run"]
        summary = summarise_tasks(read_events(self.store, name))
        return {task: facts["state"] for task, facts in summary.items() if "key" in facts}

    def computed(self, run=0):
        """Return the cacheable tasks that a run computed."""
        return {task for task, state in self.tasks(run).items() if state == "computed"}


@pytest.fixture(scope="session")
def make_project(server):
    """Make a project in a folder, in which nothing has run yet."""
    return lambda folder: Project(folder, server)


@pytest.fixture
def empty_project(tmp_path, make_project):
    """A project in which nothing has run yet."""
    return make_project(tmp_path)


@pytest.fixture(scope="session")
def make_once(make_shared, server):
    """Make a project that no test changes: once, for all processes of the tests."""

    def make(name, fill):
        def fill_folder(folder):
            fill(Project(folder, server))

        return Project(make_shared(name, fill_folder), server)

    return make


@pytest.fixture(scope="session")
def trained_once(make_once):
    """A project that has a champion; tests copy it, and never change it."""
    return make_once("trained", lambda project: project.train(fresh=True))


@pytest.fixture(scope="session")
def refused_once(make_once, trained_once):
    """The same with a better challenger that an impossible floor kept out; to be copied."""

    def train(project):
        copy_artifacts(trained_once, project)
        project.config["candidates"].append(BETTER)
        project.config["gate"]["floor"]["min_accuracy"] = 1.0
        assert project.train()["verdict"]["outcome"] == "keep"

    return make_once("refused", train)


def copy_artifacts(source, project):
    """Give a project all that another one has made; return it."""
    copied = project.folder / "artifacts"
    shutil.copytree(source.folder / "artifacts", copied, symlinks=True)
    return project


@pytest.fixture(scope="session")
def copy_project(server):
    """Copy a project into a folder, and return the copy."""
    return lambda source, folder: copy_artifacts(source, Project(folder, server))


@pytest.fixture
def project(copy_project, trained_once, tmp_path):
    """A copy of a project that has a champion."""
    return copy_project(trained_once, tmp_path)


@pytest.fixture
def digit(project):
    """A picture of a digit as a user has one: large, dark ink on white."""
    from sklearn.datasets import load_digits

    image = 255 - np.kron(load_digits().images[0] * 15, np.ones((12, 12))).astype(np.uint8)
    path = project.folder / "zero.png"
    cv2.imwrite(str(path), image)
    return path
