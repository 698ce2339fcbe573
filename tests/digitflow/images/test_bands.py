"""A PNG decoded in bands of rows is the whole one, halved."""

import io
import struct
import tracemalloc
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from digitflow.images import bands
from digitflow.images.bands import decode_halved

KINDS = {
    "gray": lambda noise: noise[..., 0],
    "colours": lambda noise: noise[..., :3],
    "transparent": lambda noise: noise,
    "gray of 16 bits": lambda noise: noise[..., 0].astype(np.uint16) * 251,
    "colours of 16 bits": lambda noise: noise[..., :3].astype(np.uint16) * 251,
    "transparent of 16 bits": lambda noise: noise.astype(np.uint16) * 251,
}


@pytest.fixture
def noise():
    """Every filter of a PNG is chosen for some of such rows."""
    levels = np.random.default_rng(0).integers(0, 256, (60, 90, 4), dtype=np.uint8)
    smooth = cv2.GaussianBlur(levels, None, 3)
    levels[20:] = smooth[20:]
    levels[40:50, :, :] = np.arange(90, dtype=np.uint8)[:, np.newaxis]
    return levels


def halve(picture):
    size = (picture.shape[1] + 1) // 2, (picture.shape[0] + 1) // 2
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize("band", [1, 1000, 1 << 20])
@pytest.mark.parametrize("kind", KINDS)
def test_bands_are_the_picture_averaged_by_squares(kind, band, noise, monkeypatch):
    monkeypatch.setattr(bands, "_BAND", band)
    picture = np.ascontiguousarray(KINDS[kind](noise))
    content = cv2.imencode(".png", picture)[1].tobytes()
    np.testing.assert_array_equal(decode_halved(content), halve(picture))


@pytest.mark.parametrize("colours", [2, 4, 16, 200])
@pytest.mark.parametrize("width", [90, 89])
def test_a_palettes_colours_are_laid(colours, width, noise, monkeypatch):
    monkeypatch.setattr(bands, "_BAND", 500)
    file = io.BytesIO()
    Image.fromarray(noise[:, :width, :3].copy()).quantize(colours).save(file, "PNG")
    content = np.frombuffer(file.getvalue(), np.uint8)
    assert content[24] == {2: 1, 4: 2, 16: 4, 200: 8}[colours]  # its depth
    whole = cv2.imdecode(content, cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(decode_halved(file.getvalue()), halve(whole))


def test_odd_sides_are_rounded_up(noise):
    content = cv2.imencode(".png", noise[:59, :89, 0].copy())[1].tobytes()
    assert decode_halved(content).shape == (30, 45)


def write_chunk(name, data):
    checksum = struct.pack(">I", zlib.crc32(name + data))
    return struct.pack(">I", len(data)) + name + data + checksum


def write_png(rows, *more, depth=8, kind=0, interlaced=0, size=(8, 8)):
    head = struct.pack(">IIBBBBB", *size, depth, kind, 0, 0, interlaced)
    chunks = [(b"IHDR", head), *more, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(write_chunk(*chunk) for chunk in chunks)


@pytest.mark.parametrize(
    "content",
    [
        write_png(bytes(9 * 8), interlaced=1),
        write_png(bytes(2 * 8), depth=1),
        write_png(bytes(17 * 8), kind=4),
        write_png(bytes(9 * 8), (b"tRNS", b"\0\7")),
        write_png(bytes(9 * 7)),  # a row is missing
        write_png(bytes(9 * 8))[:-30] + bytes(30),
        write_png(b"\7" * 9 * 8),  # no filter has this number
        b"\x89PNG\r\n\x1a\n",
    ],
    ids=[
        "interlaced",
        "1 bit",
        "gray, alpha",
        "a clear level",
        "short",
        "cut",
        "filter",
        "none",
    ],
)
def test_what_can_not_be_had_in_bands_is_left_to_the_decoder(content):
    assert decode_halved(content) is None


def test_more_than_its_rows_is_not_unpacked():
    content = write_png(bytes(9 * 8) + bytes(100 << 20))
    tracemalloc.start()
    assert decode_halved(content).shape == (4, 4)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


def test_the_whole_picture_is_never_in_memory():
    content = cv2.imencode(".png", np.full((3000, 3000, 3), 200, np.uint8))[1].tobytes()
    tracemalloc.start()
    assert decode_halved(content).shape == (1500, 1500, 3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3000 * 3000 * 3 * 0.6
