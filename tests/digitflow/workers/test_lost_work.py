"""What is killed: a worker, who waits, the scheduler. Real processes, real signals."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import psutil
import pytest
from real_cluster import TESTS, compute_when_let, open_cluster

from digitflow.errors import CandidateFailed, ClusterError
from digitflow.workers.cluster import ClusterPool
from digitflow.workers.local import WorkerPool

pytestmark = pytest.mark.slow
SECONDS = 60


@pytest.fixture
def cluster(tmp_path):
    # Two deaths of its workers are one too many for a piece of work.
    allowed = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"}
    with open_cluster(tmp_path / "cluster", **allowed) as cluster:
        yield cluster


@pytest.fixture
def shared(tmp_path):
    path = tmp_path / "shared"
    path.write_text("known")
    return path, "known"


@pytest.fixture
def asked(cluster, shared, tmp_path):
    """Work that waits for a file, as a future, and the processes of those that began it."""
    with (
        WorkerPool(1) as here,
        ClusterPool(cluster.address, here, shared) as pool,
        ThreadPoolExecutor(1) as thread,
    ):
        future = thread.submit(partial(pool.run, compute_when_let, tmp_path))
        try:
            yield future
        finally:
            (tmp_path / "go").touch()


def wait_for(condition):
    """Return what a condition gives, once it is something."""
    deadline = time.monotonic() + SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def wait_for_child(folder, number):
    """Return (child, worker) of the latest of so many that have begun."""
    wait_for(lambda: len(list(folder.glob("began-*"))) == number)
    latest = max(folder.glob("began-*"), key=lambda path: path.stat().st_mtime_ns)
    return [psutil.Process(int(pid)) for pid in latest.name.split("-")[1:]]


def test_work_of_a_killed_worker_begins_again_on_another_once(asked, tmp_path):
    child, worker = wait_for_child(tmp_path, 1)
    worker.kill()
    _, other = wait_for_child(tmp_path, 2)
    assert other != worker
    child.wait(SECONDS)
    (tmp_path / "go").touch()
    assert asked.result(SECONDS) == 42
    assert len(list(tmp_path.glob("began-*"))) == 2


def test_work_whose_workers_die_again_and_again_fails(asked, cluster, tmp_path):
    for number in (1, 2):
        wait_for_child(tmp_path, number)[1].kill()
    with pytest.raises(CandidateFailed, match=r"workers that computed it died, 2 one after"):
        asked.result(SECONDS)


def test_a_cluster_whose_scheduler_ends_is_said_and_nothing_of_it_is_left(
    asked, cluster, tmp_path
):
    child, _ = wait_for_child(tmp_path, 1)
    cluster.scheduler.kill()
    with pytest.raises(ClusterError, match=r"is gone .* the same command goes on from there"):
        asked.result(SECONDS)
    child.wait(SECONDS)
    for process in cluster.workers.values():
        process.wait(SECONDS)


CLIENT = """
import sys
from pathlib import Path
from digitflow.workers.cluster import ClusterPool
from digitflow.workers.local import WorkerPool
from real_cluster import compute_when_let

address, folder = sys.argv[1], Path(sys.argv[2])
with WorkerPool(1) as here, ClusterPool(address, here, (folder / "shared", "known")) as pool:
    pool.run(compute_when_let, folder)
"""


@pytest.mark.parametrize("ending", ["kill", "terminate"])
def test_work_that_nobody_waits_for_any_more_is_ended(cluster, shared, tmp_path, ending):
    client = subprocess.Popen(
        [sys.executable, "-c", CLIENT, cluster.address, str(tmp_path)],
        env=os.environ | TESTS,
    )
    child, worker = wait_for_child(tmp_path, 1)
    getattr(client, ending)()
    client.wait(SECONDS)
    child.wait(SECONDS)
    assert worker.is_running()
    assert all(process.poll() is None for process in cluster.workers.values())
