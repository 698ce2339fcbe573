"""Exchanged rows and columns are found, and real digits are never taken for such."""

import numpy as np
import pytest

from digitflow.augment.backends import opencv, shift
from digitflow.config.data import OpencvAugmentation, PenSource, ShiftAugmentation
from digitflow.data import orientation
from digitflow.data.orientation import average_classes, find_way, score_ways
from digitflow.data.sources import pen


def draw_subsets(images, labels, each, count):
    """Yield `count` subsets with so many images of every digit."""
    generator = np.random.default_rng(0)
    for _ in range(count):
        rows = [
            generator.choice(np.flatnonzero(labels == d), each, replace=False)
            for d in range(10)
        ]
        yield images[np.concatenate(rows)], labels[np.concatenate(rows)]


def exchange(images):
    return images.transpose(0, 2, 1)


@pytest.fixture(scope="module", params=["built in", "mnist", "pen", "shifted", "altered"])
def written(request, handwriting):
    """Images and labels of digits by real hands, by invented ones, and altered."""
    images, labels = handwriting.images, handwriting.labels
    match request.param:
        case "mnist":
            train = request.getfixturevalue("mnist").train
            return train.images[:5000], train.labels[:5000]
        case "pen":
            drawn = pen.load(PenSource(writers=20, each=2)).train
            return drawn.images, drawn.labels
        case "shifted":
            out = np.empty((5 * len(images), 28, 28), np.uint8)
            shift.write_copies(images, ShiftAugmentation(pixels=2), 0, out)
            return out, np.tile(labels, 5)
        case "altered":
            settings = OpencvAugmentation(rotation=30, slant=0.5, stretch=0.5, elastic=1)
            out = np.empty((2 * len(images), 28, 28), np.uint8)
            opencv.write_copies(images, settings, 0, out)
            return out[len(images) :], labels
    return images, labels


@pytest.mark.parametrize("each", [10, 20])
def test_ten_images_a_digit_tell_which_way_round_they_lie(written, each):
    for images, labels in draw_subsets(*written, each, 20):
        assert find_way(images, labels) == "upright"
        assert find_way(exchange(images), labels) == "transposed"


def test_writers_by_themselves_are_never_taken_for_exchanged(mnist):
    train = mnist.train
    for writer in np.unique(train.writers)[::4]:
        rows = train.writers == writer
        way = find_way(train.images[rows], train.labels[rows])
        assert way in (None, "upright", "mirrored")


def test_wrong_labels_are_not_taken_for_exchanged_rows(handwriting):
    wrong = np.random.default_rng(0).permutation(handwriting.labels)
    assert find_way(handwriting.images, wrong) == "upright"


@pytest.mark.parametrize(
    ("lay", "way"),
    [
        (lambda images: images[:, :, ::-1], "mirrored"),
        (lambda images: images[:, ::-1], "upside down"),
        (lambda images: images[:, ::-1, ::-1], "turned by a half"),
        (lambda images: np.rot90(images, 1, (1, 2)), "turned left by a quarter"),
        (lambda images: np.rot90(images, -1, (1, 2)), "turned right by a quarter"),
    ],
)
def test_other_ways_are_called_by_their_names(handwriting, lay, way):
    assert find_way(lay(handwriting.images), handwriting.labels) == way


def test_what_is_exchanged_twice_scores_the_same(handwriting):
    images, labels = handwriting.images, handwriting.labels
    scores, exchanged = score_ways(images, labels), score_ways(exchange(images), labels)
    assert scores["upright"] == pytest.approx(1, abs=0.02)
    assert exchanged["transposed"] == pytest.approx(scores["upright"])
    assert exchanged["upright"] == pytest.approx(scores["transposed"])


def test_too_few_images_say_nothing(handwriting):
    assert find_way(handwriting.images[:20], handwriting.labels[:20]) is None
    assert find_way(handwriting.images, handwriting.labels + 10) is None


WAYS = (*orientation._UPRIGHT, *orientation._EXCHANGED)


@pytest.mark.parametrize(
    ("scores", "way"),
    [
        ({"upright": 0.8, "transposed": 0.9}, "upright"),
        ({"upright": 0.8, "transposed": 0.91}, "transposed"),
        # What is common has the benefit of the doubt, on either side.
        ({"upright": 0.5, "mirrored": 0.53}, "upright"),
        ({"upright": 0.5, "mirrored": 0.54}, "mirrored"),
        ({"transposed": 0.5, "turned left by a quarter": 0.53}, "transposed"),
        ({"transposed": 0.5, "turned left by a quarter": 0.54}, "turned left by a quarter"),
        # Exchanged is compared with the best of those that are not.
        ({"upside down": 0.85, "transposed": 0.9}, "upside down"),
    ],
)
def test_margins_decide_in_favour_of_what_is_common(scores, way, monkeypatch):
    known = dict.fromkeys(WAYS, 0.0) | scores
    monkeypatch.setattr(orientation, "score_ways", lambda *_: known)
    assert find_way(None, None) == way


@pytest.mark.parametrize(
    ("each", "digits", "known"), [(5, 6, True), (4, 10, False), (5, 5, False)]
)
def test_six_digits_of_five_images_each_are_enough(handwriting, each, digits, known):
    rows = [np.flatnonzero(handwriting.labels == digit)[:each] for digit in range(digits)]
    some = handwriting.take(np.concatenate(rows))
    assert (score_ways(some.images, some.labels) is not None) is known


def test_a_mean_image_has_the_mean_0_and_the_length_1(handwriting):
    means = average_classes(handwriting.images, handwriting.labels, np.array([3, 7]))
    own = handwriting.images[handwriting.labels == 7].mean(axis=0)
    wanted = own - own.mean()
    np.testing.assert_allclose(means[1], wanted / np.linalg.norm(wanted))
    # Of blank images nothing is left.
    blank = average_classes(np.zeros((2, 28, 28)), np.zeros(2), np.array([0]))
    assert not blank.any()
