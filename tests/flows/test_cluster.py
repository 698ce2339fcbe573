"""A training whose computations go to a real cluster, and what is killed meanwhile."""

import os
import time
from random import Random

import psutil
import pytest
from real_cluster import open_cluster
from real_service import BETTER, wait_for

from digitflow.registry.champion import read_champion
from digitflow.registry.listing import list_history
from digitflow.store.runs import list_runs, read_events

pytestmark = pytest.mark.slow
MY_MODELS = """
from my_sizes import LEAVES
from sklearn.ensemble import RandomForestClassifier

def build(params, seed, threads):
    return RandomForestClassifier(20, max_leaf_nodes=LEAVES, random_state=seed)
"""
MINE = {"name": "mine", "estimator": "my_models:build", "recipe": "scaled"}
NO_TIME = {"name": "no-time", "estimator": "mlp", "recipe": "pixels", "time_limit": 0.05}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with open_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


def list_outputs(project):
    """Return {(task, name): digest} of all that the newest run's tasks put out."""
    events = read_events(project.store, list_runs(project.store)[0]["run"])
    return {
        (event["task"], output["name"]): output["digest"]
        for event in events
        for output in event.get("outputs", ())
    }


def count_fits(project):
    """Return how often a task of the newest run began in a process."""
    events = read_events(project.store, list_runs(project.store)[0]["run"])
    return sum(event["event"] == "started" for event in events)


def test_all_that_tasks_put_out_is_equal_to_what_a_local_run_makes(
    cluster, project, make_project, tmp_path
):
    (tmp_path / "there").mkdir()
    distributed = make_project(tmp_path / "there")
    for each in (project, distributed):
        (each.folder / "my_models.py").write_text(MY_MODELS)
        (each.folder / "my_sizes.py").write_text("LEAVES = 90")
        each.config["candidates"] += [MINE, NO_TIME]
    distributed.config["training"] = {"cluster": cluster.address}
    local, remote = project.train(), distributed.train()
    here, there = list_outputs(project), list_outputs(distributed)
    # The local one had a champion already, to compare with.
    assert {name: here[name] for name in there} == there
    assert len(there) > 40
    errors = {row["candidate"]["name"]: row["error"] for row in remote["leaderboard"]}
    assert "limit of 0.05 s" in errors.pop("no-time")
    assert set(errors.values()) == {None}
    assert local["winner"] == remote["winner"]

    events = read_events(distributed.store, remote["run"])
    hosts = {e["task"]: e.get("host") for e in events if e["event"] == "computed"}
    assert hosts["train mine"] == os.uname().nodename
    # What measures the machine is done by the run's own; what writes to a database, too.
    assert hosts["measure costs"] is hosts["register"] is None
    assert f" s on {os.uname().nodename}" in distributed.run("why", "latest")


def test_a_run_whose_scheduler_ends_fails_and_goes_on_with_the_same_command(project, tmp_path):
    with open_cluster(tmp_path / "cluster", workers=1) as cluster:
        project.config["training"] = {"cluster": cluster.address}
        project.config["candidates"].append(BETTER)
        process = project.start("train", "--config", "config.yaml")
        wait_for(lambda: began(project, "train svm-strokes"), seconds=180)
        cluster.scheduler.kill()
        cluster.scheduler.wait()
        errors = process.communicate(timeout=120)[1]
        assert process.returncode == 1, errors
        assert f"the cluster at {cluster.address} is gone" in errors.splitlines()[-1]
        assert list_runs(project.store)[0]["status"] == "failed"

        project.run("train", "--config", "config.yaml", code=1)
        assert f"no scheduler answers at {cluster.address}" in project.errors
        for worker in cluster.workers.values():
            worker.wait(60)
        cluster.start_scheduler()
        cluster.start_worker("again", "--no-nanny")
        record = project.train()
        assert record["champion"]["score"]["value"] > 0.98
        assert "prepare strokes on samples" not in project.computed()
        assert "train svm-strokes" in project.computed()


KILLS = int(os.environ.get("DIGITFLOW_SOAK_KILLS", "10"))
SEED = int(os.environ.get("DIGITFLOW_SOAK_SEED", "0"))
# From the beginning of a run's first computation; most of them end within.
LATEST_SECONDS = 12.0


@pytest.mark.soak
@pytest.mark.parametrize("victim", ["worker", "scheduler", "client"])
def test_whatever_is_killed_the_run_ends_well_or_goes_on(empty_project, tmp_path, victim):
    """Seeds of the environment: DIGITFLOW_SOAK_SEED; kills of each: DIGITFLOW_SOAK_KILLS."""
    project, random = empty_project, Random(f"{SEED} {victim}")
    project.config["candidates"].append(BETTER)
    project.config["gate"]["accept_new_test"] = True  # another seed splits otherwise
    seen = set()
    with open_cluster(tmp_path / "cluster") as cluster:
        project.config["training"] = {"cluster": cluster.address}
        for number in range(KILLS):
            project.config["seed"] = number
            known = len(list_runs(project.store))
            process = project.start("train", "--config", "config.yaml")
            wait_for(lambda: len(list_runs(project.store)) > known, seconds=180)  # noqa: B023
            time.sleep(random.uniform(0, LATEST_SECONDS))
            seen |= list_children(cluster)
            kill(victim, cluster, process, random)
            _, errors = process.communicate(timeout=300)
            mend(cluster, number)
            if process.returncode:
                assert victim == "client" or "is gone" in errors, errors
                assert victim != "worker", errors
            record = project.train()
            assert record["status"] == "completed"
            check_history(project)
        seen |= list_children(cluster)
    assert record["champion"]["score"]["value"] > 0.98
    left = psutil.wait_procs(seen, timeout=60)[1]
    assert left == []


def list_children(cluster):
    """Return the processes that the workers, those alive, have started."""
    alive = [worker.pid for worker in cluster.workers.values() if worker.poll() is None]
    return {child for pid in alive for child in psutil.Process(pid).children(recursive=True)}


def kill(victim, cluster, process, random):
    """Kill -9 the run's process, the scheduler or one of the workers."""
    workers = [worker for worker in cluster.workers.values() if worker.poll() is None]
    victims = {"client": process, "scheduler": cluster.scheduler}
    victims.get(victim, random.choice(workers)).kill()


def mend(cluster, number):
    """Start again what of the cluster is gone; workers end with their scheduler."""
    if cluster.scheduler.poll() is not None:
        for worker in cluster.workers.values():
            worker.wait(60)
        cluster.start_scheduler()
    alive = sum(worker.poll() is None for worker in cluster.workers.values())
    for missing in range(2 - alive):
        cluster.start_worker(f"after-{number}-{missing}", "--no-nanny")


def check_history(project):
    """Every entry follows the one before, and the champion is the last one's."""
    entries = list_history(project.store, project.config["model"])
    assert [entry.predecessor for entry in entries] == [*(e.id for e in entries[1:]), 0]
    champion = read_champion(project.store, project.config["model"])
    assert champion.version == entries[0].version


def began(project, task):
    """Tell whether a task of the newest run has begun."""
    events = read_events(project.store, list_runs(project.store)[0]["run"])
    return any((e["event"], e["task"]) == ("started", task) for e in events)
