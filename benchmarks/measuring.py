"""What the benchmarks share: where MNIST is, what was trained on it, a ratio's line."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import yaml

from digitflow.config.reading import load_config
from digitflow.models.estimators.blend import Blend
from digitflow.service.environment import is_answering, prefect_environment, read_state
from digitflow.store.artifacts import Store
from digitflow.store.runs import list_runs

REPOSITORY = Path(__file__).resolve().parent.parent
DATA = REPOSITORY.parent / "shared" / "data"
MNIST_PLACES = (DATA / "mnist",)
MNIST_CONFIG = REPOSITORY / "configs" / "mnist.yaml"
COMMAND = Path(sys.executable).with_name("digitflow")
SERVER_SECONDS = 120


def find_mnist():
    """Return the folder of MNIST's IDX files; None, and say so, where there is none."""
    named = os.environ.get("DIGITFLOW_MNIST_DIR")
    places = (Path(named), *MNIST_PLACES) if named else MNIST_PLACES
    found = next((place for place in places if list(place.glob("train-images*"))), None)
    if found is None:
        print("skipped: no IDX files of MNIST here; name their folder in DIGITFLOW_MNIST_DIR")
    return found


def find_housing():
    """Return the CSV of California's districts; None, and say so, where there is none."""
    named = os.environ.get("DIGITFLOW_HOUSING_FILE")
    file = Path(named) if named else DATA / "housing" / "housing.csv"
    if file.is_file():
        return file
    print("skipped: no districts here; name their CSV in DIGITFLOW_HOUSING_FILE")
    return None


@contextmanager
def run_server(store):
    """Start a Prefect server of its own; yield the environment to train against it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store.check_writable()
    environment = os.environ | prefect_environment(store, os.environ)
    command = ["-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with (store.root / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, *command], env=environment, stdout=log, stderr=log
        )
    url = f"http://127.0.0.1:{port}/api"
    try:
        deadline = time.monotonic() + SERVER_SECONDS
        while not is_answering(url):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((store.root / "server.log").read_text()[-2000:])
            time.sleep(0.2)
        yield environment | {"PREFECT_API_URL": url}
    finally:
        process.terminate()
        process.wait()


@contextmanager
def open_training(artifacts=None):
    """Yield a store in which configs/mnist.yaml was trained, and the record of that run.

    Where no folder of artifacts is named, it is trained in one that goes again.
    """
    if artifacts is not None:
        store, model = Store(Path(artifacts)), load_config(MNIST_CONFIG).model
        yield store, next(run for run in list_runs(store, "train") if run["model"] == model)
        return
    with tempfile.TemporaryDirectory() as work:
        store = Store(Path(work) / "artifacts")
        with run_server(store) as environment:
            done = subprocess.run(
                [COMMAND, "train", "--config", str(MNIST_CONFIG), "--json"],
                env=environment,
                cwd=REPOSITORY,
                check=True,
                stdout=subprocess.PIPE,
            )
        yield store, json.loads(done.stdout)


def blend_pipelines(pipelines):
    """Return what averages the logarithms of the probabilities of pipelines over images."""
    side = 28
    return Blend(pipelines, [(0, side, "uint8")] * len(pipelines)).fit()


@contextmanager
def run_service(folder, config):
    """Run the service of `make up` in a folder, its deployments on `config`; yield its API."""
    shutil.copy(REPOSITORY / "prefect.yaml", folder / "prefect.yaml")
    (folder / "configs").mkdir()
    (folder / "configs" / "digits.yaml").write_text(yaml.safe_dump(config))
    store = Store(folder / "artifacts")
    environment = os.environ | {"DIGITFLOW_ARTIFACTS": str(store.root)}

    def run(*arguments):
        subprocess.run([COMMAND, *arguments], env=environment, cwd=REPOSITORY, check=True)

    run("up", "--project", str(folder))
    try:
        yield read_state(store).api_url
    finally:
        run("down")


def report_ratio(name, ours, theirs, limit):
    """Print a ratio with its limit; return whether it is missed."""
    ratio = ours / theirs
    word = "ok" if ratio <= limit else "MISSED"
    print(f"{name}: {ours:.4g} / {theirs:.4g} = {ratio:.2f} x (at most {limit} x) {word}")
    return ratio > limit
