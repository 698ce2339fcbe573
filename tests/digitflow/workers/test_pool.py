import pytest

from digitflow.config.training import TrainingBudget
from digitflow.errors import ClusterError
from digitflow.workers.local import WorkerPool
from digitflow.workers.pool import find_cluster, open_workers

VARIABLE = "DIGITFLOW_CLUSTER"


def test_the_environment_comes_before_the_config():
    budget = TrainingBudget(cluster="tcp://127.0.0.1:1")
    assert find_cluster(budget, {}) == "tcp://127.0.0.1:1"
    assert find_cluster(budget, {VARIABLE: ""}) == "tcp://127.0.0.1:1"
    assert find_cluster(budget, {VARIABLE: "tcp://127.0.0.1:2"}) == "tcp://127.0.0.1:2"
    assert find_cluster(TrainingBudget(), {}) is None


def test_without_a_cluster_this_machine_computes(store, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    with open_workers(store, TrainingBudget(parallel=2, threads=6)) as pool:
        assert isinstance(pool, WorkerPool)
        assert pool.threads_each == 3
        assert pool.here is pool


def test_a_cluster_that_does_not_answer_is_an_error_and_leaves_nothing(store, monkeypatch):
    monkeypatch.setenv(VARIABLE, "tcp://127.0.0.1:1")
    with (
        pytest.raises(ClusterError, match="no scheduler answers"),
        open_workers(store, TrainingBudget()),
    ):
        pass
    assert list((store.root / "tmp").iterdir()) == []
