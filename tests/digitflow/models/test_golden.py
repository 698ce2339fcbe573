import json
import logging
import os
import subprocess
import sys
from functools import cache

import joblib
import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import IsotonicRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from threadpoolctl import threadpool_info, threadpool_limits

from digitflow.data.sets import LabelledImages, SampleSet, store_set
from digitflow.errors import DamagedArtifact, InputError
from digitflow.features.preparing import build_steps
from digitflow.models.building import build_estimator
from digitflow.models.bundle import ModelBundle
from digitflow.models.golden import (
    _compare,
    check_golden,
    describe_machine,
    list_differences,
    list_libraries,
    load_bundle,
    record_golden,
    repeats,
    same_environment,
)
from digitflow.models.persistence import dump_model, load_model
from digitflow.store.artifacts import Store

CELLS, LABELS = (part[:300] for part in load_digits(return_X_y=True))
DATA = LabelledImages(
    np.kron(CELLS.reshape(-1, 8, 8) * 15, np.ones((1, 4, 4)))[:, 2:-2, 2:-2].astype(np.uint8),
    LABELS.astype(np.uint8),
)
QUICK = {
    "svm": {},
    "knn": {"n_jobs": 2},
    "forest": {"n_estimators": 20, "n_jobs": 2},
    "nystroem": {"n_components": 100},
}


@cache
def prepare(recipe):
    recipe = Pipeline(build_steps(recipe, 0))
    with threadpool_limits(1):  # many small products: threads only get in each other's way
        return recipe.steps, recipe.fit_transform(DATA.images)


