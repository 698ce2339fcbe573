import copy
import io
import json
import os
import pickle
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
import skops.io
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import Birch
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from digitflow.catalogue import ESTIMATORS, RECIPES
from digitflow.errors import DamagedArtifact, InputError
from digitflow.features.preparing import build_steps
from digitflow.models.building import build_estimator
from digitflow.models.persistence import dump_model, load_model
from digitflow.models.types import iterate_nodes
from digitflow.store.artifacts import Store
from digitflow.store.references import ModelRef

SMALL = {
    "cnn": {"blocks": [[4], [4]], "epochs": 1},
    "extra_trees": {"n_estimators": 5},
    "forest": {"n_estimators": 5},
    "mlp": {"hidden_layer_sizes": (16,), "max_iter": 10},
}
DIGITS, LABELS = load_digits(return_X_y=True)
DIGITS = DIGITS.astype(np.uint8)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def fit(name, method="sigmoid"):
    """Fit and calibrate an estimator of the catalogue, as training does."""
    estimator = build_estimator(name, SMALL.get(name, {}), seed=0, threads=1)
    scale = () if name == "cnn" else (StandardScaler(),)
    estimator = make_pipeline(*scale, estimator)
    estimator.fit(DIGITS[:600], LABELS[:600])
    calibrated = CalibratedClassifierCV(FrozenEstimator(estimator), method=method)
    return calibrated.fit(DIGITS[600:1200], LABELS[600:1200])


def write_skops(path, schema, files=None):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", json.dumps({"protocol": 2, **schema}))
        for name, content in (files or {}).items():
            archive.writestr(name, content)
    return path


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "name", sorted({*ESTIMATORS.names()} - {"blend", "neighbour_boosting", "stack"})
)
def test_a_stored_model_predicts_the_same_and_equal_models_are_one_file(store, name):
    model = fit(name)
    ref = dump_model(model, store)
    loaded = load_model(ref, store)

    expected = model.predict_proba(DIGITS[1200:])
    np.testing.assert_array_equal(loaded.predict_proba(DIGITS[1200:]), expected)
    # Fitted again, come from another process, read back: the same bytes.
    for equal in (fit(name), pickle.loads(pickle.dumps(model)), loaded):
        assert dump_model(equal, store).digest == ref.digest
    assert len(list((store.root / "models").iterdir())) == 1


@pytest.mark.parametrize("name", RECIPES.names())
def test_every_recipe_is_stored(store, name, samples):
    rows = samples[:150]
    recipe = Pipeline(build_steps(name, 0)).fit(rows)
    loaded = load_model(dump_model(recipe, store), store)
    np.testing.assert_array_equal(loaded.transform(rows), recipe.transform(rows))
    assert dump_model(loaded, store) == dump_model(recipe, store)


def test_a_random_state_inside_is_stored(store):
    model = SGDClassifier(random_state=np.random.RandomState(0)).fit(DIGITS, LABELS)
    again = SGDClassifier(random_state=np.random.RandomState(0)).fit(DIGITS, LABELS)
    assert dump_model(model, store) == dump_model(again, store)


@pytest.mark.parametrize("method", ["sigmoid", "isotonic", "temperature"])
def test_every_calibration_is_stored(store, method):
    model = fit("tree", method)
    loaded = load_model(dump_model(model, store), store)
    expected = model.predict_proba(DIGITS[1200:])
    np.testing.assert_array_equal(loaded.predict_proba(DIGITS[1200:]), expected)


def test_other_models_have_other_digests(store):
    digests = {dump_model(fit(name), store).digest for name in ("knn", "tree", "svm")}
    digests.add(dump_model(fit("svm", "temperature"), store).digest)
    assert len(digests) == 4


def test_an_object_used_twice_is_still_one_object(store):
    shared = StandardScaler().fit(DIGITS)
    loaded = load_model(dump_model(make_pipeline(shared, shared), store), store)
    assert loaded[0] is loaded[1]


def test_the_reference_names_the_file(store):
    ref = dump_model(StandardScaler().fit(DIGITS), store)
    assert isinstance(ref, ModelRef)
    assert ref.path == f"models/{ref.digest}.skops"
    assert store.path_of(ref).stat().st_size == ref.bytes
    assert not list((store.root / "tmp").iterdir())


def test_a_file_is_loaded_by_its_path(store):
    ref = dump_model(StandardScaler().fit(DIGITS), store)
    assert load_model(store.path_of(ref), store).n_features_in_ == 64


def test_a_changed_byte_is_noticed_before_anything_is_loaded(store):
    ref = dump_model(StandardScaler().fit(DIGITS), store)
    path = store.path_of(ref)
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedArtifact, match=f"digest should be {ref.digest}"):
        load_model(ref, store)


