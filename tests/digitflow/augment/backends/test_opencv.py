"""Copies by other hands: seeded, in the MNIST frame, and each alteration does what it says."""

import tracemalloc

import cv2
import numpy as np
import pytest
from scipy import ndimage
from sklearn.datasets import load_digits

from digitflow.augment.backends import opencv
from digitflow.augment.backends.opencv import (
    alter_images,
    count_copies,
    vary_strokes,
    write_copies,
)
from digitflow.config.data import OpencvAugmentation
from digitflow.errors import InputError

NOTHING = {"rotation": 0, "slant": 0, "stretch": 0, "elastic": 0, "thinner": 0, "thicker": 0}


@pytest.fixture(scope="module")
def images(handwriting) -> np.ndarray:
    return handwriting.images[:200]


def alter(images: np.ndarray, seed: int = 0, **settings: float) -> np.ndarray:
    chosen = OpencvAugmentation(**(NOTHING | settings))
    return alter_images(images, chosen, np.random.default_rng(seed))


def write(images: np.ndarray, seed: int = 0, **settings: float) -> np.ndarray:
    chosen = OpencvAugmentation(**settings)
    out = np.full((count_copies(chosen) * len(images), 28, 28), 77, np.uint8)
    write_copies(images, chosen, seed, out)
    return out


def measure_slant(images: np.ndarray) -> np.ndarray:
    found = [cv2.moments(image) for image in images]
    return np.array([m["mu11"] / m["mu02"] for m in found])


def measure_spans(images: np.ndarray, axis: int, share: float = 0.5) -> np.ndarray:
    ink = images > share * images.max(axis=(1, 2), keepdims=True)
    return np.array([np.ptp(np.flatnonzero(image.any(axis=axis))) + 1 for image in ink])


def test_the_first_block_is_the_images_and_each_copy_is_of_its_parent(images):
    out = write(images, **(NOTHING | {"copies": 2, "rotation": 5})).reshape(
        3, len(images), 28, 28
    )
    np.testing.assert_array_equal(out[0], images)
    flat = out.reshape(3, len(images), -1).astype(float)
    flat -= flat.mean(axis=2, keepdims=True)
    flat /= np.linalg.norm(flat, axis=2, keepdims=True)
    for copy in flat[1:]:
        likeness = copy @ flat[0].T
        # Some people's zeros are all alike; by chance it would be 1 in 200.
        assert np.mean(likeness.argmax(axis=1) == np.arange(len(images))) > 0.7


def test_the_same_seed_makes_the_same_copies(images):
    np.testing.assert_array_equal(write(images, seed=3), write(images, seed=3))
    assert not np.array_equal(write(images, seed=3), write(images, seed=4))


def test_two_copies_of_an_image_differ(images):
    out = write(images, copies=2).reshape(3, len(images), 28, 28)
    assert (out[1] != out[2]).any(axis=(1, 2)).all()


def test_the_first_copy_is_the_same_however_many_follow(images):
    n = len(images)
    np.testing.assert_array_equal(write(images, copies=1), write(images, copies=3)[: 2 * n])


def test_copies_lie_in_the_frame(images):
    copies = write(images, elastic=0.7)[len(images) :]
    assert (copies.max(axis=(1, 2)) >= 250).all()
    spans = np.maximum(measure_spans(copies, 0, 0.2), measure_spans(copies, 1, 0.2))
    assert np.median(spans) in (19, 20)
    assert np.abs(spans - 20).max() <= 5
    centres = np.array([ndimage.center_of_mass(image) for image in copies])
    assert np.abs(centres.mean(axis=0) - 14).max() < 0.2
    assert np.abs(centres - 14).max() < 2.5


def test_without_alterations_a_copy_is_its_image_within_half_a_pixel(images):
    copies = alter(images)
    near = [ndimage.grey_dilation(image, (5, 5)) for image in images]
    assert np.mean(copies > np.add(near, 40, dtype=int)) < 0.002
    assert copies.mean() == pytest.approx(images.mean(), rel=0.05)


def test_slant_leans_letters_both_ways_and_no_further_than_asked():
    bar = np.zeros((400, 28, 28), np.uint8)
    bar[:, 4:24, 12:16] = 255
    slants = measure_slant(alter(bar, slant=0.3))
    assert 0.2 < slants.max() < 0.35
    assert -0.35 < slants.min() < -0.2
    assert np.abs(measure_slant(alter(bar))).max() < 0.02