def fit(name="svm", params=None):
    steps, features = prepare("pca")
    estimator = build_estimator(name, params or {}, 0, 1).fit(features[:200], DATA.labels[:200])
    calibrated = CalibratedClassifierCV(FrozenEstimator(estimator), method="sigmoid")
    calibrated.fit(features[200:], DATA.labels[200:])
    return Pipeline([*steps, ("classifier", calibrated)])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A store, a model in it and what it must repeat."""
    store = Store(tmp_path_factory.mktemp("golden") / "artifacts")
    model = dump_model(fit(), store)
    images = store_set(store, DATA)
    return store, model, record_golden(store, model, images), images


def break_off(golden, predictions, store):
    """Return golden predictions that say otherwise."""
    return golden.model_copy(update={"predictions": store.put_array(predictions)})


def test_golden_images_are_few_of_every_digit_and_always_the_same(made):
    store, model, golden, images = made
    assert golden.samples.shape == (32, 28, 28)
    assert golden.predictions.shape == (32, 10)
    assert golden.predictions.dtype == "float64"
    assert record_golden(store, model, images) == golden
    assert record_golden(store, model, images, count=5).samples.shape == (5, 28, 28)


def test_a_fresh_process_repeats_them_to_the_bit(made):
    store, model, golden, _ = made
    tried = check_golden(store, model, golden)
    assert tried.error is None
    assert (tried.exact, tried.n, tried.labels_differ) == (True, 32, 0)
    assert tried.largest_difference == 0
    assert tried.repeated
    assert 50 < tried.memory_mb < 1000


@pytest.mark.parametrize("name", QUICK)
def test_every_kind_of_model_repeats_them_to_the_bit(store, name):
    pipeline = fit(name, QUICK[name])
    model = dump_model(pipeline, store)
    golden = record_golden(store, model, store_set(store, DATA))
    loaded = load_model(model, store)
    for _ in range(5):
        assert repeats(loaded, golden, store).largest_difference == 0


def test_a_model_reads_in_one_thread(made):
    store, _, golden, _ = made
    threads = []

    class Counting(ClassifierMixin, BaseEstimator):
        def predict_proba(self, images):
            pools = [pool["num_threads"] for pool in threadpool_info()]
            threads.extend([joblib.effective_n_jobs(4), *pools])
            return np.zeros((len(images), 10))

    repeats(Counting(), golden, store)
    assert set(threads) == {1}


def test_nothing_of_the_environment_or_the_folder_reaches_the_fresh_process(
    made, tmp_path, monkeypatch
):
    store, model, golden, _ = made
    (tmp_path / "numpy.py").write_text("raise SystemExit('the wrong numpy')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONSTARTUP", str(tmp_path / "numpy.py"))
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")
    assert check_golden(store, model, golden).repeated


def test_a_store_that_was_moved_still_repeats_them(made, tmp_path):
    store, model, golden, _ = made
    store.root.rename(tmp_path / "moved")
    try:
        assert repeats(load_model(model, moved := Store(tmp_path / "moved")), golden, moved)
        assert check_golden(moved, model, golden).repeated
    finally:
        (tmp_path / "moved").rename(store.root)


def test_another_label_or_a_changed_bit_is_no_repetition(made):
    store, model, golden, _ = made
    pipeline, expected = load_model(model, store), store.open_array(golden.predictions)
    tried = repeats(pipeline, break_off(golden, expected[:, ::-1], store), store)
    assert tried.labels_differ > 20
    assert not tried.repeated
    bit = np.array(expected)
    bit[0, 0] = np.nextafter(bit[0, 0], 1)
    tried = repeats(pipeline, changed := break_off(golden, bit, store), store)
    assert (tried.exact, tried.repeated) == (True, False)
    elsewhere = changed.model_copy(update={"machine": "another"})
    tried = repeats(pipeline, elsewhere, store)
    assert (tried.exact, tried.repeated) == (False, True)


def test_a_nan_is_no_repetition(made):
    store, model, golden, _ = made
    broken = break_off(golden, np.full((32, 10), np.nan), store)
    for golden in (broken, broken.model_copy(update={"machine": "another"})):
        assert not repeats(load_model(model, store), golden, store).repeated


def test_without_images_nothing_is_repeated(made):
    store, model, golden, _ = made
    empty = golden.model_copy(
        update={
            "samples": store.put_array(np.zeros((0, 28, 28), np.uint8)),
            "predictions": store.put_array(np.zeros((0, 10))),
        }
    )
    assert not repeats(load_model(model, store), empty, store).repeated


@pytest.fixture(scope="module")
def regression(tmp_path_factory):
    """A store, a regression in it, what it must repeat, and the samples of that."""
    store = Store(tmp_path_factory.mktemp("golden") / "artifacts")
    random = np.random.default_rng(0)
    rows = random.uniform(1, 10, (200, 1))
    targets = 1e5 * rows[:, 0] + random.normal(0, 1e4, 200)
    model = dump_model(
        Pipeline([("estimator", IsotonicRegression().fit(rows, targets))]), store
    )
    samples = SampleSet(samples=store.put_array(rows), targets=store.put_array(targets))
    return store, model, record_golden(store, model, samples), samples


def test_golden_rows_of_a_regression_go_from_the_smallest_target_to_the_largest(regression):
    store, model, golden, samples = regression
    rows, chosen = store.open_array(samples.samples), store.open_array(golden.samples)
    targets = store.open_array(samples.targets)
    places = [int(np.flatnonzero((rows == row).all(axis=1))[0]) for row in chosen]
    ranks = np.argsort(np.argsort(targets))[places]
    assert (golden.samples.shape, golden.predictions.shape) == ((32, 1), (32,))
    assert {0, 199} <= set(ranks.tolist())
    assert np.diff(np.sort(ranks)).max() < 10
    assert record_golden(store, model, samples) == golden


def test_a_fresh_process_repeats_values_to_the_bit(regression):
    store, model, golden, _ = regression
    tried = check_golden(store, model, golden)
    assert (tried.error, tried.exact, tried.repeated) == (None, True, True)
    assert (tried.labels_differ, tried.largest_difference) == (0, 0)


@pytest.mark.parametrize(("share", "repeated"), [(1e-7, True), (1e-5, False)])
def test_elsewhere_values_may_differ_by_a_millionth_of_them(regression, share, repeated):
    store, model, golden, _ = regression
    other = break_off(golden, (1 + share) * store.open_array(golden.predictions), store)
    pipeline = load_model(model, store)
    assert not repeats(pipeline, other, store).repeated
    elsewhere = other.model_copy(update={"machine": "another"})
    tried = repeats(pipeline, elsewhere, store)
    assert tried.largest_difference == pytest.approx(share, rel=1e-4)
    assert tried.repeated == repeated


def test_a_value_near_zero_is_measured_by_the_size_of_the_others():
    expected = np.array([0.0, 100.0, -300.0])
    assert _compare(np.array([1e-6, 100.0, -300.0]), expected) == pytest.approx(
        1e-6 / (400 / 3)
    )
    assert _compare(np.array([0.0, 100.0, -297.0]), expected) == pytest.approx(0.01)
    assert _compare(np.zeros(2), np.zeros(2)) == 0.0


def test_values_are_no_repetition_of_probabilities(regression):
    store, model, golden, _ = regression
    other = break_off(golden, np.zeros((32, 10)), store)
    tried = repeats(load_model(model, store), other, store)
    assert tried.error == "it predicts (32,), it should (32, 10)"


def test_changed_golden_images_are_noticed(made, tmp_path):
    store, model, golden, _ = made
    path = store.path_of(golden.samples)
    content = path.read_bytes()
    path.chmod(0o644)
    try:
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        tried = repeats(load_model(model, store), golden, store)
    finally:
        path.write_bytes(content)
    assert "bytes changed" in tried.error
    assert not tried.repeated


def test_a_damaged_model_is_an_answer_not_an_exception(made):
    store, model, golden, _ = made
    other = model.model_copy(update={"digest": "0" * 32})
    tried = check_golden(store, other, golden)
    assert f"digest should be {'0' * 32}" in tried.error
    assert not tried.repeated


def test_a_crash_or_a_hang_of_the_fresh_process_is_an_answer(made, monkeypatch):
    store, model, golden, _ = made
    died = subprocess.CompletedProcess([], -11, "", "")
    monkeypatch.setattr(subprocess, "run", lambda *args, **kwargs: died)
    assert "exit code -11: it said nothing" in check_golden(store, model, golden).error
    monkeypatch.undo()
    assert "longer than 0.01 s" in check_golden(store, model, golden, 0.01).error


def test_a_model_that_cannot_read_is_an_answer(made):
    store, _, golden, _ = made
    flat = Pipeline([("flat", FunctionTransformer(None)), ("classifier", GaussianNB())])
    assert "NotFittedError" in repeats(flat, golden, store).error


def test_a_release_of_the_same_versions_is_loaded_without_a_word(made, caplog):
    store, model, golden, _ = made
    bundle = ModelBundle(model=model, reject_option=None, golden=golden)
    assert same_environment(golden)
    with caplog.at_level(logging.WARNING):
        load_bundle(bundle, store).predict_proba(DATA.images[:2])
    assert not caplog.records


def make_older(golden, **changed):
    return golden.model_copy(
        update={"libraries": golden.libraries | {"scikit-learn": "1.8.0"}, **changed}
    )


def test_made_with_other_versions_but_reading_the_same_is_a_warning(made, caplog):
    store, model, golden, _ = made
    bundle = ModelBundle(model=model, reject_option=None, golden=make_older(golden))
    assert not same_environment(bundle.golden)
    with caplog.at_level(logging.WARNING):
        load_bundle(bundle, store).predict_proba(DATA.images[:2])
    assert "made with scikit-learn 1.8.0 (here is " in caplog.text
    assert "repeats its 32 golden predictions" in caplog.text


def test_made_with_other_versions_and_reading_otherwise_is_refused(made):
    store, model, golden, _ = made
    expected = np.array(store.open_array(golden.predictions))
    expected[0] = expected[0, ::-1]
    other = make_older(golden, predictions=store.put_array(expected))
    with pytest.raises(InputError, match=r"scikit-learn 1.8.0 \(here is .* get another label"):
        load_bundle(ModelBundle(model=model, reject_option=None, golden=other), store)


def test_made_with_other_versions_and_not_loadable_names_the_versions(made, tmp_path):
    store, _, golden, _ = made
    broken = store.put_bytes(b"what a future version writes", "models", ".skops")
    model = type(made[1])(**broken.model_dump())
    bundle = ModelBundle(model=model, reject_option=None, golden=make_older(golden))
    with pytest.raises(InputError, match=r"1.8.0 .*no readable skops file.* Install those"):
        load_bundle(bundle, store)
    store.path_of(model).unlink()
    with pytest.raises(DamagedArtifact, match="is missing"):
        load_bundle(bundle, store)


def test_the_module_answers_alone_without_the_environment(made, tmp_path):
    """What `check_golden` starts, started by hand."""
    command = [sys.executable, "-E", "-P", "-m", "digitflow.models.golden"]
    environment = {"PATH": os.environ["PATH"]}
    done = subprocess.run(
        command, input="{}", capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    assert done.returncode == 1
    assert "validation error" in done.stderr


def test_the_libraries_behind_the_numbers_are_named_with_their_versions():
    libraries = list_libraries()
    assert libraries["numpy"] == np.__version__
    assert libraries["python"] == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert "not installed" not in libraries.values()


def test_a_machine_is_described_always_alike():
    described = describe_machine()
    code = "from digitflow.models.golden import describe_machine as d; print(d())"
    command = [sys.executable, "-c", code]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == described != ""


ARITHMETIC = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


def test_a_setting_that_changes_the_arithmetic_is_another_machine(monkeypatch):
    for name in ARITHMETIC:
        monkeypatch.delenv(name, raising=False)
    described = describe_machine()
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    assert describe_machine() == f"{described}, OPENBLAS_CORETYPE=Haswell"


RECORD_AND_CHECK = """
import sys
from pathlib import Path
from digitflow.data.sets import SampleSet
from digitflow.models.golden import check_golden, record_golden
from digitflow.store.artifacts import Store
from digitflow.store.references import ModelRef

