"""What a task is given by its run, and what is noted of it; its arguments: wired.py."""

import inspect
import sys

import numpy as np
import pytest

from digitflow.data.sets import LabelledImages, Splits, store_set
from digitflow.errors import DamagedArtifact
from digitflow.models.building import EstimatorChoice, RecipeChoice
from digitflow.store.artifacts import Store
from digitflow.store.runs import RunLog
from tasks import digits, judging, publishing, studies, tables, training
from tasks.wiring import (
    GIVEN,
    RunContext,
    cached_task,
    named,
    plain_task,
    run_context,
    take_place,
)

MODULES = (digits, judging, publishing, studies, tables, training)
TASKS = {
    f"{module.__name__}.{name}": value
    for module in MODULES
    for name, value in vars(module).items()
    if hasattr(value, "cache_policy")
}


class Workers:
    """Runs what it is given here, tells that it is halfway, and remembers the time limits."""

    threads_each = 3

    def __init__(self):
        self.limits, self.places = [], []

    @property
    def here(self):
        return self

    def run(self, function, time_limit=None, place=0, hear=None, code=None):
        hear("halfway")
        self.limits.append(time_limit)
        self.places.append(place)
        return function()

    def seconds_waited(self):
        return 0.0

    def take_host(self):
        return "another"


@pytest.fixture
def run(store):
    with run_context(RunContext(store, RunLog(store, "a-run"), Workers())) as context:
        yield context


def _count(store, images, threads=1):
    return store.open_array(images).size * threads


def _name(log, word):
    return f"{log.run} {word}"


def _double(value):
    return 2 * value


def test_store_threads_and_log_are_given_by_the_run(run):
    images = run.store.put_array(np.arange(4))
    assert cached_task(_count, run_name="count").fn(images) == 12
    # In a process of a pool it would be given that one's share; here is none.
    assert cached_task(_count, run_name="count", in_process=True).fn(images=images) == 4
    assert plain_task(_name, run_name="name").fn("says") == "a-run says"
    assert plain_task(_double, run_name="double").fn(4) == 8


class Cluster(Workers):
    """A pool that has another one on this machine."""

    here = Workers()


def test_what_moves_bytes_goes_where_they_lie(run, bucket_url, tmp_path):
    task = cached_task(_count, run_name="count", near_data=True)
    far = Store(tmp_path / "far", bucket_url)
    for store, workers, sent in (
        (run.store, Cluster(), 0),
        (far, Workers(), 0),
        (far, Cluster(), 1),
    ):
        images = store.put_array(np.arange(4))
        with run_context(RunContext(store, RunLog(store, "b-run"), workers)):
            assert task.fn(images) in (4, 12)
        assert len(workers.limits) == sent


def test_how_far_work_in_a_process_is_is_noted(run):
    images = run.store.put_array(np.arange(4))
    cached_task(_count, run_name="count", in_process=True).fn(images)
    (told,) = (event for event in run.log.events if event["event"] == "progress")
    assert (told["task"], told["text"]) == ("-count", "halfway")


def test_a_task_waits_at_the_place_that_it_was_started_at(run):
    task = cached_task(_count, run_name="count", in_process=True)
    images = run.store.put_array(np.arange(4))
    for place in (7, 3):
        with take_place(place):
            task.fn(images)
    task.fn(images)
    assert run.workers.places == [7, 3, 0]


@pytest.mark.parametrize("name", TASKS)
def test_no_task_asks_its_flow_for_what_the_run_gives(name):
    assert not set(GIVEN) & set(inspect.signature(TASKS[name].fn).parameters)


@pytest.mark.parametrize("name", [name for name, task in TASKS.items() if task.persist_result])
def test_the_code_that_a_key_begins_with_is_the_plain_function_itself(name):
    task = TASKS[name]
    module, _, function = task.cache_policy.function.rpartition(".")
    assert module.startswith("digitflow.")
    assert getattr(sys.modules[module], function).__doc__ == task.fn.__doc__


def test_what_a_task_did_is_noted_with_the_files_it_made(run):
    images = np.zeros((3, 28, 28), np.uint8)
    data = store_set(run.store, LabelledImages(images, np.arange(3, dtype=np.uint8)))
    digits.learn_corrections.fn(_make_splits(data), data, 1)
    started, computed = run.log.events
    assert (started["event"], computed["event"]) == ("started", "computed")
    assert started["task"] == computed["task"] == "learn-corrections"
    assert computed["seconds"] >= 0
    assert computed["host"] == "another"
    assert {"samples", "targets"} <= {output["name"] for output in computed["outputs"]}


def _make_splits(data):
    return Splits(train=data, calibration=data, validation=data, test=data)


def test_a_damaged_input_is_refused_before_the_work_starts(run):
    ref = run.store.put_array(np.arange(5))
    path = run.store.path_of(ref)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DamagedArtifact, match=str(path)):
        training.prepare_recipe.fn(RecipeChoice(name="pixels"), ref, ref, ref, 1)
    assert run.log.events == []


def test_a_fit_is_ended_after_the_limit_of_its_candidate(run):
    choice = EstimatorChoice(
        estimator="tree", params={}, calibration="sigmoid", seed=1, time_limit=7.5
    )
    with pytest.raises(AttributeError):  # there are no features here
        training.train_candidate.fn(choice, None, None, None)
    with pytest.raises(AttributeError):
        judging.score_on_test.fn(None, None)
    assert run.workers.limits == [7.5, None]


def test_another_name_is_another_name_and_nothing_else():
    task = named(judging.score_on_test, "score {a model} on the test samples")
    assert task.task_run_name() == "score {a model} on the test samples"
    assert task.cache_policy is judging.score_on_test.cache_policy
    assert task.on_failure_hooks == judging.score_on_test.on_failure_hooks
