"""Every estimator on real handwriting; our two kernel machines against scikit-learn's."""

import pickle
import tracemalloc

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from digitflow.catalogue import ESTIMATORS
from digitflow.data.sources.mnist import read_idx
from digitflow.features.preparing import fit_recipe
from digitflow.models.building import build_estimator
from digitflow.models.estimators.nystroem import NystroemClassifier
from digitflow.models.estimators.svm import SHARPNESS, RbfSvm, couple_pairs, score_pairs
from digitflow.models.persistence import dump_model, load_model
from digitflow.store.artifacts import Store

LEAST_ACCURACY = {
    "tree": 0.75, "sgd": 0.9, "logistic": 0.9, "mlp": 0.85, "forest": 0.91,
    "boosting": 0.85, "scratch_mlp": 0.85, "scratch_softmax": 0.85,
}  # fmt: skip
QUICKER = {
    "mlp": {"hidden_layer_sizes": [64], "batch_size": 64},
    "boosting": {"max_iter": 15},
    "cnn": {"blocks": [[8], [16]], "batch_size": 64, "epochs": 8, "learning_rate": 0.2},
}

CLASSIFIERS = sorted({*ESTIMATORS.names()} - {"blend", "neighbour_boosting", "stack"})
every_estimator = pytest.mark.parametrize("name", CLASSIFIERS)


@pytest.fixture(scope="module")
def digits():
    """Return features and labels to fit on, and others to try: read-only, float32."""
    images, labels = load_digits(return_X_y=True)
    features = (images / 16).astype(np.float32)
    for array in (features, labels):
        array.flags.writeable = False
    return features[:1200], labels[:1200], features[1200:], labels[1200:]


@pytest.fixture(scope="module")
def fitted(digits):
    """Return every estimator, fitted once."""
    features, labels, _, _ = digits
    return {
        name: build_estimator(name, QUICKER.get(name, {}), 0, 2).fit(
            give(name, features), labels
        )
        for name in CLASSIFIERS
    }


def give(name, features):
    """Return the features as an estimator takes them: pixels for one over images."""
    return np.rint(features * 255).astype(np.uint8) if name == "cnn" else features


@every_estimator
def test_real_handwriting_is_recognised(name, fitted, digits):
    _, _, features, labels = digits
    accuracy = (fitted[name].predict(give(name, features)) == labels).mean()
    assert accuracy >= LEAST_ACCURACY.get(name, 0.93)


@every_estimator
def test_the_same_seed_gives_the_same_model_with_any_number_of_threads(name, fitted, digits):
    features, labels, others, _ = digits
    again = build_estimator(name, QUICKER.get(name, {}), 0, 1)
    again.fit(give(name, features), labels)
    others = give(name, others)
    np.testing.assert_array_equal(again.predict(others), fitted[name].predict(others))


@every_estimator
def test_probabilities_can_be_calibrated_on_held_out_rows(name, fitted, digits):
    _, _, features, labels = digits
    features = give(name, features)
    calibrated = CalibratedClassifierCV(FrozenEstimator(fitted[name]), method="sigmoid")
    probabilities = calibrated.fit(features[:300], labels[:300]).predict_proba(features[300:])
    assert probabilities.shape == (len(features) - 300, 10)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (probabilities.argmax(axis=1) == labels[300:]).mean() >= 0.75


@every_estimator
def test_a_fitted_estimator_is_stored_and_read_again(name, fitted, digits, tmp_path):
    store = Store(tmp_path)
    loaded = load_model(dump_model(fitted[name], store), store)
    others = give(name, digits[2])
    np.testing.assert_array_equal(loaded.predict(others), fitted[name].predict(others))


@every_estimator
def test_a_clone_is_unfitted_and_has_the_same_parameters(name, fitted):
    copy = clone(fitted[name])
    assert copy.get_params() == fitted[name].get_params()
    assert not hasattr(copy, "classes_")


@every_estimator
def test_one_image_has_the_label_that_it_has_among_others(name, fitted, digits):
    others = give(name, digits[2][:20])
    alone = [fitted[name].predict(others[i : i + 1])[0] for i in range(20)]
    np.testing.assert_array_equal(alone, fitted[name].predict(others))


def test_svm_pairs_are_those_of_libsvm(digits, monkeypatch):
    features, labels, others, _ = digits
    monkeypatch.setattr("digitflow.models.estimators.svm.CHUNK_ROWS", 100)
    ours = RbfSvm(C=3, gamma=0.2).fit(features, labels)
    svc = SVC(C=3, gamma=0.2, decision_function_shape="ovo").fit(features, labels)
    expected = svc.decision_function(others)
    np.testing.assert_allclose(score_pairs(ours.svc_, others), expected, atol=1e-8)
    np.testing.assert_allclose(ours.decision_function(others), couple_pairs(expected, 10))


