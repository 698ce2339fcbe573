"""Pixel shifts against scipy's general one and a naive loop."""

import numpy as np
import pytest
from scipy import ndimage

from digitflow.augment.backends import shift
from digitflow.augment.backends.shift import count_copies, shift_images, write_copies
from digitflow.config.data import ShiftAugmentation
from digitflow.errors import InputError


def random_images(n: int = 7, height: int = 28, width: int = 28) -> np.ndarray:
    return np.random.default_rng(3).integers(1, 256, (n, height, width), dtype=np.uint8)


def shift_naively(images: np.ndarray, rows: int, columns: int) -> np.ndarray:
    moved = np.zeros_like(images)
    _, height, width = images.shape
    for y in range(height):
        for x in range(width):
            if 0 <= y - rows < height and 0 <= x - columns < width:
                moved[:, y, x] = images[:, y - rows, x - columns]
    return moved


@pytest.mark.parametrize("rows", [-28, -27, -3, -1, 0, 1, 2, 27, 30])
@pytest.mark.parametrize("columns", [-29, -27, -2, -1, 0, 1, 3, 27, 28])
def test_every_shift_is_that_of_a_naive_loop(rows, columns):
    images = random_images()
    out = np.full_like(images, 77)
    shift_images(images, rows, columns, out)
    np.testing.assert_array_equal(out, shift_naively(images, rows, columns))


@pytest.mark.parametrize(("rows", "columns"), [(1, 0), (-2, 0), (0, 3), (0, -1), (2, -5)])
def test_a_shift_is_that_of_scipy(rows, columns):
    images = random_images()
    out = np.empty_like(images)
    shift_images(images, rows, columns, out)
    for image, moved in zip(images, out, strict=True):
        expected = ndimage.shift(image, (rows, columns), order=0, cval=0)
        np.testing.assert_array_equal(moved, expected)


def test_images_that_are_not_square_shift_too():
    images = random_images(n=5, height=6, width=11)
    out = np.empty_like(images)
    shift_images(images, -2, 3, out)
    np.testing.assert_array_equal(out, shift_naively(images, -2, 3))


def test_chunks_leave_no_seam(monkeypatch):
    monkeypatch.setattr(shift, "CHUNK_ROWS", 3)
    images = random_images(n=10)
    out = np.empty_like(images)
    shift_images(images, 0, 1, out)
    np.testing.assert_array_equal(out, shift_naively(images, 0, 1))


def test_a_view_in_another_order_shifts_like_its_copy():
    images = random_images().transpose(0, 2, 1)[::2]
    out = np.empty(images.shape, np.uint8)
    shift_images(images, 1, 0, out)
    np.testing.assert_array_equal(out, shift_naively(images, 1, 0))


def test_there_and_back_keeps_what_stayed_inside():
    images = random_images()
    there, back = np.empty_like(images), np.empty_like(images)
    shift_images(images, 2, -3, there)
    shift_images(there, -2, 3, back)
    np.testing.assert_array_equal(back[:, :-2, 3:], images[:, :-2, 3:])


def test_copies_are_the_images_and_then_one_block_a_direction(monkeypatch):
    monkeypatch.setattr(shift, "CHUNK_ROWS", 4)
    settings = ShiftAugmentation(pixels=2, directions=("left", "up", "right", "down"))
    images = random_images(n=9)
    out = np.full((count_copies(settings) * 9, 28, 28), 77, np.uint8)
    write_copies(images, settings, 0, out)
    steps = [(0, 0), (0, -2), (-2, 0), (0, 2), (2, 0)]
    for copy, (rows, columns) in enumerate(steps):
        for i in range(9):
            expected = shift_naively(images[i : i + 1], rows, columns)[0]
            np.testing.assert_array_equal(out[copy * 9 + i], expected)


def test_copies_go_straight_into_a_memory_map(tmp_path):
    settings = ShiftAugmentation(directions=("up",))
    images = random_images()
    np.save(tmp_path / "in.npy", images)
    mapped = np.load(tmp_path / "in.npy", mmap_mode="r")
    shape = (2 * len(images), 28, 28)
    out = np.lib.format.open_memmap(tmp_path / "out.npy", "w+", np.uint8, shape)
    write_copies(mapped, settings, 0, out)
    out.flush()
    expected = np.concatenate([images, shift_naively(images, -1, 0)])
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), expected)


def test_the_count_of_copies_is_the_image_and_one_a_direction():
    assert count_copies(ShiftAugmentation()) == 5
    assert count_copies(ShiftAugmentation(directions=("left",))) == 2


def test_no_images_give_no_copies():
    out = np.empty((0, 28, 28), np.uint8)
    write_copies(np.empty((0, 28, 28), np.uint8), ShiftAugmentation(), 0, out)


def test_images_that_are_not_uint8_are_refused():
    images = random_images().astype(np.float32)
    with pytest.raises(InputError, match="float32"):
        shift_images(images, 1, 0, np.empty_like(images))


@pytest.mark.parametrize(
    "out",
    [
        np.empty((6, 28, 28), np.uint8),
        np.empty((7, 28, 28), np.int16),
        np.empty((7, 28, 56), np.uint8)[:, :, ::2],
    ],
)
def test_an_output_that_does_not_fit_is_refused(out):
    with pytest.raises(InputError, match=r"\(7, 28, 28\)"):
        shift_images(random_images(), 1, 0, out)


def test_shifting_in_place_is_refused():
    images = random_images()
    with pytest.raises(InputError, match="their own input"):
        shift_images(images, 1, 0, images)
