"""A project with a champion, and what it takes to judge and promote another."""

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from digitflow.data.sets import LabelledImages, store_set
from digitflow.errors import ChampionMoved
from digitflow.evaluation.evidence import TestScore
from digitflow.features.recipes.pixels import FlattenImages
from digitflow.gate.verdict import Comparison, Verdict
from digitflow.models.bundle import ModelBundle, Signature
from digitflow.models.golden import record_golden
from digitflow.models.persistence import dump_model
from digitflow.registry import history, listing, mlflow, mlflow_client, promotion
from digitflow.registry.champion import read_champion
from digitflow.registry.versions import TrainingFacts
from digitflow.store.artifacts import Store

N = 1000
MOVED = 3


def _draw_digits():
    images = np.random.default_rng(0).integers(0, 256, (20, 28, 28), np.uint8)
    return images, np.repeat(np.arange(10, dtype=np.uint8), 2)


@dataclass(frozen=True)
class Project:
    """A store, and bundles that differ by the strength of their regularisation."""

    store: Store
    model: str = "digits"

    def make_images(self):
        return store_set(self.store, LabelledImages(*_draw_digits()))

    def make_bundle(self, strength):
        images, labels = _draw_digits()
        fitted = Pipeline(
            [("pixels", FlattenImages()), ("fit", LogisticRegression(C=strength))]
        )
        model = dump_model(fitted.fit(images, labels), self.store)
        golden = record_golden(self.store, model, self.make_images(), count=10)
        return ModelBundle(model=model, reject_option=None, golden=golden)

    def make_score(self, digest, correct=960, test="test"):
        return TestScore(
            model_digest=digest,
            test_digest=test,
            metric="accuracy",
            value=correct / N,
            n=N,
            interval=(0.9, 0.99),
        )

    def judge(self, bundle, champion, outcome=None, test="test"):
        """Say that a bundle is better than a champion, or what else is to be said."""
        digest = bundle.model.digest
        known = {} if champion is None else {
            "champion_digest": champion.model.digest,
            "champion_version": champion.version,
            "champion_entry": champion.entry,
        }  # fmt: skip
        return Verdict(
            outcome=outcome or ("bootstrap" if champion is None else "promote"),
            reason="a test says so",
            checks=(),
            comparison=Comparison(test_digest=test, n=N, challenger_digest=digest, **known),
            challenger=self.make_score(digest, test=test),
            champion=None if champion is None else champion.score,
        )

    def make_facts(self, run, **changed):
        values = {
            "run": run,
            "config": "model: digits\nseed: 42\n",
            "seed": 42,
            "data": {"train": "aa", "test": "bb"},
            "code": "cc",
            "libraries": {"numpy": np.__version__},
            "metrics": {"validation_accuracy": 0.97, "validation_log_loss": float("nan")},
            "signature": Signature(
                inputs=("uint8", (-1, 28, 28)),
                outputs=("float64", (-1, 10)),
                method="predict_proba",
            ),
            "test": self.make_images(),
        }
        return TrainingFacts(**values | changed)

    def register(self, strength, champion, outcome=None):
        """Register a challenger of that strength; return its version and its verdict."""
        bundle = self.make_bundle(strength)
        verdict = self.judge(bundle, champion, outcome)
        facts = self.make_facts(f"run-{strength}")
        return promotion.register(self.store, self.model, bundle, verdict, facts), verdict

    def promote(self, strength, champion, why=""):
        version, verdict = self.register(strength, champion)
        return promotion.promote(self.store, self.model, version, verdict, why)

    def champion(self):
        return read_champion(self.store, self.model)

    def predicting(self):
        """Return whom those who only predict find."""
        return history.find_champion(self.store, self.model)

    def mirrored(self):
        """Return MLflow's aliases."""
        with mlflow_client.open_client(self.store) as client:
            return mlflow.list_aliases(client, self.model)

    def versions(self):
        """Return {version: aliases}."""
        found = listing.list_versions(self.store, self.model)
        return {version.version: version.aliases for version in found}

    def chain(self):
        """Return the versions that were champion, the first one first."""
        entries = listing.list_history(self.store, self.model)[::-1]
        links = [entry.predecessor for entry in entries]
        assert links == [0, *(entry.id for entry in entries)][:-1]
        return [entry.version for entry in entries]


@pytest.fixture(autouse=True)
def no_server(monkeypatch):
    for name in ("MLFLOW_TRACKING_URI", "DIGITFLOW_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def first_project(make_shared):
    """A project with version 1 as its champion; only read."""

    def fill(folder):
        Project(Store(folder / "artifacts")).promote(1, None)

    return Project(Store(make_shared("registry", fill) / "artifacts"))


@pytest.fixture
def project(first_project, tmp_path):
    """A copy of the first project: its files have other inodes and another place."""
    shutil.copytree(first_project.store.root, tmp_path / "copy" / "artifacts")
    return Project(Store(tmp_path / "copy" / "artifacts"))


@pytest.fixture
def empty_project(tmp_path):
    return Project(Store(tmp_path / "artifacts"))


@pytest.fixture
def run_python():
    def run_python(code, *arguments):
        command = [sys.executable, "-c", code, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return run_python


@pytest.fixture
def fork():
    """Start a process that does something; it shares what is imported, nothing opened."""
    started = []

    def fork(action):
        pid = os.fork()
        if pid:
            started.append(pid)
            return pid
        code = 1
        try:
            action()
            code = 0
        except ChampionMoved:
            code = MOVED
        except BaseException as exc:
            sys.stderr.write(f"{type(exc).__name__}: {exc}\n")
        finally:
            os._exit(code)

    yield fork
    for pid in started:
        try:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass  # it has ended and was waited for


@pytest.fixture
def wait_for():
    return lambda pid: os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
