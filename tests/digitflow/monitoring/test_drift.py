"""Clean windows are calm, changed ones alarm, and effects are those of their definitions."""

import numpy as np
import pytest
from scipy.stats import rankdata
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score

from digitflow.augment import distortions
from digitflow.errors import InputError
from digitflow.monitoring import drift
from digitflow.monitoring.drift import (
    OpenWindow,
    calibrate_limits,
    inspect_window,
    measure_distances,
)
from digitflow.monitoring.measures import FOLDS, RIDGE, compare_counts, tell_apart
from digitflow.monitoring.reference import COLUMNS, record_images
from digitflow.store.artifacts import Store

SIZE = 150


@pytest.fixture(scope="module")
def digits(handwriting):
    order = np.random.default_rng(0).permutation(len(handwriting))
    return handwriting.take(order)


def read_surely(labels, unsure=0.05):
    """Probabilities of a model that is right, and doubts some."""
    generator = np.random.default_rng(1)
    sure = np.where(generator.random(len(labels)) < unsure, 0.6, 0.9)
    sure = sure + 0.09 * generator.random(len(labels))
    return sure[:, None] * np.eye(10)[labels] + (1 - sure[:, None]) / 10


@pytest.fixture(scope="module", autouse=True)
def fewer_draws():
    """A third of the draws: limits are coarser, and the tests quicker."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drift, "DRAWS", 700)
        yield


@pytest.fixture(scope="module")
def known(digits, tmp_path_factory, fewer_draws):
    """(store, reference, limits) of 1,000 images learnt from and 400 read."""
    store = Store(tmp_path_factory.mktemp("drift"))
    learnt = digits.take(np.arange(1000))
    reference = record_images(
        store,
        store.put_array(learnt.images),
        store.put_array(learnt.labels),
        store.put_array(read_surely(digits.labels[1000:1400])),
        42,
    )
    found = calibrate_limits(store, reference, SIZE, 0.005, 0.1, 0.6, 42, 1)
    return store, reference, found


def look(known, images, labels, unsure=0.05):
    store, reference, known_limits = known
    said = read_surely(labels, unsure)
    window = OpenWindow(images, said.argmax(axis=1).astype(float), said.max(axis=1))
    return inspect_window(store, reference, known_limits, window, 0)


def draw(digits, seed=0):
    rows = np.random.default_rng(seed).choice(np.arange(1000, len(digits)), SIZE, False)
    return digits.images[rows], digits.labels[rows]


def test_the_index_of_equal_counts_is_nothing_and_grows_with_the_difference():
    even = np.full(10, 100)
    assert compare_counts(even, even) == 0
    assert compare_counts(even, 3 * even) == pytest.approx(0, abs=1e-4)
    little, much = np.array([80, 120] * 5), np.array([10, 190] * 5)
    assert 0 < compare_counts(even, little) < 0.1 < compare_counts(even, much)
    assert np.isfinite(compare_counts(even, np.array([1000] + [0] * 9)))


def test_a_classifier_tells_apart_what_differs_and_nothing_else():
    generator = np.random.default_rng(0)
    one, same = generator.normal(size=(2, 300, 5))
    assert tell_apart(one, same) == pytest.approx(0.5, abs=0.1)
    assert tell_apart(one, same + np.eye(5)[0] * 3) > 0.95


@pytest.mark.parametrize("shift", [0, 0.2, 1])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_domain_classifier_is_scikit_learns_ridge_in_folds(shift, dtype):
    generator = np.random.default_rng(3)
    one = (generator.normal(size=(83, 12)) + shift).astype(dtype)
    other = generator.normal(size=(90, 12)).astype(dtype)
    rows, wanted = np.vstack([one, other]), np.repeat([1.0, 0.0], [len(one), len(other)])
    fold_of = np.concatenate([np.arange(len(part)) % FOLDS for part in (one, other)])
    scores = np.empty(len(rows))
    for fold in range(FOLDS):
        held = fold_of == fold
        model = Ridge(RIDGE).fit(rows[~held], wanted[~held])
        scores[held] = rankdata(model.predict(rows[held])) / held.sum()
    assert tell_apart(one, other) == pytest.approx(roc_auc_score(wanted, scores), abs=1e-3)


def test_of_a_hundred_clean_windows_hardly_any_alarms(known, digits):
    alarms = sum(look(known, *draw(digits, seed)).drifted for seed in range(100))
    assert alarms <= 4  # one is expected at most; chance may bring some more
    assert known[2].false_alarms <= 0.005


@pytest.mark.parametrize(
    "change",
    [
        lambda images, g: distortions.shift_images(images, g, 2),
        lambda images, g: distortions.rotate_images(images, g, 30),
        lambda images, g: distortions.change_strokes(images, g, 0.75),
        lambda images, g: distortions.add_noise(images, g, 40),
        lambda images, g: np.invert(images),
    ],
    ids=["shift", "rotation", "thicker", "noise", "inverted"],
)
def test_changed_images_alarm(change, known, digits):
    images, labels = draw(digits)
    assert look(known, change(images, np.random.default_rng(0)), labels).drifted


def test_a_missing_digit_and_a_model_that_doubts_alarm(known, digits):
    rows = np.flatnonzero(digits.labels != 3)[-SIZE:]
    found = look(known, digits.images[rows], digits.labels[rows])
    assert "predictions" in {alarm.measure for alarm in found.alarms}
    found = look(known, *draw(digits), unsure=0.5)
    assert [alarm.measure for alarm in found.alarms] == ["confidence"]


def test_the_order_of_a_window_and_equal_seeds_change_nothing_much(known, digits):
    images, labels = draw(digits)
    order = np.argsort(labels, kind="stable")
    first, again = (look(known, images, labels) for _ in range(2))
    assert first == again
    assert not look(known, images[order], labels[order]).drifted


def test_every_measure_has_a_limit_above_what_is_clean(known):
    _, _, found = known
    indices = tuple(f"psi.{name}" for name in COLUMNS)
    assert tuple(found.limits) == (*indices, "domain", "predictions", "confidence")
    for name in found.limits:
        assert found.limits[name] > found.clean[name]
        assert found.limits[name] >= (0.6 if name == "domain" else 0.1)


def test_a_model_that_is_always_certain_leaves_the_other_limits_as_they_are(known, digits):
    store, reference, usual = known
    k = reference.confidence.shape[0]
    certain = np.ones(k, np.float32)
    certain[:2] = 0.98
    changed = reference.model_copy(update={"confidence": store.put_array(certain)})
    found = calibrate_limits(store, changed, SIZE, 0.005, 0.1, 0.6, 42, 1)
    for name in set(found.limits) - {"confidence"}:
        assert found.limits[name] < 2 * usual.limits[name]


def test_a_window_of_another_size_is_bad_input(known, digits):
    with pytest.raises(InputError, match=f"windows of {SIZE} samples, got 100"):
        look(known, digits.images[:100], digits.labels[:100])


def test_what_was_repeated_to_be_learnt_is_seen_once(known, digits, tmp_path):
    store = Store(tmp_path)
    images = np.concatenate([digits.images[:50], np.repeat(digits.images[50:51], 40, axis=0)])
    labels = np.concatenate([digits.labels[:50], np.repeat(digits.labels[50:51], 40)])
    reference = record_images(
        store,
        store.put_array(images),
        store.put_array(labels),
        store.put_array(read_surely(labels)),
        42,
    )
    assert reference.statistics.shape == (51, 7)


def test_of_a_mix_only_the_first_source_and_corrections_are_what_windows_are_compared_with(
    digits, tmp_path
):
    store = Store(tmp_path)
    sources = np.where(np.arange(60) < 40, 0, 1).astype(np.int32)
    sources[50:] = -1
    arrays = digits.images[:60], digits.labels[:60], read_surely(digits.labels[:60])
    refs = [store.put_array(array) for array in arrays]
    known = store.put_array(sources)
    reference = record_images(store, *refs, 42, sources=(known, known))
    alone = [store.put_array(array[sources <= 0]) for array in arrays]
    assert reference == record_images(store, *alone, 42)
    assert reference.statistics.shape == (50, 7)
    assert reference.predicted.shape == (50,)


def test_few_clean_pictures_are_farther_than_the_learnt_ones_and_changed_ones_are(
    known, digits
):
    store, reference, _ = known
    clean = digits.images[1000:]
    distances, columns = measure_distances(store, reference, clean)
    assert distances.shape == columns.shape == (len(clean),)
    assert (distances > 1).mean() < 0.02
    bold = np.minimum(clean.astype(int) * 3, 255).astype(np.uint8)
    farther, columns = measure_distances(store, reference, np.roll(bold, 6, axis=2))
    assert (farther > 1).mean() > 0.9
    assert np.bincount(columns, minlength=len(COLUMNS)).argmax() == COLUMNS.index("centre_x")


def test_a_picture_is_as_far_alone_as_among_others(known, digits):
    store, reference, _ = known
    distances, columns = measure_distances(store, reference, digits.images[1000:1010])
    for row in range(10):
        alone, column = measure_distances(
            store, reference, digits.images[1000 + row][np.newaxis]
        )
        np.testing.assert_allclose(alone[0], distances[row], rtol=1e-4)
        assert column[0] == columns[row]