def test_a_missing_file_is_a_clear_error(store):
    ref = dump_model(StandardScaler().fit(DIGITS), store)
    store.path_of(ref).unlink()
    with pytest.raises(DamagedArtifact, match="is missing"):
        load_model(ref, store)


class Bomb:
    """Unpickling it makes a file."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


def test_a_pickle_under_a_skops_name_is_refused_and_does_not_run(store, tmp_path):
    marker, path = tmp_path / "ran", tmp_path / "model.skops"
    path.write_bytes(pickle.dumps(Bomb(marker)))
    with pytest.raises(InputError, match="no readable skops file"):
        load_model(path, store)
    assert not marker.exists()

    pickle.loads(path.read_bytes())  # it was a real one
    assert marker.exists()


def test_a_pickle_inside_an_array_is_refused_and_does_not_run(store, tmp_path):
    marker, buffer = tmp_path / "ran", io.BytesIO()
    np.save(buffer, np.array([Bomb(marker)], dtype=object), allow_pickle=True)
    node = {
        "__class__": "ndarray",
        "__module__": "numpy",
        "__loader__": "NdArrayNode",
        "type": "numpy",
        "file": "1.npy",
    }
    path = write_skops(tmp_path / "model.skops", node, {"1.npy": buffer.getvalue()})
    with pytest.raises(InputError, match="no readable skops file"):
        load_model(path, store)
    assert not marker.exists()


def make_call(module, name, *args):
    """Return the schema of a skops file that calls module.name(*args) when constructed."""
    values = [
        {
            "__class__": "str",
            "__module__": "builtins",
            "__loader__": "JsonNode",
            "content": json.dumps(value),
        }
        for value in args
    ]
    arguments = {
        "__class__": "tuple",
        "__module__": "builtins",
        "__loader__": "TupleNode",
        "content": values,
    }
    return {
        "__class__": name,
        "__module__": module,
        "__loader__": "ConstructorFromReduceNode",
        "content": arguments,
    }


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "mkdir"),
        ("digitflow.models.persistence", "Path"),  # ours only by import
        ("digitflow.models.persistence", "digest_file"),
        ("digitflow.models.persistence.os", "mkdir"),
        ("digitflow.models.nothing", "Estimator"),
        ("digitflow.store.artifacts", "Store"),
        ("digitflow.featuresque", "Estimator"),
    ],
)
def test_a_type_that_is_not_on_the_list_is_refused_and_does_not_run(
    store, tmp_path, module, name
):
    marker = tmp_path / "ran"
    schema = make_call(module, name, str(marker))
    path = write_skops(tmp_path / "model.skops", schema)
    with pytest.raises(InputError, match=f"made of: {module}.{name}. Nothing of it was run"):
        load_model(path, store)
    assert not marker.exists()


def test_the_forged_call_would_have_run(tmp_path):
    marker = tmp_path / "ran"
    path = write_skops(tmp_path / "model.skops", make_call("os", "mkdir", str(marker)))
    skops.io.load(path, trusted=["os.mkdir"])
    assert marker.exists()


def test_a_model_that_could_not_be_loaded_is_not_stored(store):
    with pytest.raises(
        InputError, match=r"posix.getcwd, which nobody trusts.*`trust: .posix.getcwd.`"
    ):
        dump_model(FunctionTransformer(os.getcwd).fit(DIGITS), store)
    assert not (store.root / "models").exists()


def test_what_skops_cannot_write_is_a_clear_error(store):
    with pytest.raises(InputError, match="can't be stored"):
        dump_model(Birch().fit(DIGITS[:50]), store)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_truncated_file_is_a_clear_error(store, tmp_path, share):
    content = store.read_bytes(dump_model(fit("svm"), store))
    path = tmp_path / "cut.skops"
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(InputError, match="no readable skops file"):
        load_model(path, store)


def test_deep_nesting_is_a_clear_error(store, tmp_path):
    path = tmp_path / "deep.skops"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", '{"a":' * 100_000 + "1" + "}" * 100_000)
    with pytest.raises(InputError, match="RecursionError"):
        load_model(path, store)


def test_a_path_without_a_file_is_a_clear_error(store, tmp_path):
    with pytest.raises(InputError, match="FileNotFoundError"):
        load_model(tmp_path / "none.skops", store)


def open_file(store, ref):
    """Return a stored skops file's schema and its other members, to forge another."""
    with zipfile.ZipFile(store.path_of(ref)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    return json.loads(members.pop("schema.json")), members


def find_node(schema, kind):
    return next(node for node in iterate_nodes(schema) if node["__class__"] == kind)


def test_an_allowed_type_under_another_loader_is_refused(store, tmp_path):
    schema = make_call("sklearn.pipeline", "Pipeline", "steps")
    path = write_skops(tmp_path / "model.skops", schema)
    with pytest.raises(InputError, match=r"made of: sklearn.pipeline.Pipeline"):
        load_model(path, store)


@pytest.mark.parametrize(
    "loader", ["MethodNode", "PartialNode", "OperatorFuncNode", "FunctionNode", "CachedNode"]
)
def test_what_would_call_something_is_refused_whatever_it_names(store, tmp_path, loader):
    schema = {"__class__": "load", "__module__": "numpy", "__loader__": loader, "content": {}}
    path = write_skops(tmp_path / "model.skops", schema)
    with pytest.raises(InputError, match=r"made of: numpy.load. Nothing of it was run"):
        load_model(path, store)


def test_a_call_hidden_deep_in_a_real_model_is_refused_and_does_not_run(store, tmp_path):
    marker = tmp_path / "ran"
    schema, members = open_file(store, dump_model(fit("knn"), store))
    scaler = find_node(schema, "StandardScaler")
    scaler["content"]["content"]["with_mean"] = make_call("os", "mkdir", str(marker))
    path = write_skops(tmp_path / "model.skops", schema, members)
    with pytest.raises(InputError, match=r"made of: os.mkdir. Nothing"):
        load_model(path, store)
    assert not marker.exists()


def test_an_older_protocol_does_not_lower_the_guard(store, tmp_path):
    marker = tmp_path / "ran"
    for protocol in (0, 1, 2, 99, True, -1):
        schema = make_call("os", "mkdir", str(marker)) | {"protocol": protocol}
        with pytest.raises(InputError):
            load_model(write_skops(tmp_path / "model.skops", schema), store)
    assert not marker.exists()


def test_a_list_of_types_beside_the_model_changes_nothing(store, tmp_path):
    marker = tmp_path / "ran"
    schema = make_call("os", "mkdir", str(marker)) | {"trusted": ["os.mkdir"]}
    beside = {"trusted.json": b'["os.mkdir"]', "MLmodel": b"trusted_types: [os.mkdir]"}
    with pytest.raises(InputError, match=r"os.mkdir. Nothing of it was run"):
        load_model(write_skops(tmp_path / "model.skops", schema, beside), store)
    assert not marker.exists()


def measure_refusal(path, store):
    """Return the megabytes that were allocated before a file was refused, and why."""
    tracemalloc.start()
    with pytest.raises(InputError) as refused:
        load_model(path, store)
    peak = tracemalloc.get_traced_memory()[1] >> 20
    tracemalloc.stop()
    return peak, str(refused.value)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(store, tmp_path):
    path = tmp_path / "bomb.skops"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", b" " * (64 << 20) + b"{}")
    assert path.stat().st_size < 1 << 20
    peak, said = measure_refusal(path, store)
    assert "is compressed" in said
    assert peak < 10


def test_members_that_overlap_are_refused_before_they_are_read(store, tmp_path):
    """The quoted zip bomb: many names in the directory for the same bytes."""
    path = tmp_path / "bomb.skops"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", "{}")
        archive.writestr("0.npy", bytes(1 << 20))
        first = archive.getinfo("0.npy")
        for number in range(1, 100):
            again = copy.copy(first)
            again.filename = f"{number}.npy"
            archive.filelist.append(again)
            archive.NameToInfo[again.filename] = again
    peak, said = measure_refusal(path, store)
    assert "more than it has" in said
    assert peak < 10


def test_an_array_asked_for_again_and_again_is_refused(store, tmp_path):
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(1 << 17))
    array = {
        "__class__": "ndarray", "__module__": "numpy", "__loader__": "NdArrayNode",
        "type": "numpy", "file": "0.npy",
    }  # fmt: skip
    content = {"__class__": "list", "__module__": "builtins", "__loader__": "ListNode"}
    schema = content | {"content": [array] * 1000}
    path = write_skops(tmp_path / "model.skops", schema, {"0.npy": buffer.getvalue()})
    peak, said = measure_refusal(path, store)
    assert "again and again" in said
    assert peak < 10


def test_an_array_that_claims_to_be_huge_is_refused_in_bounded_memory(store, tmp_path):
    buffer = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": (1 << 45,)}
    np.lib.format.write_array_header_1_0(buffer, header)
    node = {
        "__class__": "ndarray", "__module__": "numpy", "__loader__": "NdArrayNode",
        "type": "numpy", "file": "0.npy",
    }  # fmt: skip
    path = write_skops(tmp_path / "model.skops", node, {"0.npy": buffer.getvalue()})
    code = """
import sys
from pathlib import Path
from digitflow.models.golden import measure_peak_memory
from digitflow.models.persistence import load_model
try:
    load_model(Path(sys.argv[1]), None)
except Exception as exc:
    print(measure_peak_memory(), type(exc).__name__, exc)
"""
    # What is asked for and never touched is no memory yet: resident is what counts.
    command = [sys.executable, "-c", code, path]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "InputError" in said
    assert float(said.split()[0]) < 400