def test_rotation_turns_both_ways_and_no_further_than_asked():
    bar = np.zeros((400, 28, 28), np.uint8)
    bar[:, 4:24, 13:15] = 255
    angles = np.rad2deg(np.arctan(measure_slant(alter(bar, rotation=20))))
    assert 15 < angles.max() < 22
    assert -22 < angles.min() < -15


def test_stretch_changes_width_against_height():
    ring = np.zeros((400, 28, 28), np.uint8)
    ring[:, 4:24, 9:19] = 255
    widths = measure_spans(alter(ring, stretch=0.5), axis=0)
    assert widths.min() in range(6, 9)
    assert widths.max() in range(13, 17)


def test_so_many_copies_are_squares_and_the_others_keep_their_aspect(images):
    copies, kept = alter(images, square=0.4), alter(images)
    spans = np.stack([measure_spans(copies, axis, 0.2) for axis in (0, 1)])
    squares = (spans >= 18).all(axis=0) & (copies != kept).any(axis=(1, 2))
    assert 0.25 < squares.mean() < 0.5
    assert (measure_spans(alter(images, square=1), 0, 0.2) >= 18).mean() > 0.98


def test_an_elastic_pull_is_smooth_and_as_strong_as_asked():
    pull = opencv._draw_pull(500, np.random.default_rng(0))
    np.testing.assert_allclose(pull.std(axis=(0, 1)), 1, atol=0.1)
    assert np.abs(np.diff(pull, axis=3)).mean() < 0.3


def test_a_thicker_stroke_has_more_ink_and_a_thinner_one_less(images):
    areas = [vary_strokes(images, np.full(len(images), step)).sum(axis=(1, 2))
             for step in (-1, -0.5, 0, 0.5, 1)]  # fmt: skip
    assert (np.diff(areas, axis=0) > 0).all()


def test_a_whole_pixel_is_what_opencv_does_with_a_cross(images):
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    for step, change in ((1, cv2.dilate), (-1, cv2.erode)):
        found = vary_strokes(images[:20], np.full(20, step))
        np.testing.assert_array_equal(found, [change(image, cross) for image in images[:20]])


def test_blank_images_stay_blank():
    blank = np.zeros((3, 28, 28), np.uint8)
    assert not write(blank, copies=2).any()


def test_no_images_give_no_copies():
    assert write(np.empty((0, 28, 28), np.uint8)).shape == (0, 28, 28)


def test_copies_go_straight_into_a_memory_map_in_bounded_memory(tmp_path):
    settings = OpencvAugmentation(copies=2)
    images = np.tile((load_digits().images[:1].repeat(3, 1).repeat(3, 2) * 15), (8000, 1, 1))
    images = np.pad(images.astype(np.uint8), ((0, 0), (2, 2), (2, 2)))
    np.save(tmp_path / "in.npy", images)
    mapped = np.load(tmp_path / "in.npy", mmap_mode="r")
    shape = (3 * len(images), 28, 28)
    out = np.lib.format.open_memmap(tmp_path / "out.npy", "w+", np.uint8, shape)
    tracemalloc.start()
    write_copies(mapped, settings, 0, out)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 120e6
    assert out[-1].any()


@pytest.mark.parametrize("shape", [(7, 20, 20), (7, 784), (28, 28)])
def test_images_of_another_shape_are_refused(shape):
    with pytest.raises(InputError, match="28, 28"):
        write_copies(np.zeros(shape, np.uint8), OpencvAugmentation(), 0, np.zeros((14, 28, 28)))


def test_an_output_that_does_not_fit_is_refused(images):
    for out in (np.empty((7, 28, 28), np.uint8), np.empty((400, 28, 28), np.int16)):
        with pytest.raises(InputError, match=r"\(400, 28, 28\)"):
            write_copies(images, OpencvAugmentation(), 0, out)


def test_writing_over_the_images_is_refused():
    both = np.zeros((4, 28, 28), np.uint8)
    with pytest.raises(InputError, match="their own images"):
        write_copies(both[:2], OpencvAugmentation(), 0, both)
