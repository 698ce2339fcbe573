"""Champions to serve, and a real server that is asked over HTTP."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline

from digitflow.data.sets import store_set
from digitflow.features.preparing import build_steps
from digitflow.models.golden import record_golden
from digitflow.models.persistence import dump_model
from digitflow.store.artifacts import ARTIFACTS_VARIABLE, Store

COMMAND = Path(sys.executable).with_name("digitflow")
MODEL = "digits-sample"
PATIENCE_SECONDS = 120
FITTED = 1000


@pytest.fixture(scope="session")
def fitted(handwriting):
    """Two pipelines that read digits, the second one with less to learn from."""

    def fit(count):
        steps = build_steps("pixels", 0)
        pipeline = Pipeline([*steps, ("classifier", KNeighborsClassifier(3))])
        return pipeline.fit(handwriting.images[:count], handwriting.labels[:count])

    return fit(FITTED), fit(FITTED // 2)


@pytest.fixture(scope="session")
def crown_digits(fitted, handwriting, crown_model):
    """Make a pipeline champion of a store: crown_digits(store, version)."""

    def crown(store, version, name=MODEL):
        ref = dump_model(fitted[(int(version) - 1) % 2], store)
        images = store_set(store, handwriting.take(np.arange(100)))
        golden = record_golden(store, ref, images, 10)
        return crown_model(store, name, ref, golden, version)

    return crown


@pytest.fixture(scope="session")
def unseen(handwriting, fitted):
    """Images that no model was trained on, uint8 (n, 28, 28), and what the first reads."""
    images = handwriting.images[FITTED:]
    return images, fitted[0].predict(images).tolist()


def encode(picture):
    """Return a picture's PNG."""
    return cv2.imencode(".png", picture)[1].tobytes()


@pytest.fixture(scope="session")
def png():
    return encode


class Server:
    """`digitflow serve` as a process, and what asks it.

    Attributes
    ----------
    process : subprocess.Popen
    port : int
    """

    def __init__(self, root, *options, environ=None):
        self.environ = os.environ | {ARTIFACTS_VARIABLE: str(root)} | (environ or {})
        self.process = subprocess.Popen(
            [COMMAND, "serve", "--port", "0", *options],
            env=self.environ,
            cwd=Path(root).parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        said = self.process.stdout.readline()
        self.port = int(said.split(";")[0].rpartition(":")[2])

    def ask(self, method, path, body=None, **headers):
        """Return the status and the body of an answer, parsed where it is JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        is_json = answer.headers.get_content_type() == "application/json"
        return answer.status, json.loads(content) if is_json and content else content.decode()

    def post(self, path, body, **headers):
        return self.ask("POST", path, body, **headers)

    def post_json(self, path, value):
        return self.post(path, json.dumps(value), content_type="application/json")

    def wait_until(self, is_so):
        """Wait until what /ready says is so; return it."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_so(found := self.ask("GET", "/ready")):
            assert time.monotonic() < deadline, found
            time.sleep(0.05)
        return found

    def wait(self):
        self.wait_until(lambda found: found[0] == 200)
        return self

    def count(self, name):
        """Return the sum of a metric."""
        lines = self.ask("GET", "/metrics")[1].splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

    def end(self, number=signal.SIGTERM):
        """Tell it to end; return its exit code and what it said on standard error."""
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=60)
        return self.process.returncode, said


@pytest.fixture(scope="session")
def start_server():
    """Start servers that are ended after the last test: start_server(root, *options)."""
    started = []

    def start(root, *options, **named):
        started.append(Server(root, *options, **named))
        return started[-1]

    yield start
    for server in started:
        if server.process.poll() is None:
            server.process.kill()
        server.process.communicate()


@pytest.fixture(scope="module")
def served_store(tmp_path_factory, crown_digits):
    """A store with a champion of digits."""
    store = Store(tmp_path_factory.mktemp("served") / "artifacts")
    crown_digits(store, "1")
    return store


@pytest.fixture(scope="module")
def server(served_store, start_server):
    """A server of that champion, for all tests of a file."""
    return start_server(served_store.root).wait()
