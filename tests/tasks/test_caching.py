import numpy as np
import pytest

from digitflow.config.data import BuiltinSource
from digitflow.errors import DamagedArtifact
from digitflow.models.building import EstimatorChoice
from digitflow.models.fitting import FittedModel
from digitflow.store.files import ARTIFACTS_VARIABLE
from tasks.caching import CheckedSerializer, ContentPolicy, StoreLocks, name_refs
from tasks.digits import ingest_digits
from tasks.training import evaluate_candidate, train_candidate

CHOICE = {"estimator": "tree", "params": {}, "calibration": "sigmoid", "seed": 1}


@pytest.fixture(autouse=True)
def _in_store(store, monkeypatch):
    monkeypatch.setenv(ARTIFACTS_VARIABLE, str(store.root))


@pytest.fixture
def ref(store):
    return store.put_array(np.arange(4))


def _describe_training(ref, **changes):
    inputs = {
        "choice": EstimatorChoice(**CHOICE, time_limit=5.0),
        "prepared": {"train": ref},
        "labels": ref,
    } | changes
    policy = train_candidate.cache_policy
    assert isinstance(policy, ContentPolicy)
    return policy.describe(inputs)


def test_a_time_limit_is_in_no_key(ref):
    other = EstimatorChoice(**CHOICE, time_limit=9.0)
    assert _describe_training(ref) == _describe_training(ref, choice=other)


@pytest.mark.parametrize(
    "change", [{"seed": 2}, {"params": {"max_depth": 3}}, {"calibration": "isotonic"}]
)
def test_every_value_that_shapes_a_model_is_in_its_key(ref, change):
    changed = _describe_training(ref, choice=EstimatorChoice(**CHOICE | change))
    assert changed["inputs"] != _describe_training(ref)["inputs"]


def test_the_key_covers_the_chosen_estimator_and_no_other(ref):
    modules = _describe_training(ref)["modules"]
    assert "digitflow.models.estimators.tree" in modules
    assert "digitflow.models.estimators.svm" not in modules
    assert "digitflow.models.fitting" in modules
    assert not any(name.startswith("digitflow.config") for name in modules)
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
                                               fit_seconds=seconds, processor_seconds=seconds)})
        for seconds in (1.0, 2.0)
    )  # fmt: skip
    assert slow == quick


def test_each_source_has_its_own_code_in_its_key():
    described = ingest_digits.cache_policy.describe(
        {"source": BuiltinSource(), "fingerprint": "x"}
    )
    assert "digitflow.data.sources.builtin" in described["modules"]
    assert "digitflow.data.sources.mnist" not in described["modules"]


def test_a_result_comes_back_as_it_was_with_its_files_checked(store, ref):
    serializer = CheckedSerializer()
    blob = serializer.dumps({"a": [ref]})
    assert serializer.loads(blob) == {"a": [ref]}
    store.path_of(ref).unlink()
    with pytest.raises(DamagedArtifact):
        serializer.loads(blob)


def test_references_are_found_by_name_wherever_they_are(ref):
    fitted = FittedModel(
        model=ref.model_dump(exclude={"dtype", "shape"}), fit_seconds=1.0, processor_seconds=1.0
    )
    found = dict(name_refs({"x": fitted, "y": (1, ref)}))
    assert found.keys() == {"x.model", "y.1"}


def test_a_lock_belongs_to_one_holder_across_managers():
    ours, theirs = StoreLocks(), StoreLocks()
    assert ours.acquire_lock("k", "us")
    assert ours.acquire_lock("k", "us")  # asked for again by its holder
    assert theirs.is_locked("k")
    assert not theirs.acquire_lock("k", "them", acquire_timeout=0)
    assert not theirs.wait_for_lock("k", timeout=0)
    theirs.release_lock("k", "them")  # not theirs to release
    assert ours.is_lock_holder("k", "us")
    ours.release_lock("k", "us")
    assert theirs.wait_for_lock("k", timeout=0)
    assert not theirs.is_locked("k")
