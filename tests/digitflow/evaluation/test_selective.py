import math

import cv2
import numpy as np
import pytest
from sklearn.pipeline import Pipeline

from digitflow.config.data import MnistSource
from digitflow.config.digits import SelectiveRule
from digitflow.data.sources.mnist import load
from digitflow.errors import InputError
from digitflow.evaluation.selective import (
    choose_highest,
    choose_thresholds,
    set_thresholds,
    trace_risk,
)
from digitflow.features.preparing import build_steps
from digitflow.images.frame import to_mnist_frame
from digitflow.models.outliers import OutlierDetector
from digitflow.models.persistence import load_model

NO_DETECTOR = (None, math.inf)


def draw(count=400, seed=0, steps=None):
    """Labels, and probabilities that are right about as often as they say."""
    random = np.random.default_rng(seed)
    confidence = random.uniform(0.3, 1, count)
    if steps:
        confidence = np.ceil(confidence * steps) / steps
    labels = random.integers(0, 10, count).astype(np.uint8)
    taken = np.where(random.random(count) < confidence, labels, (labels + 3) % 10)
    probabilities = np.tile(((1 - confidence) / 9)[:, None], 10)
    probabilities[np.arange(count), taken] = confidence
    return labels, probabilities


@pytest.mark.parametrize("steps", [None, 10])
def test_the_curve_is_what_every_threshold_gives(steps):
    labels, probabilities = draw(steps=steps)
    curve = trace_risk(labels, probabilities)
    confidence, wrong = probabilities.max(axis=1), probabilities.argmax(axis=1) != labels
    thresholds = sorted(set(confidence), reverse=True)
    np.testing.assert_array_equal(curve.threshold, thresholds)
    for place, threshold in enumerate(thresholds):
        answered = confidence >= threshold
        assert curve.coverage[place] == answered.mean()
        assert curve.risk[place] == wrong[answered].mean()
    assert curve.coverage[-1] == 1


def test_the_area_is_the_mean_risk_over_all_images():
    labels, probabilities = draw(steps=10)
    curve = trace_risk(labels, probabilities)
    confidence = probabilities.max(axis=1)
    risks = [curve.risk[curve.threshold == value][0] for value in confidence]
    assert curve.aurc == pytest.approx(np.mean(risks))


def test_perfect_answers_have_no_risk_and_hopeless_ones_all():
    labels = np.arange(10, dtype=np.uint8)
    perfect = trace_risk(labels, np.eye(10) * 0.9)
    assert (perfect.risk == 0).all()
    assert perfect.aurc == 0
    assert trace_risk((labels + 1) % 10, np.eye(10)).aurc == 1


def test_to_be_sure_where_one_is_right_makes_the_area_smaller():
    labels, probabilities = draw()
    shuffled = np.random.default_rng(1).permutation(len(labels))
    hits = probabilities.argmax(axis=1) == labels
    blind = np.full_like(probabilities, 0.01)
    rows = np.arange(len(labels))
    blind[rows, np.where(hits, labels, (labels + 1) % 10)] = probabilities.max(axis=1)[shuffled]
    assert trace_risk(labels, probabilities).aurc < 0.8 * trace_risk(labels, blind).aurc


def test_without_images_there_is_no_curve():
    curve = trace_risk(np.zeros(0, np.uint8), np.zeros((0, 10)))
    assert curve.coverage.size == curve.risk.size == curve.threshold.size == 0
    assert math.isnan(curve.aurc)


@pytest.mark.parametrize("coverage", [0.01, 0.5, 0.9, 0.99, 1.0])
def test_the_stated_share_is_answered_and_not_one_image_more(coverage):
    labels, probabilities = draw()
    reject_option = set_thresholds(
        labels, probabilities, np.ones(400, bool), coverage, NO_DETECTOR
    )
    answered = probabilities.max(axis=1) >= reject_option.min_probability
    assert answered.sum() == math.ceil(round(coverage * 400, 9))
    wrong = probabilities.argmax(axis=1) != labels
    assert reject_option.risk == wrong[answered].mean()
    assert reject_option.coverage == coverage


def test_equal_probabilities_are_answered_alike():
    labels, probabilities = draw(steps=5)
    reject_option = set_thresholds(labels, probabilities, np.ones(400, bool), 0.5, NO_DETECTOR)
    confidence = probabilities.max(axis=1)
    assert (confidence >= reject_option.min_probability).mean() >= 0.5
    assert (confidence > reject_option.min_probability).mean() < 0.5


