import numpy as np
import pytest

from digitflow.config.data import BuiltinSource
from digitflow.errors import DamagedArtifact
from digitflow.models.fitting import EstimatorChoice, FittedModel
from digitflow.store.artifacts import ARTIFACTS_VARIABLE
from digitflow.store.runs import RunLog
from digitflow.workers import WorkerPool
from tasks.caching import CheckedSerializer, ContentPolicy, name_refs
from tasks.context import RunContext, run_context
from tasks.evaluate import evaluate_candidate
from tasks.ingest import ingest_digits
from tasks.train import train_candidate


@pytest.fixture
def run(store, monkeypatch):
    monkeypatch.setenv(ARTIFACTS_VARIABLE, str(store.root))
    with run_context(RunContext(store, RunLog(store, "a"), WorkerPool(1))) as context:
        yield context


@pytest.fixture
def ref(store):
    return store.put_array(np.arange(4))


def _describe_training(ref, **changes):
    inputs = {
        "name": "a",
        "choice": EstimatorChoice(estimator="tree", params={}, calibration="sigmoid", seed=1),
        "prepared": {"train": ref},
        "labels": ref,
        "time_limit": 5.0,
    } | changes
    policy = train_candidate.cache_policy
    assert isinstance(policy, ContentPolicy)
    return policy.describe(inputs)


def test_a_name_and_a_time_limit_are_in_no_key(ref):
    assert _describe_training(ref) == _describe_training(ref, name="b", time_limit=9.0)


@pytest.mark.parametrize(
    "change", [{"seed": 2}, {"params": {"max_depth": 3}}, {"calibration": "isotonic"}]
)
def test_every_value_that_shapes_a_model_is_in_its_key(ref, change):
    choice = {"estimator": "tree", "params": {}, "calibration": "sigmoid", "seed": 1} | change
    changed = _describe_training(ref, choice=EstimatorChoice(**choice))
    assert changed["inputs"] != _describe_training(ref)["inputs"]


def test_the_key_covers_the_chosen_estimator_and_no_other(ref):
    modules = _describe_training(ref)["modules"]
    assert "digitflow.models.estimators.tree" in modules
    assert "digitflow.models.estimators.svm" not in modules
    assert "tasks.train" in modules
    assert (
        not {"digitflow.reports.page", "digitflow.reports.figures", "digitflow.registry"}
        & modules.keys()
    )


def test_the_key_covers_the_libraries_behind_the_code(ref):
    assert {"numpy", "scikit-learn", "skops"} <= _describe_training(ref)["libraries"].keys()


def test_a_reference_counts_by_its_content_not_by_its_path(ref):
    moved = ref.model_copy(update={"path": "elsewhere.npy"})
    assert _describe_training(ref) == _describe_training(moved)


def test_the_time_that_a_fit_took_is_in_no_key(ref):
    policy = evaluate_candidate.cache_policy
    slow, quick = (
        policy.describe({"fitted": FittedModel(model=ref.model_dump(exclude={"dtype", "shape"}),
                                               fit_seconds=seconds)})
        for seconds in (1.0, 2.0)
    )  # fmt: skip
    assert slow == quick


def test_each_source_has_its_own_code_in_its_key():
    described = ingest_digits.cache_policy.describe(
        {"source": BuiltinSource(), "fingerprint": "x"}
    )
    assert "digitflow.data.sources.builtin" in described["modules"]
    assert "digitflow.data.sources.mnist" not in described["modules"]


def test_a_result_comes_back_as_it_was_with_its_files_checked(run, ref):
    serializer = CheckedSerializer()
    blob = serializer.dumps({"a": [ref]})
    assert serializer.loads(blob) == {"a": [ref]}
    run.store.path_of(ref).unlink()
    with pytest.raises(DamagedArtifact):
        serializer.loads(blob)


def test_references_are_found_by_name_wherever_they_are(ref):
    fitted = FittedModel(model=ref.model_dump(exclude={"dtype", "shape"}), fit_seconds=1.0)
    found = dict(name_refs({"x": fitted, "y": (1, ref)}))
    assert found.keys() == {"x.model", "y.1"}


def test_a_damaged_input_is_refused_before_the_work_starts(run, store):
    ref = store.put_array(np.arange(5))
    path = store.path_of(ref)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DamagedArtifact, match=str(path)):
        evaluate_candidate.fn("a", {"model": ref}, ref, ref)
    assert not any(event["event"] == "started" for event in run.log.events)
