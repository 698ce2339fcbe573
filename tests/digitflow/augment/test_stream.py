"""Copies in a stream: each near its image, others each time, the same for the same seed."""

import numpy as np
import pytest

from digitflow.augment.stream import CopyStream, StreamSettings

STILL = StreamSettings(rotation=0, lean=0, zoom=1, shift=0, thicker=0, thinner=0)


@pytest.fixture(scope="module")
def images():
    """Blots of ink in the middle of their frames, none like the other."""
    random, images = np.random.default_rng(0), np.zeros((40, 28, 28), np.uint8)
    images[:, 8:20, 8:20] = random.integers(0, 256, (40, 12, 12))
    return images


def draw(images, settings=None, seed=1, maps=50):
    stream = CopyStream(images.shape[1:], np.random.default_rng(0), settings, maps)
    return stream.alter(images, np.random.default_rng(seed))


def test_without_changes_a_copy_is_its_image(images):
    np.testing.assert_array_equal(draw(images, STILL), images)


def test_copies_follow_from_the_seed(images):
    np.testing.assert_array_equal(draw(images), draw(images))
    assert (draw(images) != draw(images, seed=2)).any(axis=(1, 2)).mean() > 0.9


def test_a_shift_moves_the_ink_by_a_pixel_at_most(images):
    settings = StreamSettings(rotation=0, lean=0, zoom=1, shift=1, thicker=0, thinner=0)
    rows, columns = np.indices((28, 28))
    for places in (rows, columns):
        before, after = (
            (places * each).sum(axis=(1, 2)) / each.sum(axis=(1, 2))
            for each in (images.astype(float), draw(images, settings).astype(float))
        )
        moved = np.abs(after - before)
        assert 0.5 < moved.max() < 1.05


def test_strokes_of_every_second_image_change(images):
    settings = StreamSettings(rotation=0, lean=0, zoom=1, shift=0, thicker=1, thinner=0)
    copies = draw(images, settings)
    np.testing.assert_array_equal(copies[::2], images[::2])
    assert (copies >= images).all()
    assert (copies[1::2] > images[1::2]).any(axis=(1, 2)).all()


def test_what_leaves_the_frame_is_paper():
    white = np.full((5, 20, 30), 255, np.uint8)
    settings = StreamSettings(rotation=45, lean=0, zoom=1, shift=0, thicker=0, thinner=0)
    copies = draw(white, settings)
    assert copies.shape == white.shape
    assert (copies[:, 10, 15] == 255).all()
    assert (copies[:, [0, 0, -1, -1], [0, -1, 0, -1]] == 0).any()
