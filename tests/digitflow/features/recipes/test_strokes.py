"""The strokes recipe against OpenCV, closed forms and a naive loop."""

import math

import cv2
import numpy as np
import pytest

from digitflow.features.recipes.strokes import (
    BLOCK_FLOOR,
    Deskew,
    StrokeGradients,
    describe_strokes,
    deskew_images,
    split_gradients,
    take_gradients,
)
from digitflow.images.statistics import measure_slants

ANGLES = {  # of the directions as split_gradients yields them, in degrees
    0: 0, 1: 180, 2: 90, 3: -90, 4: 45, 5: -45, 6: 135, 7: -135,
}  # fmt: skip


def describe(images: np.ndarray) -> np.ndarray:
    return StrokeGradients().transform(Deskew().transform(images))


def test_slants_are_those_of_opencv_moments(digit_images):
    slants, centres = measure_slants(digit_images[:200])
    for image, slant, centre in zip(digit_images, slants, centres, strict=False):
        moments = cv2.moments(image)
        expected = np.clip(moments["mu11"] / moments["mu02"], -1, 1)
        assert slant == pytest.approx(expected, abs=1e-9)
        assert centre == pytest.approx(moments["m01"] / moments["m00"])


def test_deskewing_is_a_shear_by_opencv_about_the_centre(digit_images):
    images = digit_images[:100]
    straight = deskew_images(images)
    for image, found, slant, row in zip(images, straight, *measure_slants(images), strict=True):
        matrix = np.array([[1, slant, -slant * row], [0, 1, 0]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        expected = cv2.warpAffine(image.astype(np.float32), matrix, (28, 28), flags=flags)
        # OpenCV rounds where it reads to a 32nd of a pixel, so 255 / 32 at the most.
        np.testing.assert_allclose(found * 255, expected, atol=8.5)
        assert np.abs(found * 255 - expected).mean() < 0.5


def test_deskewed_writing_has_almost_no_slant_left(digit_images):
    before, _ = measure_slants(digit_images)
    straight = np.rint(deskew_images(digit_images) * 255).astype(np.uint8)
    after, _ = measure_slants(straight)
    assert np.abs(after).max() < 0.05 < np.abs(before).max()


def test_a_line_at_45_degrees_is_stood_upright():
    image = np.zeros((1, 28, 28), np.uint8)
    for step in range(-8, 9):
        image[0, 14 + step, 14 + step] = 200
    (straight,) = deskew_images(image)
    assert (straight.sum(axis=0) > 0).tolist() == [column == 14 for column in range(28)]


def test_a_symmetric_image_is_not_changed():
    image = np.zeros((1, 28, 28), np.uint8)
    image[0, 5:22, 10:18] = 130
    np.testing.assert_allclose(deskew_images(image) * 255, image, rtol=1e-6)


def test_a_flat_dash_is_slanted_by_one_at_the_most():
    image = np.zeros((1, 28, 28), np.uint8)
    image[0, 13, 4:14] = image[0, 14, 14:24] = 255
    slants, _ = measure_slants(image)
    assert slants == [1.0]
    assert deskew_images(image).sum() == pytest.approx(20, rel=1e-6)


@pytest.mark.parametrize("row", [0, 13, 27])
def test_a_single_row_of_ink_has_no_slant(row):
    image = np.zeros((1, 28, 28), np.uint8)
    image[0, row, 3:25] = 255
    np.testing.assert_allclose(deskew_images(image) * 255, image, rtol=1e-6)


def test_ink_in_all_corners_stays_within_the_frame():
    image = np.zeros((2, 28, 28), np.uint8)
    image[0, 0, 0] = image[0, 27, 27] = image[1, 0, 27] = image[1, 27, 0] = 255
    straight = deskew_images(image)
    assert straight.shape == (2, 28, 28)
    assert straight.max() <= 1
    assert straight.sum(axis=(1, 2)) == pytest.approx([2, 2], rel=1e-5)


def test_gradients_are_central_differences_inside_and_0_at_the_border():
    planes = np.random.default_rng(0).random((28, 28, 3), np.float32)
    across, down = take_gradients(planes)
    rows, columns = np.gradient(planes * 2, axis=(0, 1))
    np.testing.assert_allclose(across[:, 1:-1], columns[:, 1:-1], atol=1e-6)
    np.testing.assert_allclose(down[1:-1], rows[1:-1], atol=1e-6)
    assert not across[:, [0, -1]].any()
    assert not down[[0, -1]].any()


def test_shares_add_up_to_the_gradient_along_its_two_nearest_directions():
    angles = np.deg2rad(np.arange(0, 360, 5, dtype=np.float32))
    across, down = 3 * np.cos(angles), 3 * np.sin(angles)
    shares = np.stack(list(split_gradients(across, down)))
    units = np.deg2rad([ANGLES[direction] for direction in range(8)])
    np.testing.assert_allclose(np.cos(units) @ shares, across, atol=1e-5)
    np.testing.assert_allclose(np.sin(units) @ shares, down, atol=1e-5)
    assert shares.min() >= 0
    turned = np.abs((angles - units[:, None] + np.pi) % (2 * np.pi) - np.pi)
    assert not shares[turned > np.pi / 4 + 1e-5].any(), "a share in a direction far off"


def test_opposite_gradients_are_told_apart():
    one = np.array([1.0], np.float32)
    for gradient in ((one, 0 * one), (one, one), (0 * one, one)):
        there = np.stack(list(split_gradients(*gradient)))
        back = np.stack(list(split_gradients(-gradient[0], -gradient[1])))
        assert there.argmax() != back.argmax()


def describe_naively(image: np.ndarray) -> np.ndarray:
    """Return the 1,440 numbers of one image (28, 28), from 0 to 1, pixel by pixel."""
    features = []
    for side in (4, 7):
        count = 28 // side
        cells = np.zeros((8, count, count))
        for y in range(28):
            for x in range(28):
                across = image[y, x + 1] - image[y, x - 1] if 0 < x < 27 else 0
                down = image[y + 1, x] - image[y - 1, x] if 0 < y < 27 else 0
                length, angle = math.hypot(across, down), math.atan2(down, across)
                for direction, degrees in ANGLES.items():
                    turn = abs(
                        (angle - math.radians(degrees) + math.pi) % (2 * math.pi) - math.pi
                    )
                    share = max(0.0, math.sin(math.pi / 4 - turn)) / math.sin(math.pi / 4)
                    cells[direction, y // side, x // side] += length * share
        for top in (0, 1):
            for left in (0, 1):
                features.append(np.zeros((8, count - 1, count - 1)))
                for y in range(count - 1):
                    for x in range(count - 1):
                        norm = math.sqrt(
                            (cells[:, y : y + 2, x : x + 2] ** 2).sum() + BLOCK_FLOOR
                        )
                        features[-1][:, y, x] = np.sqrt(cells[:, y + top, x + left] / norm)
    return np.concatenate([part.reshape(-1) for part in features])


def test_the_description_is_that_of_a_naive_loop(digit_images):
    straight = deskew_images(digit_images[:3])
    expected = [describe_naively(image) for image in straight.astype(float)]
    # Square roots of rounding errors near 0 differ by about 1e-4.
    np.testing.assert_allclose(describe_strokes(straight), expected, atol=2e-3)


def test_an_image_has_1440_numbers_from_0_to_1(digit_images):
    features = describe(digit_images[:300])
    assert features.shape == (300, 1440)
    assert features.dtype == np.float32
    assert features.min() >= 0
    assert 0.5 < features.max() <= 1


def test_an_image_has_the_same_features_in_whatever_batch_it_comes(digit_images):
    together = describe(digit_images[:300])
    for i in (0, 7, 127, 128, 299):
        alone = describe(digit_images[i : i + 1])[0]
        np.testing.assert_allclose(alone, together[i], atol=1e-5)
    backwards = describe(digit_images[299::-1])[::-1]
    np.testing.assert_allclose(backwards, together, atol=1e-5)


def test_blank_and_full_images_have_no_strokes_and_no_nan():
    images = np.stack([np.zeros((28, 28)), np.full((28, 28), 255)]).astype(np.uint8)
    assert not describe(images).any()


def test_fainter_ink_hardly_changes_the_description(digit_images):
    faint = describe(digit_images[:100] // 2)
    assert np.abs(faint - describe(digit_images[:100])).mean() < 0.01


def test_slanting_the_writing_hardly_changes_the_description(digit_images):
    upright = np.rint(deskew_images(digit_images[:100]) * 255).astype(np.uint8)
    matrix = np.array([[1, -0.4, 0.4 * 14], [0, 1, 0]])
    slanted = np.stack([cv2.warpAffine(image, matrix, (28, 28)) for image in upright])
    shuffled = np.roll(upright, 1, axis=0)
    same = np.linalg.norm(describe(slanted) - describe(upright), axis=1)
    other = np.linalg.norm(describe(shuffled) - describe(upright), axis=1)
    assert same.max() < other.min()


def test_no_images_have_no_features():
    assert describe(np.zeros((0, 28, 28), np.uint8)).shape == (0, 1440)
