import cv2
import numpy as np
import pytest

from digitflow.data.frame import to_mnist_frame
from digitflow.data.pictures import read_picture
from digitflow.errors import InputError


@pytest.fixture
def write(tmp_path):
    def encode(picture, suffix=".png"):
        path = tmp_path / f"picture{suffix}"
        path.write_bytes(cv2.imencode(suffix, picture)[1].tobytes())
        return path

    return encode


def test_a_gray_png_is_read_to_the_bit(write, draw_digit):
    drawing = draw_digit("4")
    np.testing.assert_array_equal(read_picture(write(drawing)), drawing)


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".png", ".bmp"])
def test_colours_become_gray(write, draw_digit, suffix):
    drawing = draw_digit("4")
    colours = np.repeat(drawing[..., None], 3, axis=2)
    gray = read_picture(write(colours, suffix))
    assert gray.shape == drawing.shape
    assert gray.dtype == np.uint8
    assert np.abs(gray.astype(int) - drawing).mean() < 2


def test_a_16_bit_png_is_brought_to_8_bits(write, draw_digit):
    drawing = draw_digit("4")
    np.testing.assert_array_equal(read_picture(write(drawing.astype(np.uint16) * 257)), drawing)


@pytest.mark.parametrize("ink", [0, 255])
def test_ink_on_a_transparent_ground_shows_up_whatever_its_colour(write, draw_digit, ink):
    drawing = draw_digit("4")
    colours = np.full((*drawing.shape, 4), ink, np.uint8)
    colours[..., 3] = drawing
    np.testing.assert_array_equal(
        to_mnist_frame(read_picture(write(colours))), to_mnist_frame(drawing)
    )


def test_an_opaque_alpha_channel_changes_nothing(write, draw_digit):
    drawing = draw_digit("4", ink=0, ground=255)
    colours = np.dstack([drawing, drawing, drawing, np.full_like(drawing, 255)])
    np.testing.assert_array_equal(read_picture(write(colours)), drawing)


def test_a_fully_transparent_picture_is_read_and_blank(write):
    with pytest.raises(InputError, match="blank"):
        to_mnist_frame(read_picture(write(np.zeros((40, 40, 4), np.uint8))))


def test_a_photo_is_turned_the_way_its_camera_says(tmp_path):
    picture = np.zeros((40, 60), np.uint8)
    picture[:, :20] = 255
    content = cv2.imencode(".jpg", picture)[1].tobytes()
    # EXIF of a single entry, orientation 6: turn right by 90 degrees.
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    path = tmp_path / "photo.jpg"
    path.write_bytes(content[:2] + segment + content[2:])
    turned = read_picture(path)
    assert turned.shape == (60, 40)
    assert turned[:15].mean() > 240
    assert turned[25:].mean() < 15


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("damage", ["empty", "text", "cut", "header only"])
def test_a_damaged_picture_is_refused_by_name(write, suffix, damage):
    noise = np.random.default_rng(0).integers(0, 256, (60, 60), dtype=np.uint8)
    path = write(noise, suffix)
    content = path.read_bytes()
    half = len(content) // 2
    contents = {
        "empty": b"",
        "text": b"hello",
        "cut": content[:half],
        "header only": content[:30],
    }
    path.write_bytes(contents[damage])
    with pytest.raises(InputError, match="is no picture, or a damaged one") as caught:
        read_picture(path)
    assert str(path) in str(caught.value)


def test_a_missing_picture_and_a_folder_are_refused_by_name(tmp_path):
    for path in (tmp_path / "nothing.png", tmp_path):
        with pytest.raises(InputError, match="can't read the picture") as caught:
            read_picture(path)
        assert str(path) in str(caught.value)
