"""The pictures behind a measure are those that are unlike what was learnt."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from digitflow.config.training import MonitoringRule
from digitflow.errors import InputError
from digitflow.feedback.corrections import DIGITS
from digitflow.feedback.predictions import PredictionLog
from digitflow.feedback.tables import name_images
from digitflow.monitoring import attribution
from digitflow.monitoring.attribution import find_culprits, find_nearest
from digitflow.monitoring.drift import DriftResult
from digitflow.monitoring.measures import DriftMeter
from digitflow.monitoring.reference import open_reference, record_images
from digitflow.monitoring.window import assess_window, collect_window


@pytest.fixture(scope="module")
def digits(handwriting):
    return handwriting.take(np.random.default_rng(0).permutation(len(handwriting)))


@pytest.fixture
def meter(digits, store):
    """A meter of 800 images learnt from, and 200 read: one in ten as each digit."""
    read = np.full((200, 10), 0.01)
    read[np.arange(200), np.arange(200) % 10] = 0.91
    refs = (store.put_array(each) for each in (digits.images[:800], digits.labels[:800], read))
    return DriftMeter(open_reference(store, record_images(store, *refs, 42)))


def attribute(meter, images, measure, predicted=None, confidence=None):
    count = len(images)
    predicted = np.arange(count) % 10 if predicted is None else predicted
    confidence = np.full(count, 0.91) if confidence is None else confidence
    return meter.attribute(images, predicted, confidence, measure)


@pytest.mark.parametrize("measure", ["psi.ink", "psi.residual", "domain"])
def test_what_is_unlike_what_was_learnt_counts_most(digits, meter, measure):
    images = digits.images[800:900].copy()
    images[:30] = 255 - images[:30]
    scores = attribute(meter, images, measure)
    assert scores.shape == (100,)
    assert scores[:30].min() > scores[30:].max()


def test_a_digit_that_is_read_too_often_counts_most(digits, meter):
    predicted = np.where(np.arange(100) < 60, 7, np.arange(100) % 10)
    scores = attribute(meter, digits.images[800:900], "predictions", predicted)
    assert set(np.flatnonzero(scores == scores.max())) == set(np.flatnonzero(predicted == 7))


def test_doubt_counts_where_nobody_doubted(digits, meter):
    confidence = np.where(np.arange(100) < 40, 0.4, 0.91).astype(np.float32)
    scores = attribute(meter, digits.images[800:900], "confidence", confidence=confidence)
    assert scores[:40].min() > scores[40:].max()


def test_the_nearest_are_those_that_scikit_learn_finds(digits):
    images, asked = digits.images[:700], digits.images[700:720]
    rows, distances = find_nearest(images, asked, 3)
    flat = [part.reshape(len(part), -1) / 255 for part in (images, asked)]
    wanted = NearestNeighbors(n_neighbors=3, algorithm="brute").fit(flat[0])
    expected, places = wanted.kneighbors(flat[1])
    np.testing.assert_allclose(distances, expected, atol=1e-3)
    assert (rows == places).mean() > 0.95  # ties


def test_an_image_is_nearest_to_itself(digits):
    rows, distances = find_nearest(digits.images[:100], digits.images[40:42], 1)
    assert rows[:, 0].tolist() == [40, 41]
    assert distances.max() < 0.01


def test_nothing_to_look_among_is_said(digits):
    with pytest.raises(InputError, match="1 or more"):
        find_nearest(digits.images[:0], digits.images[:1], 1)


def test_the_nearest_of_chunks_are_those_of_all_and_the_first_at_a_tie(digits, monkeypatch):
    images = np.concatenate([digits.images[:50], digits.images[:3]])
    whole = find_nearest(images, digits.images[:4], 3)
    monkeypatch.setattr(attribution, "CHUNK_ROWS", 7)
    parts = find_nearest(images, digits.images[:4], 3)
    np.testing.assert_array_equal(whole[0], parts[0])
    np.testing.assert_allclose(whole[1], parts[1], atol=1e-3)
    assert whole[0][1, :2].tolist() == [1, 51]
    assert whole[0].shape == (4, 3)


def test_a_distance_is_over_pixels_of_0_to_1():
    images = np.zeros((2, 28, 28), np.uint8)
    images[1, 0, :9] = 255
    rows, distances = find_nearest(images, images[:1], 2)
    assert rows.tolist() == [[0, 1]]
    assert distances[0].tolist() == pytest.approx([0, 3])


def test_culprits_are_the_samples_that_count_most_with_what_was_read(digits, store):
    read = np.full((200, 10), 0.01)
    read[np.arange(200), np.arange(200) % 10] = 0.91
    refs = (store.put_array(each) for each in (digits.images[:800], digits.labels[:800], read))
    reference = record_images(store, *refs, 42)
    images = digits.images[800:860].copy()
    images[20:30] = 255 - images[20:30]
    said = 0.01 + 0.9 * np.eye(10)[np.arange(60) % 10]
    with PredictionLog(store) as log:
        log.add(name_images(images), said, ["read"] * 60, "digits", "1", None, 0.001)
    rule = MonitoringRule(window=60, least=60)
    window = collect_window(store, "digits", "1", rule)
    report = assess_window(
        "digits", "1", DIGITS, window, DriftResult(size=60, findings=()), rule
    )
    found = find_culprits(store, reference, report, "psi.ink")
    assert len(found.samples) == len(found.predicted) == len(found.scores) == 8
    assert (np.diff(found.scores) <= 0).all()
    inverted = {image.tobytes(): row % 10 for row, image in enumerate(images) if 20 <= row < 30}
    for sample, digit in zip(found.samples, found.predicted, strict=True):
        assert inverted[sample.tobytes()] == digit
    assert len(find_culprits(store, reference, report, "psi.ink", 3).samples) == 3
