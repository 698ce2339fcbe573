"""The cluster's pool, on a real scheduler and two real workers."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import dask
import pytest
from real_cluster import open_cluster

from digitflow.errors import CandidateFailed, ClusterError, InputError
from digitflow.project.code import Code, trace_code
from digitflow.workers.address import check_address
from digitflow.workers.child import call_with_share, tell_parent
from digitflow.workers.cluster import ClusterPool
from digitflow.workers.local import WorkerPool


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with open_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    path = tmp_path_factory.mktemp("shared") / "text"
    path.write_text("known")
    return path, "known"


@pytest.fixture(scope="module")
def pool(cluster, shared):
    with WorkerPool(1) as here, ClusterPool(cluster.address, here, shared) as pool:
        yield pool


def test_work_runs_in_a_child_of_a_worker(pool, cluster):
    parents = {worker.pid for worker in cluster.workers.values()}
    assert pool.run(os.getppid) in parents
    assert pool.run(divmod, 7, 3) == (2, 1)
    assert pool.here.run(os.getppid) == os.getpid()
    assert [pool.take_host(), pool.take_host()] == [os.uname().nodename, None]


def _tell_threads(number, threads):
    return number, threads


def test_work_has_the_share_of_threads_of_its_worker(pool):
    assert pool.run(call_with_share, _tell_threads, 7) == (7, 1)


def test_an_error_of_the_work_is_raised_where_it_was_asked_for(pool):
    with pytest.raises(ValueError, match="invalid literal") as caught:
        pool.run(int, "five")
    assert "Traceback" in caught.value.__notes__[0]
    assert pool.run(abs, -1) == 1


def _speak(words):
    for word in words:
        tell_parent(word)
    return len(words)


def test_what_work_says_is_heard(pool):
    heard = []
    assert pool.run(_speak, ["epoch 1", "epoch 2"], hear=heard.append) == 2
    assert heard == ["epoch 1", "epoch 2"]


def test_work_over_its_time_and_a_child_that_dies_fail_and_the_worker_lives_on(pool):
    with pytest.raises(CandidateFailed, match=r"did nothing for its limit of 0.3 s"):
        pool.run(time.sleep, 60, time_limit=0.3)
    with pytest.raises(CandidateFailed, match="died"):
        pool.run(os._exit, 1)
    assert pool.run(abs, -1) == 1


class _Unpicklable:
    def __reduce__(self):
        return _refuse, ()


def _refuse():
    raise RuntimeError("not here")


def test_what_cannot_be_opened_is_an_error_and_no_dead_worker(pool, cluster):
    with pytest.raises(ClusterError, match=r"can't open .*RuntimeError: not here"):
        pool.run(print, _Unpicklable())
    with pytest.raises(InputError, match="can't travel"):
        pool.run(lambda: 1)
    assert all(worker.poll() is None for worker in cluster.workers.values())
    assert pool.run(abs, -1) == 1


def test_a_worker_with_other_code_refuses_and_names_it(pool):
    code = trace_code(("digitflow.models.fitting",))
    assert pool.run(abs, -1, code=lambda: code) == 1
    modules = code.modules | {"digitflow.models.fitting": "0" * 64}
    with pytest.raises(
        ClusterError,
        match=r"worker-\d.*digitflow.models.fitting \(expected 000000000000, came \w{12}\)",
    ):
        pool.run(abs, -1, code=lambda: Code(modules, code.libraries))
    libraries = code.libraries | {"scikit-learn": "0.1"}
    with pytest.raises(ClusterError, match=r"scikit-learn \(expected 0.1, came 1"):
        pool.run(abs, -1, code=lambda: Code(code.modules, libraries))


def _meet(folder, number):
    """Wait, but not for ever, until another one has come."""
    (folder / f"came-{number}").touch()
    for _ in range(3000):
        if len(list(folder.glob("came-*"))) >= 2:
            return os.getpid()
        time.sleep(0.02)
    return None


def test_as_many_run_at_once_as_the_cluster_has_slots(pool, tmp_path):
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(partial(pool.run, _meet, tmp_path), range(2)))
    assert None not in found
    assert len(set(found)) == 2


def test_another_folder_and_no_scheduler_are_said_at_once(cluster, tmp_path):
    with WorkerPool(1) as here:
        with pytest.raises(ClusterError, match=r"mount the same folder at the same path"):
            ClusterPool(cluster.address, here, (tmp_path / "nothing", "known"))
        with pytest.raises(ClusterError, match=r"no scheduler answers at tcp://127.0.0.1:1"):
            ClusterPool("tcp://127.0.0.1:1", here, (tmp_path, ""))


def test_a_worker_that_does_not_answer_holds_nobody_up(cluster, shared, monkeypatch):
    monkeypatch.setattr("digitflow.workers.cluster.ANSWER_SECONDS", 1.0)
    stopped = cluster.workers["worker-0"]
    stopped.send_signal(signal.SIGSTOP)
    try:
        with (
            WorkerPool(1) as here,
            pytest.raises(ClusterError, match=r"a worker doesn't answer within 1 s"),
        ):
            ClusterPool(cluster.address, here, shared)
    finally:
        stopped.send_signal(signal.SIGCONT)


@pytest.mark.parametrize(("file", "why"), [(None, "none is named"), ("no.pem", "No such file")])
def test_an_encrypted_address_needs_a_certificate(file, why):
    tls = dict.fromkeys(("ca-file", "client.cert", "client.key"), file)
    settings = {f"distributed.comm.tls.{name}": value for name, value in tls.items()}
    with (
        dask.config.set(settings),
        WorkerPool(1) as here,
        pytest.raises(InputError, match=rf"needs a certificate .*{why}"),
    ):
        ClusterPool("tls://127.0.0.1:1", here, None)


def test_an_open_scheduler_beyond_this_machine_is_refused():
    for address in ("tcp://127.0.0.1:8786", "tcp://localhost:1", "tcp://[::1]:1", "tls://h:1"):
        assert check_address(address) == address
    for address in ("tcp://10.0.0.5:8786", "tcp://head:8786", "tcp://0.0.0.0:8786"):
        with pytest.raises(InputError, match=r"refused .*tls://"):
            check_address(address)
    for address in ("127.0.0.1:8786", "http://127.0.0.1:1", "tcp://127.0.0.1", "tcp://h:x"):
        with pytest.raises(InputError, match="is like tcp"):
            check_address(address)
