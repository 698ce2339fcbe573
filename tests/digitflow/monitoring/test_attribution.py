"""The pictures behind a measure are those that are unlike what was learnt."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from digitflow.errors import InputError
from digitflow.monitoring.attribution import find_nearest
from digitflow.monitoring.measures import DriftMeter
from digitflow.monitoring.reference import open_reference, record_images


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