store, model = Store(Path(sys.argv[1])), ModelRef.model_validate_json(sys.argv[2])
golden = record_golden(store, model, SampleSet.model_validate_json(sys.argv[3]))
print(check_golden(store, model, golden).model_dump_json())
"""


def test_a_machines_own_arithmetic_is_that_of_the_fresh_process_too(made):
    """Else its last bits would be compared with those of other kernels."""
    store, model, _, images = made
    given = [store.root, model.model_dump_json(), images.model_dump_json()]
    done = subprocess.run(
        [sys.executable, "-c", RECORD_AND_CHECK, *given],
        env=os.environ | {"OPENBLAS_CORETYPE": "Prescott"},
        capture_output=True,
        text=True,
        check=True,
    )
    tried = json.loads(done.stdout)
    assert (tried["error"], tried["exact"], tried["largest_difference"]) == (None, True, 0)


def test_differences_name_both_versions():
    libraries = list_libraries() | {"scikit-learn": "0.1", "gone": "1"}
    del libraries["scipy"]
    said = list_differences(libraries)
    here = list_libraries()
    assert f"scikit-learn 0.1 (here is {here['scikit-learn']})" in said
    assert "gone 1 (here is none)" in said
    assert f"scipy unknown (here is {here['scipy']})" in said
    assert "numpy" not in said
    assert list_differences(here) == ""


IMPORT = "from digitflow.models.golden import measure_peak_memory as measure; "


def run(code):
    command = [sys.executable, "-c", IMPORT + code]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_memory_that_was_freed_still_counts():
    small = run("print(measure())")
    large = run("import numpy as np; np.ones(200 << 20, np.uint8); print(measure())")
    assert large == pytest.approx(small + 200, abs=10)


def test_elsewhere_than_on_linux_the_peak_is_what_the_system_counts():
    code = (
        "import pathlib, resource, sys; "
        "pathlib.Path.read_text = lambda *_, **__: open(''); "
        "unit = 2**20 if sys.platform == 'darwin' else 2**10; "
        "print(measure() - resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit)"
    )
    assert run(code) == pytest.approx(0, abs=1)


def test_a_process_does_not_count_the_memory_of_the_one_that_started_it():
    ballast = np.ones(300 << 20, np.uint8)
    assert run("print(measure())") < 200
    assert len(ballast)
