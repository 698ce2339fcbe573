import io
import json
import os
import pickle
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

from digitflow.artifacts import ModelRef, Store
from digitflow.config import BuiltinSource
from digitflow.data.sources.builtin import load
from digitflow.errors import DamagedArtifact, InputError
from digitflow.features.catalogue import build_steps, list_recipes
from digitflow.models.catalogue import build_estimator, list_estimators
from digitflow.models.persistence import dump_model, load_model

SMALL = {
    "extra_trees": {"n_estimators": 5},
    "forest": {"n_estimators": 5},
    "mlp": {"hidden_layer_sizes": (16,), "max_iter": 10},
}
DIGITS, LABELS = load_digits(return_X_y=True)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def fit(name, method="sigmoid"):
    """Fit and calibrate an estimator of the catalogue, as training does."""
    estimator = build_estimator(name, SMALL.get(name, {}), seed=0, threads=1)
    estimator = make_pipeline(StandardScaler(), estimator)
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
@pytest.mark.parametrize("name", list_estimators())
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


@pytest.mark.parametrize("name", list_recipes())
def test_every_recipe_is_stored(store, name):
    images = load(BuiltinSource()).train.images[:150]
    recipe = Pipeline(build_steps(name, 0)).fit(images)
    loaded = load_model(dump_model(recipe, store), store)
    np.testing.assert_array_equal(loaded.transform(images), recipe.transform(images))
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
        ("digitflow.artifacts", "Store"),
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
    with pytest.raises(InputError, match="getcwd, which load_model would refuse"):
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
