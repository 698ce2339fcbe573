import json

import pytest

from digitflow.errors import InputError
from digitflow.store.runs import explain_run

KEY = {
    "event": "key",
    "task": "train svm",
    "function": "digitflow.models.fitting.fit_candidate",
    "key": "k1",
    "inputs": {"choice": {"params": {"C": 1}, "seed": 42}, "labels": "d1"},
    "modules": {"digitflow.models.fitting": "m1"},
    "libraries": {"scikit-learn": "1.9.1"},
}
COMPUTED = {"event": "computed", "task": "train svm", "seconds": 2.0}
CACHED = {"event": "cached", "task": "train svm"}


def _write_run(store, run, *events, model="digits"):
    record = {"run": run, "model": model, "started": run, "status": "completed"}
    store.write_text(f"runs/{run}/run.json", json.dumps(record))
    for event in events:
        store.append_line(f"runs/{run}/events.jsonl", json.dumps(event))


def _explain(store, run="latest"):
    (task,) = explain_run(store, run)["tasks"]
    return task["state"], task["reasons"]


def test_the_first_run_of_a_model_is_all_new(store):
    _write_run(store, "1", KEY, COMPUTED, model="other")
    _write_run(store, "2", KEY, COMPUTED)
    assert explain_run(store, "2")["before"] is None
    state, (reason,) = _explain(store, "2")
    assert state == "computed"
    assert "new" in reason


def test_a_cached_task_needs_no_reason(store):
    _write_run(store, "1", KEY, COMPUTED)
    _write_run(store, "2", KEY, CACHED)
    assert _explain(store) == ("cached", [])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"libraries": {"scikit-learn": "1.9.2"}}, "library scikit-learn: 1.9.1 -> 1.9.2"),
        (
            {"modules": {"digitflow.models.fitting": "m2"}},
            "module digitflow.models.fitting: m1 -> m2",
        ),
        (
            {"modules": {"digitflow.models.fitting": "m1", "digitflow.ink": "i1"}},
            "module digitflow.ink: nothing -> i1",
        ),
        (
            {"inputs": {"choice": {"params": {"C": 9}, "seed": 42}, "labels": "d1"}},
            "input choice: params C 1 -> 9",
        ),
    ],
)
def test_what_changed_in_the_key_is_named(store, change, reason):
    _write_run(store, "1", KEY, COMPUTED)
    _write_run(store, "2", {**KEY, "key": "k2", **change}, COMPUTED)
    assert _explain(store) == ("computed", [reason])


def test_computing_again_under_the_same_key_says_that_the_result_was_gone(store):
    _write_run(store, "1", KEY, COMPUTED)
    _write_run(store, "2", KEY, COMPUTED)
    _, (reason,) = _explain(store)
    assert "missing or damaged" in reason


def test_a_task_computed_and_then_read_in_one_run_counts_as_computed(store):
    _write_run(store, "1", KEY, COMPUTED, KEY, CACHED)
    assert _explain(store)[0] == "computed"


def test_a_task_without_a_key_always_runs(store):
    _write_run(store, "1", {"event": "computed", "task": "gate", "seconds": 0.1})
    assert "always runs" in _explain(store)[1][0]


def test_an_unknown_run_is_bad_input(store):
    with pytest.raises(InputError, match="no run 'x'"):
        explain_run(store, "x")