def test_svm_reads_as_libsvm_does(digits):
    features, labels, others, expected = digits
    ours, svc = RbfSvm(C=3, gamma=0.2), SVC(C=3, gamma=0.2)
    found, theirs = (model.fit(features, labels).predict(others) for model in (ours, svc))
    assert (found == theirs).mean() >= 0.99
    assert (found == expected).mean() >= (theirs == expected).mean() - 0.005


def test_a_class_is_scored_by_the_chance_to_win_its_pairs():
    pairs = np.array([[2.0, -1.0, 0.5]])  # 0 against 1, 0 against 2, 1 against 2
    chance = 1 / (1 + np.exp(-SHARPNESS * pairs[0]))
    wins = [
        chance[0] * chance[1],
        (1 - chance[0]) * chance[2],
        (1 - chance[1]) * (1 - chance[2]),
    ]
    np.testing.assert_allclose(couple_pairs(pairs, 3), [np.log(wins)])
    far = couple_pairs(np.array([[1e6, -1e6, 1e6]]), 3)
    assert np.isfinite(far).all()


def test_svm_gamma_of_factor_1_is_scikit_learns_scale(digits):
    features, labels, _, _ = digits
    centred = features - features.mean(axis=0)
    ours = RbfSvm(gamma_scale=1.0).fit(centred, labels)
    svc = SVC(C=10, gamma="scale").fit(centred, labels)
    assert ours.svc_._gamma == pytest.approx(svc._gamma, rel=1e-5)


def test_svm_takes_two_classes_as_libsvm_does(digits):
    features, labels, others, _ = digits
    rows = np.isin(labels, (3, 5))
    ours = RbfSvm(gamma=0.2).fit(features[rows], labels[rows])
    svc = SVC(C=10, gamma=0.2).fit(features[rows], labels[rows])
    np.testing.assert_allclose(
        ours.decision_function(others), svc.decision_function(others), atol=1e-8
    )
    np.testing.assert_array_equal(ours.predict(others), svc.predict(others))


def test_svm_labels_may_be_any_that_sort(digits):
    features, labels, others, expected = digits
    names = np.array(list("abcdefghij"))
    found = RbfSvm().fit(features, names[labels]).predict(others)
    assert (found == names[expected]).mean() >= 0.93


def nystroem_of_scikit_learn(gamma: float, alpha: float, landmarks: int):
    """Return scikit-learn's two steps, whose own random draw is taken as it comes."""
    return make_pipeline(
        Nystroem(gamma=gamma, n_components=landmarks, random_state=0),
        RidgeClassifier(alpha=alpha),
    )


@pytest.mark.parametrize("alpha", [0.01, 1.0])
def test_nystroem_scores_are_those_of_scikit_learns_two_steps(digits, alpha, monkeypatch):
    features, labels, others, _ = digits
    monkeypatch.setattr("digitflow.models.estimators.nystroem.CHUNK_ROWS", 100)
    ours = NystroemClassifier(150, gamma=0.3, alpha=alpha, random_state=0).fit(features, labels)
    theirs = nystroem_of_scikit_learn(0.3, alpha, 150).fit(features.astype(float), labels)
    np.testing.assert_array_equal(
        np.sort(theirs[0].components_, axis=0), np.sort(ours.landmarks_, axis=0)
    )
    np.testing.assert_allclose(
        ours.decision_function(others), theirs.decision_function(others), atol=1e-5
    )


def test_nystroem_takes_two_classes_as_scikit_learn_does(digits):
    features, labels, others, _ = digits
    rows = np.isin(labels, (3, 5))
    ours = NystroemClassifier(50, gamma=0.3, random_state=0).fit(features[rows], labels[rows])
    theirs = nystroem_of_scikit_learn(0.3, ours.alpha, 50)
    theirs.fit(features[rows].astype(float), labels[rows])
    found = ours.decision_function(others)
    assert found.shape == (len(others),)
    np.testing.assert_allclose(found, theirs.decision_function(others), atol=1e-5)
    np.testing.assert_array_equal(ours.predict(others), theirs.predict(others))


def test_nystroem_takes_all_images_when_there_are_fewer_than_landmarks(digits):
    features, labels, _, _ = digits
    twice = np.concatenate([features[:50], features[:50]])
    model = NystroemClassifier(4000, random_state=0).fit(twice, np.tile(labels[:50], 2))
    assert len(model.landmarks_) == 100
    assert (model.predict(features[:50]) == labels[:50]).all()


def test_nystroem_fitted_again_forgets_what_it_kept_to_predict_and_stores_none_of_it(digits):
    features, labels, others, _ = digits
    model = NystroemClassifier(50, gamma=0.3, random_state=0).fit(features[:80], labels[:80])
    before = model.decision_function(others)
    stored = pickle.dumps(model)
    model.fit(features[80:], labels[80:])
    after = model.decision_function(others)
    fresh = NystroemClassifier(50, gamma=0.3, random_state=0).fit(features[80:], labels[80:])
    np.testing.assert_array_equal(after, fresh.decision_function(others))
    model.fit(features[:80], labels[:80])
    assert pickle.dumps(model) == stored
    np.testing.assert_array_equal(pickle.loads(stored).decision_function(others), before)


