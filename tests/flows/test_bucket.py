"""Trainings whose arrays, models, results and records lie in a bucket."""

import shutil
from dataclasses import dataclass

import pytest
from conftest import Project

from digitflow.store.artifacts import Store
from digitflow.store.bucket import Bucket
from digitflow.store.runs import list_runs, read_events, summarise_tasks


@dataclass
class Home(Project):
    """A project whose artifacts lie in a bucket, with a folder of its own for copies."""

    bucket: str = ""

    @property
    def store(self):
        return Store(self.folder / "copies", self.bucket)

    def start(self, *arguments, fresh=True, **variables):
        # A forked command's workers come from a process that knows of no bucket.
        return super().start(*arguments, fresh=True, **variables)

    def environment(self, **variables):
        return super().environment(**self.store.variables(), **variables)


def read_outputs(store):
    """Return {task: digests of what it gave} of the newest run."""
    tasks = summarise_tasks(read_events(store, list_runs(store)[0]["run"]))
    return {
        name: [output["digest"] for output in facts["outputs"]]
        for name, facts in tasks.items()
        if "key" in facts
    }


@pytest.fixture
def make_home(server, bucket_url, tmp_path):
    def make(name):
        (tmp_path / name).mkdir()
        return Home(tmp_path / name, server, bucket=bucket_url)

    return make


@pytest.mark.slow
def test_a_bucket_gives_what_a_folder_gives_and_a_second_home_computes_nothing(
    make_home, trained_once, bucket_url
):
    here = make_home("here")
    record = here.train()
    assert record["verdict"]["outcome"] == "bootstrap"
    assert read_outputs(here.store) == read_outputs(trained_once.store)

    there = make_home("there")
    assert there.train()["verdict"]["outcome"] == "bootstrap"
    assert there.computed() == set()
    assert read_outputs(there.store) == read_outputs(here.store)
    runs = [run["run"] for run in list_runs(here.store)]
    assert len(runs) == 2
    assert runs == [run["run"] for run in list_runs(there.store)]

    assert runs[0] in there.run("runs")
    assert "copies on this machine" in there.run("du")
    assert "would free" in there.run("gc", "--keep-runs", "1", "--dry-run")
    assert bucket_url in there.run("doctor")

    # What one home computed and the other found damaged is computed again, and only that.
    bucket = Bucket(bucket_url)
    tasks = summarise_tasks(read_events(here.store, runs[0]))
    outputs = tasks["prepare pca on samples"]["outputs"]
    name = next(output["path"] for output in outputs if "dtype" in output)
    intact = bucket.read(name)
    bucket.write(name, bytes(len(intact)))
    shutil.rmtree(there.folder / "copies" / "arrays")
    there.config["candidates"].append(
        {"name": "logistic-pca", "estimator": "logistic", "recipe": "pca"}
    )
    there.train()
    assert "train logistic-pca" in there.computed()
    assert "train knn-pca" not in there.computed()
    assert bucket.read(name) == intact


def test_a_bucket_that_is_not_there_is_one_sentence(empty_project, s3_variables):
    project = empty_project
    nowhere = {"DIGITFLOW_ARTIFACTS": "s3://nowhere/x"}
    project.run("train", "--config", "config.yaml", code=2, fresh=True, **nowhere)
    assert "there is no such bucket" in project.errors
