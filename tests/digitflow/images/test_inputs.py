"""Whatever people have of pictures gives the same frames as the plain uint8 images."""

import io
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from digitflow.errors import InputError
from digitflow.images.frame import to_mnist_frame
from digitflow.images.inputs import iterate_batches, to_picture


@pytest.fixture(scope="module")
def images(draw_digit):
    return np.stack([to_mnist_frame(draw_digit(digit)) for digit in "3591472"])


def read_all(pictures, size=3):
    batches = list(iterate_batches(pictures, size))
    errors, start = {}, 0
    for batch in batches:
        errors |= {start + row: error for row, error in batch.errors.items()}
        start += len(batch.files)
    return np.concatenate([batch.frames for batch in batches]), errors


class Tensor:
    """What torch and others offer to NumPy."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return self.array


WAYS = {
    "uint8": lambda images: images,
    "rows": lambda images: images.reshape(-1, 784),
    "rows by columns": lambda images: np.asfortranarray(images.reshape(-1, 784)),
    "one channel last": lambda images: images[..., None],
    "one channel first": lambda images: images[:, None],
    "shares": lambda images: (images / 255).astype(np.float32),
    "rows of shares": lambda images: images.reshape(-1, 784) / 255,
    "floats to 255": lambda images: images.astype(float),
    "whole numbers": lambda images: images.astype(np.int64),
    "16 bits": lambda images: images.astype(np.uint16) * 257,
    "12 bits": lambda images: np.rint(images * 4095.0 / 255).astype(np.uint16),
    "RGB": lambda images: np.stack([images] * 3, axis=-1),
    "RGBA": lambda images: np.stack([images] * 3 + [np.full_like(images, 255)], axis=-1),
    "a table": lambda images: pd.DataFrame(images.reshape(-1, 784)),
    "a tensor": lambda images: Tensor(images[:, None] / 255),
    "lists of numbers": lambda images: images.reshape(-1, 784).tolist(),
    "lists of lists": lambda images: images.tolist(),
    "a list": list,
    "a generator": lambda images: (image for image in images),
    "a list of shares": lambda images: list(images / 255),
    "a list of rows": lambda images: list(images.reshape(-1, 784)),
    "a list of tensors": lambda images: [Tensor(image[None] / 255) for image in images],
    "a list of PIL images": lambda images: [Image.fromarray(image) for image in images],
    "an array of arrays": lambda images: make_ragged(images),
    "all kinds": lambda images: [
        images[0],
        images[1] / 255,
        Image.fromarray(images[2]),
        write(images[3]),
        io.BytesIO(write(images[4])),
        np.stack([images[5]] * 3, axis=-1),
        images[6].ravel().tolist(),
    ],
}


def make_ragged(images):
    ragged = np.empty(len(images), object)
    ragged[:] = list(images)
    return ragged


def write(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_have_pictures_gives_the_same_frames(images, way):
    frames, errors = read_all(WAYS[way](images))
    np.testing.assert_array_equal(frames, images)
    assert errors == {}


ALONE = {
    "an image": lambda image, folder: image,
    "a row": lambda image, folder: image.ravel(),
    "a row of a table": lambda image, folder: image.reshape(1, 784),
    "shares": lambda image, folder: image / 255,
    "a channel": lambda image, folder: image[..., None],
    "RGB": lambda image, folder: np.dstack([image] * 3),
    "bytes": lambda image, folder: write(image),
    "a view of bytes": lambda image, folder: memoryview(write(image)),
    "a path": lambda image, folder: save(image, folder),
    "a name": lambda image, folder: str(save(image, folder)),
    "an open file": lambda image, folder: io.BufferedReader(io.BytesIO(write(image))),
    "a PIL image": lambda image, folder: Image.fromarray(image),
    "a PIL file": lambda image, folder: Image.open(save(image, folder)),
    "a PIL palette": lambda image, folder: Image.fromarray(image).convert("P"),
    "a PIL image of 16 bits": lambda image, folder: Image.fromarray(
        image.astype(np.uint16) * 257
    ),
    "a PIL CMYK image": lambda image, folder: (
        Image.fromarray(image).convert("RGB").convert("CMYK")
    ),
    "a transparent PIL image": lambda image, folder: Image.merge(
        "LA", [Image.fromarray(np.zeros_like(image)), Image.fromarray(image)]
    ),
}


def save(image, folder):
    path = Path(folder) / "it.png"
    path.write_bytes(write(image))
    return path


@pytest.mark.parametrize("way", ALONE)
def test_one_picture_alone_is_read(images, way, tmp_path):
    frames, errors = read_all(ALONE[way](images[0], tmp_path))
    assert errors == {}
    assert np.abs(frames.astype(int) - images[:1]).max() <= 1


def test_a_drawing_of_any_size_is_one_picture(draw_digit):
    drawing = draw_digit("4", side=70)
    expected = to_mnist_frame(drawing)[None]
    for way in (
        drawing,
        np.dstack([drawing] * 3),
        drawing[None],
        [drawing],
        drawing[..., None],
    ):
        np.testing.assert_array_equal(read_all(way)[0], expected)


def test_photos_of_one_size_are_several_pictures(draw_digit):
    drawings = np.stack([draw_digit(digit, side=70) for digit in "47"])
    expected = np.stack([to_mnist_frame(drawing) for drawing in drawings])
    np.testing.assert_array_equal(read_all(drawings)[0], expected)
    np.testing.assert_array_equal(read_all(np.stack([drawings] * 3, axis=-1))[0], expected)


def test_a_photo_from_pil_is_turned_the_way_its_camera_says(draw_digit, tmp_path):
    drawing = draw_digit("4", side=70)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(drawing)).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(to_picture(Image.open(tmp_path / "a.png")), drawing)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_blank_one_and_one_with_nan_are_named_and_the_others_are_read(images, dtype):
    pictures = images.astype(dtype) / dtype(1 if dtype == np.uint8 else 255)
    pictures[1] = 0
    if dtype == np.float32:
        pictures[4, 3, 3] = np.nan
    for way in (pictures, list(pictures)):
        frames, errors = read_all(way)
        assert "blank" in errors.pop(1)
        if dtype == np.float32:
            assert "1 of 784 values are NaN or infinite" in errors.pop(4)
            np.testing.assert_array_equal(frames, images[[0, 2, 3, 5, 6]])
        else:
            np.testing.assert_array_equal(frames, images[[0, 2, 3, 4, 5, 6]])
        assert errors == {}


def test_what_is_wrong_with_one_of_a_list_is_said_of_it(images, tmp_path):
    (tmp_path / "text.png").write_text("hello")
    wrong = {
        None: "a picture is a path, bytes, .* got NoneType",
        str(tmp_path / "text.png"): "text.png is no picture",
        "": "path is empty",
        b"GIF89a..": "passed as bytes is a GIF",
        3.5: "got float",
    }
    frames, errors = read_all([images[0], *wrong, np.zeros((3, 3, 2), np.uint8), images[1]])
    np.testing.assert_array_equal(frames, images[:2])
    assert list(errors) == [1, 2, 3, 4, 5, 6]
    for error, message in zip(errors.values(), [*wrong.values(), "got .3, 3, 2."], strict=True):
        assert re.search(message, error)


def test_one_pale_picture_among_others_stays_pale(images):
    shares = images / 255
    shares[2] /= 100
    assert list(read_all(shares)[1]) == [2]


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        (np.zeros((784, 784), np.uint8), r"one picture or 784 rows of pixels. .* \[picture\]"),
        (np.full((9, 28, 28), 0.015), "the array holds float64 from 0.015 .* explicit"),
        (np.full((9, 28, 28), 300.0), "the array holds float64 from 300"),
        (np.zeros((9, 28, 28), complex), "got complex128"),
        (
            np.zeros((9, 3, 28, 28), np.uint8),
            r"an array of pictures is .* got \(9, 3, 28, 28\)",
        ),
        (np.zeros((2, 2, 2, 28, 28), np.uint8), "an array of pictures is"),
        (np.float64(3), "an array of pictures is"),
        (5, "pictures are a path, .* got int"),
        (None, "got NoneType"),
        ({"a": 1}, "got dict"),
        ([[0.0, 1.0], [0.0]], "list is no array of pixels"),
        (pd.DataFrame({"label": ["a"], "p": [1]}), "leave out labels"),
        (pd.DataFrame(np.zeros((3, 785))), r"784 columns, .* got \(3, 785\): leave out"),
    ],
)
def test_what_could_mean_two_things_or_nothing_is_refused(pictures, message):
    with pytest.raises(InputError, match=message):
        read_all(pictures)


def test_a_table_of_784_rows_is_no_picture(images):
    table = pd.DataFrame(np.concatenate([images.reshape(-1, 784)] * 112))
    assert sum(len(batch.frames) for batch in iterate_batches(table, 100)) == 784


@pytest.mark.parametrize(
    "nothing", [[], (), np.empty((0, 28, 28), np.uint8), np.empty((0, 784))]
)
def test_nothing_gives_nothing(nothing):
    assert [len(batch.frames) for batch in iterate_batches(nothing, 3)] == []


def test_an_array_is_read_from_its_file_batch_by_batch(images, tmp_path, monkeypatch):
    np.save(tmp_path / "a.npy", images)
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    batches = list(iterate_batches(mapped, 3))
    assert [len(batch.frames) for batch in batches] == [3, 3, 1]
    for batch in batches:
        assert not isinstance(batch.frames, np.memmap)
        batch.frames[:] = 0
    np.testing.assert_array_equal(mapped, images)