def fit_hinge(digits, monkeypatch, **params):
    features, labels, _, _ = digits
    monkeypatch.setattr("digitflow.models.estimators.nystroem.CHUNK_ROWS", 100)
    settings = {"gamma": 0.3, "loss": "squared_hinge", "random_state": 0} | params
    return NystroemClassifier(150, **settings).fit(features.astype(np.float64), labels)


def sign_labels(labels):
    return np.where(labels[:, None] == np.arange(10), 1.0, -1.0)


def measure_hinge(model, digits):
    """Return what the squared hinge sums up, half of it, and the penalty."""
    features, labels, _, _ = digits
    missing = np.maximum(1 - sign_labels(labels) * model.decision_function(features), 0)
    among = rbf_kernel(model.landmarks_, gamma=model.gamma_)
    penalty = np.trace(model.coef_.T @ among @ model.coef_)
    return (np.square(missing).sum() + model.alpha * penalty) / 2


def test_nystroems_hinge_begins_at_the_ridge_and_falls_with_each_step(digits, monkeypatch):
    ridge = fit_hinge(digits, monkeypatch, loss="squared_error")
    models = [fit_hinge(digits, monkeypatch, max_iter=count) for count in (0, 1, 2, 4, 8, 60)]
    np.testing.assert_array_equal(models[0].coef_, ridge.coef_)
    lost = [measure_hinge(model, digits) for model in models]
    assert lost == sorted(lost, reverse=True)
    assert lost[4] - lost[5] < 0.2 * (lost[0] - lost[5])


def test_a_step_of_nystroems_hinge_is_newtons_with_the_ridges_matrix(digits, monkeypatch):
    features, labels, others, _ = digits
    ridge = fit_hinge(digits, monkeypatch, max_iter=0)
    kernel = rbf_kernel(features.astype(float), ridge.landmarks_, gamma=0.3)
    among = ridge.alpha * rbf_kernel(ridge.landmarks_, gamma=0.3)
    # One matrix with a column for the intercept, which has no penalty, and no centring.
    whole = np.column_stack([kernel, np.ones(len(kernel))])
    penalty = np.pad(among, (0, 1))
    start = np.vstack([ridge.coef_, ridge.intercept_])
    signs = sign_labels(labels)
    missing = np.where(signs * (whole @ start) < 1, signs - whole @ start, 0)
    step = np.linalg.solve(whole.T @ whole + penalty, whole.T @ missing - penalty @ start)
    expected = np.column_stack(
        [rbf_kernel(others.astype(float), ridge.landmarks_, gamma=0.3), np.ones(len(others))]
    ) @ (start + step)
    found = fit_hinge(digits, monkeypatch, max_iter=1).decision_function(others)
    assert np.abs(found - ridge.decision_function(others)).max() > 0.01
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_nystroems_hinge_hardly_depends_on_precision_and_never_on_the_run(digits):
    features, labels, others, _ = digits
    build = {"gamma": 0.3, "loss": "squared_hinge", "random_state": 0}
    first, again, double = (
        NystroemClassifier(150, **build).fit(rows, labels).decision_function(others)
        for rows in (features, features, features.astype(np.float64))
    )
    np.testing.assert_array_equal(first, again)
    np.testing.assert_allclose(first, double, atol=1e-3)


@pytest.mark.parametrize("loss", ["squared_error", "squared_hinge"])
def test_nystroem_never_holds_all_rows_against_all_landmarks(loss):
    rng = np.random.default_rng(0)
    features = rng.normal(size=(40_000, 8)).astype(np.float32)
    labels = (features[:, 0] > 0).astype(int)
    tracemalloc.start()
    NystroemClassifier(300, loss=loss, random_state=0).fit(features, labels)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40_000 * 300 * 4 / 2


@pytest.mark.parametrize("name", ["svm", "nystroem"])
def test_kernel_machines_on_strokes_read_mnist(name, mnist_folder, store):
    images = read_idx(mnist_folder / "train-images-idx3-ubyte.gz")[:4000]
    labels = read_idx(mnist_folder / "train-labels-idx1-ubyte.gz")[:4000]
    others = read_idx(mnist_folder / "t10k-images-idx3-ubyte.gz")[-2000:]
    expected = read_idx(mnist_folder / "t10k-labels-idx1-ubyte.gz")[-2000:]
    recipe, features = fit_recipe("strokes", images, 0, store, threads=2)
    model = build_estimator(name, {}, 0, 2).fit(store.open_array(features), labels)
    assert (model.predict(recipe.transform(others)) == expected).mean() >= 0.98