def test_what_is_no_digit_counts_towards_what_is_left_out():
    labels, probabilities = draw()
    typical = np.arange(400) >= 20  # a twentieth is no digit
    reject_option = set_thresholds(labels, probabilities, typical, 0.9, NO_DETECTOR)
    answered = typical & (probabilities.max(axis=1) >= reject_option.min_probability)
    assert answered.sum() == 360
    assert reject_option.risk == (probabilities.argmax(axis=1) != labels)[answered].mean()
    few = set_thresholds(labels, probabilities, typical, 1.0, NO_DETECTOR)
    assert few.min_probability == probabilities.max(axis=1)[typical].min()


def test_where_nothing_is_typical_nothing_is_answered():
    labels, probabilities = draw()
    reject_option = set_thresholds(labels, probabilities, np.zeros(400, bool), 0.9, NO_DETECTOR)
    assert (reject_option.min_probability, reject_option.risk) == (1.0, 0.0)


@pytest.mark.parametrize(("share", "kept"), [(0.001, 1), (0.07, 7), (0.5, 50), (0.999, 100)])
def test_the_limit_is_the_least_that_keeps_the_share(share, kept):
    values = np.random.default_rng(0).permutation(100).astype(float)
    limit = choose_highest(values, share)
    assert (values <= limit).sum() == kept


@pytest.fixture
def stored(store):
    """Features of two parts, in which each digit has a place of its own."""
    random = np.random.default_rng(0)
    centres = 5 * random.normal(size=(10, 8))
    parts = []
    for rows in (1000, 400):
        labels = (np.arange(rows) % 10).astype(np.uint8)
        features = (centres[labels] + random.normal(size=(rows, 8))).astype(np.float32)
        parts.append((store.put_array(features), store.put_array(labels)))
    probabilities = draw(400)[1]
    return parts, store.put_array(probabilities)


def test_both_thresholds_are_chosen_and_the_screen_is_stored(store, stored):
    (train, validation), probabilities = stored
    rule = SelectiveRule(coverage=0.95, typical=0.99)
    reject_option = choose_thresholds(store, train, validation, probabilities, rule, 1)
    features = store.open_array(validation[0])
    outlier_score = load_model(reject_option.detector, store).outlier_score(features)
    typical = outlier_score <= reject_option.max_outlier_score
    assert typical.sum() == 396
    sure = store.open_array(probabilities).max(axis=1) >= reject_option.min_probability
    assert (typical & sure).sum() == 380
    assert choose_thresholds(store, train, validation, probabilities, rule, 1) == reject_option
    garbage = np.random.default_rng(1).normal(size=(100, 8)) * 20
    found = load_model(reject_option.detector, store).outlier_score(garbage)
    assert (found > reject_option.max_outlier_score).mean() > 0.95


def test_without_comparison_images_nothing_is_chosen(store, stored):
    (train, _), _ = stored
    empty = (
        store.put_array(np.zeros((0, 8), np.float32)),
        store.put_array(np.zeros(0, np.uint8)),
    )
    probabilities = store.put_array(np.zeros((0, 10)))
    with pytest.raises(InputError, match="there are none"):
        choose_thresholds(store, train, empty, probabilities, SelectiveRule(), 1)


def write_letters(letters, count):
    """Draw letters, thick and thin, in the MNIST frame."""
    found = []
    for number in range(count):
        page = np.zeros((120, 120), np.uint8)
        letter, thick = letters[number % len(letters)], 4 + number % 7
        cv2.putText(page, letter, (25, 90), number % 5, 2.5, 255, thick, cv2.LINE_AA)
        found.append(to_mnist_frame(page))
    return np.stack(found)


def test_on_mnist_digits_are_digits_and_other_things_mostly_not(mnist_folder):
    digits = load(MnistSource(folder=mnist_folder)).train
    train, validation, others = (
        digits.take(np.arange(start, stop))
        for start, stop in ((0, 10_000), (40_000, 44_000), (50_000, 52_000))
    )
    recipe = Pipeline(build_steps("strokes", 0)).fit(train.images)
    detector = OutlierDetector().fit(recipe.transform(train.images), train.labels)
    limit = choose_highest(detector.outlier_score(recipe.transform(validation.images)), 0.995)

    def reject(images):
        return (detector.outlier_score(recipe.transform(images)) > limit).mean()

    random = np.random.default_rng(0)
    pairs = np.concatenate([others.images[:300], others.images[300:600]], axis=2)
    assert reject(others.images) < 0.015
    assert reject(random.integers(0, 256, (100, 28, 28)).astype(np.uint8)) > 0.98
    assert reject(np.stack([to_mnist_frame(pair) for pair in pairs])) > 0.9
    assert reject(write_letters("AEFHKMNRTWXY", 120)) > 0.5
