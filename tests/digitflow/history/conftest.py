"""A history on SQLite, and the same one on a PostgreSQL server where there is one."""

import importlib.util
import itertools
import os
import pwd
import shutil
import subprocess
from pathlib import Path

import pytest

from digitflow.artifacts import ArrayRef, ModelRef, Store
from digitflow.champions import Champion
from digitflow.evaluation.scoring import TestScore
from digitflow.gates import Contest, Verdict
from digitflow.releases import Golden, Release

ARRAY = ArrayRef(digest="g", path="arrays/g.npy", bytes=9, dtype="uint8", shape=(1, 28, 28))
VARIABLE = "DIGITFLOW_DATABASE_URL"


@pytest.fixture(scope="session")
def postgres():
    """The folder of a PostgreSQL server's socket; skipped where none can be started."""
    programs = [shutil.which("initdb"), *Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    found = [Path(program).resolve().parent for program in programs if program]
    if not found or importlib.util.find_spec("psycopg") is None:
        pytest.skip("PostgreSQL (Debian: postgresql) or psycopg is not installed")
    user = None
    if os.getuid() == 0:  # PostgreSQL refuses to run as root
        try:
            user = pwd.getpwnam("postgres").pw_name
        except KeyError:
            pytest.skip("we are root, and there is no user postgres to run the server")
    # Not in pytest's own folder: that user may not look into it.
    folder = Path(subprocess.check_output(["mktemp", "-d"], user=user, text=True).strip())
    data, log = folder / "data", folder / "log"
    options = f"-k {folder} -c listen_addresses= -c fsync=off"

    def run(program, *arguments):
        command = [found[-1] / program, "-D", data, *arguments]
        subprocess.run(command, check=True, user=user, stdout=subprocess.DEVNULL, cwd="/")

    run("initdb", "-A", "trust", "-U", "digitflow", "-E", "UTF8", "--no-sync")
    run("pg_ctl", "start", "-w", "-l", log, "-o", options)
    yield folder
    run("pg_ctl", "stop", "-m", "immediate")
    shutil.rmtree(folder)


_numbers = itertools.count()


@pytest.fixture
def postgres_url(postgres):
    """A new, empty database of the server."""
    import psycopg

    name = f"history{next(_numbers)}"
    with psycopg.connect(
        host=str(postgres), user="digitflow", dbname="postgres", autocommit=True
    ) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"postgresql://digitflow@/{name}?host={postgres}"


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, tmp_path, monkeypatch):
    """A store whose history is on SQLite, then one whose history is on PostgreSQL."""
    monkeypatch.delenv(VARIABLE, raising=False)
    if request.param == "postgresql":
        monkeypatch.setenv(VARIABLE, request.getfixturevalue("postgres_url"))
    return Store(tmp_path / "artifacts")


@pytest.fixture
def make_champion():
    def make(version, name="digits"):
        model = ModelRef(digest=f"m{version}", path=f"models/m{version}.skops", bytes=10)
        golden = Golden(images=ARRAY, probabilities=ARRAY, libraries={}, machine="any")
        return Champion(
            name=name,
            version=str(version),
            entry=0,
            release=Release(model=model, doubt=None, golden=golden),
            score=TestScore(
                model_digest=model.digest, test_digest="t", n=3, correct=2, interval=(0, 1 / 3)
            ),
            run=f"run-{version}",
            promoted_at="2026-11-21T00:00:00+00:00",
            libraries={"numpy": "2.4"},
        )

    return make


@pytest.fixture
def make_verdict():
    def make(digest, test="t", outcome="keep"):
        score = TestScore(
            model_digest=digest, test_digest=test, n=0, correct=0, interval=(float("nan"),) * 2
        )
        contest = Contest(test_digest=test, n=0, challenger_digest=digest, champion_entry=7)
        return Verdict(
            outcome=outcome,
            reason="it's 100 % so",
            checks=(),
            contest=contest,
            challenger=score,
        )

    return make
