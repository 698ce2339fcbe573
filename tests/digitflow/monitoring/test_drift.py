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
    DriftResult,
    Finding,
    OpenWindow,
    _halve,
    calibrate_limits,
    inspect_window,
    measure_distances,
)
from digitflow.monitoring.measures import (
    FOLDS,
    RIDGE,
    DriftMeter,
    compare_counts,
    tell_apart,
)
from digitflow.monitoring.reference import (
    COLUMNS,
    describe_samples,
    open_reference,
    record_images,
)
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


@pytest.mark.parametrize("rate", [0.05, 0.5])
def test_limits_are_as_many_spreads_above_the_median_for_every_measure(
    known, rate, monkeypatch
):
    monkeypatch.setattr(drift, "DRAWS", 40)
    store, reference, _ = known
    found = calibrate_limits(store, reference, SIZE, rate, 0.0, 0.0, 7)
    meter = DriftMeter(open_reference(store, reference))
    generator = np.random.default_rng([7, SIZE])
    effects = []
    for _ in range(40):
        order = generator.permutation(1000)
        said = generator.permutation(400)
        window = meter.describe_rows(order[500:650], said[200:350])
        effects.append(list(meter.measure(window, order[:500], said[:200]).values()))
    effects = np.array(effects)
    median = np.median(effects, axis=0)
    spread = np.maximum(np.quantile(effects, 0.95, axis=0) - median, 0.01)
    worst = np.sort(((effects - median) / spread).max(axis=1))
    reach = worst[int(np.ceil(39 * (1 - rate)))]
    np.testing.assert_allclose(list(found.clean.values()), median)
    np.testing.assert_allclose(list(found.limits.values()), median + reach * spread)
    above = (worst > reach + 1e-12).mean()
    assert found.false_alarms == pytest.approx(above)
    assert above <= rate
    assert found.size == SIZE
    # What is too small to count has the limit from which it does.
    least = calibrate_limits(store, reference, SIZE, rate, 9.0, 0.99, 7).limits
    assert least["domain"] == 0.99
    assert {value for name, value in least.items() if name != "domain"} == {9.0}


def test_a_window_larger_than_half_of_the_reference_is_drawn_with_repetitions():
    one, drawn = _halve(11, 6, np.random.default_rng(0))
    assert (len(one), len(set(drawn.tolist()))) == (5, 6)
    assert not set(one) & set(drawn)
    one, drawn = _halve(11, 7, np.random.default_rng(0))
    assert len(drawn) == 7
    assert not set(one) & set(drawn)


def test_the_distance_of_a_picture_is_by_its_rarest_statistic_on_its_side(known, digits):
    store, reference, _ = known
    opened = open_reference(store, reference)
    low, median, high = np.quantile(opened.statistics, (0.001, 0.5, 0.999), axis=0)

    def reach(statistics):
        below, above = (
            (median - statistics) / np.maximum(median - low, 0.01),
            (statistics - median) / np.maximum(high - median, 0.01),
        )
        return np.maximum(below, above)

    usual = np.quantile(reach(opened.statistics).max(axis=1), 0.999)
    images = np.concatenate([digits.images[1000:1030], np.roll(digits.images[:5], -7, axis=1)])
    distances, columns = measure_distances(store, reference, images)
    wanted = reach(describe_samples(images, opened)[0]) / usual
    np.testing.assert_allclose(distances, wanted.max(axis=1))
    np.testing.assert_array_equal(columns, wanted.argmax(axis=1))


def find(measure, value, limit):
    return Finding(
        measure=measure, unit="", value=value, limit=limit, clean=0.0, alarm=value > limit
    )


def test_alarms_come_the_farthest_beyond_their_own_limit_first():
    result = DriftResult(
        size=1, findings=(find("a", 0.5, 0.4), find("b", 0.3, 0.4), find("c", 0.4, 0.1))
    )
    assert [alarm.measure for alarm in result.alarms] == ["c", "a"]
    assert result.drifted
    assert not DriftResult(size=1, findings=(find("b", 0.3, 0.4),)).drifted


def test_a_measure_at_its_limit_does_not_alarm(known, digits):
    store, reference, limits = known
    images, labels = draw(digits)
    said = read_surely(labels)
    window = OpenWindow(images, said.argmax(axis=1).astype(float), said.max(axis=1))
    first = inspect_window(store, reference, limits, window, 0)
    values = {found.measure: found.value for found in first.findings}
    exact = limits.model_copy(update={"limits": values})
    again = inspect_window(store, reference, exact, window, 0)
    assert not again.drifted
    assert [found.clean for found in again.findings] == list(limits.clean.values())
    below = {name: value - 1e-9 for name, value in values.items()}
    lower = limits.model_copy(update={"limits": below})
    assert len(inspect_window(store, reference, lower, window, 0).alarms) == len(values)
    assert {found.unit for found in first.findings if found.measure != "domain"} == {
        "population stability index"
    }
    (domain,) = (found for found in first.findings if found.measure == "domain")
    assert domain.unit == "area under the ROC curve"
