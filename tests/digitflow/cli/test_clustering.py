"""`digitflow worker` as a process on a real scheduler, and what the doctor says of it."""

import os
import signal

import pytest
from real_cluster import open_cluster

from digitflow.cli.clustering import check_cluster, choose_host, list_options, list_variables
from digitflow.errors import CandidateFailed, ClusterError, InputError
from digitflow.workers.child import call_with_share
from digitflow.workers.cluster import ClusterPool
from digitflow.workers.local import WorkerPool

CLUSTER = "DIGITFLOW_CLUSTER"
SECONDS = 60


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with open_cluster(tmp_path_factory.mktemp("cluster"), workers=0) as cluster:
        yield cluster


def _tell_threads(threads):
    return threads, os.environ["OMP_NUM_THREADS"]


def _take_memory(megabytes):
    taken = b"1" * (megabytes << 20)
    signal.sigtimedwait([signal.SIGUSR1], SECONDS)
    return len(taken)


def test_a_worker_of_ours_computes_within_its_limits_until_it_is_told_to_end(
    cluster, monkeypatch, tmp_path
):
    monkeypatch.setenv(CLUSTER, cluster.address)
    (empty,) = check_cluster()
    assert empty["level"] == "error"
    assert "workers: 0" in empty["found"]

    # As a shell's: what is started in the background of a script ignores it.
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    options = ("--threads", "6", "--parallel", "2", "--memory-gb", "0.5")
    worker = cluster.start_ours("ours", *options)
    signal.signal(signal.SIGINT, previous)
    counted, described = check_cluster()
    assert (counted["level"], described["level"]) == ("ok", "ok")
    assert "slots: 2" in counted["found"]
    assert "worker ours on " in described["found"]
    assert "digitflow 0" in described["found"]

    with WorkerPool(1) as here, ClusterPool(cluster.address, here, None) as pool:
        assert pool.run(call_with_share, _tell_threads) == (3, "3")
        with pytest.raises(CandidateFailed, match=r"more than the 512.0 MB of memory"):
            pool.run(_take_memory, 900)
    worker.send_signal(signal.SIGINT)
    assert worker.wait(SECONDS) in (0, 130)


def test_a_worker_that_may_have_no_children_is_told_from_one_that_may(cluster, monkeypatch):
    monkeypatch.setenv(CLUSTER, cluster.address)
    cluster.start_worker("daemon", "--nanny")
    found = list(check_cluster())
    assert found[-1]["level"] == "error"
    assert "start it by `digitflow worker`, by `dask worker --no-nanny`" in found[-1]["found"]
    with WorkerPool(1) as here, pytest.raises(ClusterError, match="may have no children"):
        ClusterPool(cluster.address, here, None)


def test_what_does_not_answer_or_is_not_safe_is_an_error(monkeypatch):
    monkeypatch.delenv(CLUSTER, raising=False)
    assert list(check_cluster()) == []
    monkeypatch.setenv(CLUSTER, "tcp://10.0.0.9:8786")
    (found,) = check_cluster()
    assert found["level"] == "error"
    assert "run programs on all of its machines" in found["found"]


def test_a_worker_listens_on_the_loopback_unless_it_is_encrypted():
    assert choose_host("tcp://127.0.0.1:1", None) == "127.0.0.1"
    assert choose_host("tls://127.0.0.1:1", None) == "127.0.0.1"
    assert choose_host("tls://head:8786", "10.0.0.7") == "10.0.0.7"
    with pytest.raises(InputError, match=r"--host 10"):
        choose_host("tls://head:8786", None)
    with pytest.raises(InputError, match=r"refused tcp://10.0.0.7:1: .*tls://"):
        choose_host("tcp://127.0.0.1:8786", "10.0.0.7")


def test_dask_is_told_to_hold_nothing_and_to_start_no_nanny():
    options = list_options("tcp://127.0.0.1:1", 2, "a", "127.0.0.1")
    assert {"--no-nanny", "--memory-limit=0", "--nthreads=2", "--name=a"} < set(options)
    assert list_variables(4, 1.5, debug=False) == {
        "DIGITFLOW_WORKER_THREADS": "4",
        "DIGITFLOW_WORKER_MEMORY": str(3 << 29),
        "DASK_LOGGING__DISTRIBUTED": "warning",
    }
