"""Pillow writes the files, and is the oracle of what OpenCV decodes."""

import io
import json
import struct
import subprocess
import sys
import tracemalloc
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from digitflow.errors import InputError
from digitflow.images import pictures
from digitflow.images.files import decode_picture, read_picture
from digitflow.images.frame import to_mnist_frame
from digitflow.images.pictures import MAX_PIXELS, decode_image, inspect_picture


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


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tiff"])
def test_colours_become_gray(write, draw_digit, suffix):
    drawing = draw_digit("4")
    colours = np.repeat(drawing[..., None], 3, axis=2)
    gray = read_picture(write(colours, suffix))
    assert gray.shape == drawing.shape
    assert gray.dtype == np.uint8
    assert np.abs(gray.astype(int) - drawing).mean() < 2


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


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp", ".tiff"])
@pytest.mark.parametrize("damage", ["empty", "text", "cut", "nearly whole", "header only"])
def test_a_damaged_picture_is_refused_by_name(write, suffix, damage):
    noise = np.random.default_rng(0).integers(0, 256, (60, 60), dtype=np.uint8)
    path = write(noise, suffix)
    content = path.read_bytes()
    half = len(content) // 2
    contents = {
        "empty": b"",
        "text": b"hello",
        "cut": content[:half],
        "nearly whole": content[: -len(content) // 100 - 4],
        "header only": content[:30],
    }
    path.write_bytes(contents[damage])
    with pytest.raises(InputError, match="is no picture, or a damaged one") as caught:
        read_picture(path)
    assert str(path) in str(caught.value)


def save(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.fixture
def red_on_white(draw_digit):
    """A drawing, and a picture of it in red ink on white."""
    drawing = draw_digit("4", side=64)
    picture = np.full((64, 64, 3), 255, np.uint8)
    picture[..., 1:] -= (drawing[..., None] * 0.9).astype(np.uint8)
    return 255 - (drawing * 0.9).astype(np.uint8), Image.fromarray(picture)


WAYS = {
    "png": ("RGB", "PNG", {}),
    "cmyk jpeg": ("CMYK", "JPEG", {"quality": 95}),
    "cmyk tiff": ("CMYK", "TIFF", {}),
    "palette png": ("P", "PNG", {}),
    "palette tiff": ("P", "TIFF", {}),
    "jpeg": ("RGB", "JPEG", {"quality": 95}),
    "progressive jpeg": ("RGB", "JPEG", {"progressive": True, "quality": 95}),
    "jpeg with a comment": ("RGB", "JPEG", {"comment": b"\xff\xd9 not the end" * 9}),
    "webp": ("RGB", "WEBP", {"quality": 95}),
    "lossless webp": ("RGBA", "WEBP", {"lossless": True}),
    "packed tiff": ("RGB", "TIFF", {"compression": "tiff_lzw"}),
    "tiff with jpeg inside": ("RGB", "TIFF", {"compression": "jpeg"}),
    "bmp": ("RGB", "BMP", {}),
    "palette bmp": ("P", "BMP", {}),
}
TWO_PAGES = {"save_all": True, "append_images": [Image.new("L", (9, 9))]}
MORE_WAYS = {
    "gray png": ("L", "PNG", {}),
    "gray jpeg": ("L", "JPEG", {}),
    "tiff of two pages": ("RGB", "TIFF", TWO_PAGES),
    "pdf of two pages": ("RGB", "PDF", TWO_PAGES),
}
BLACK_AND_WHITE = {
    "png": ("PNG", {}),
    "bmp": ("BMP", {}),
    "tiff": ("TIFF", {}),
    "fax tiff": ("TIFF", {"compression": "group4"}),
}


def make_image(width=37, height=23, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.mark.parametrize("size", [(1, 1), (255, 256), (300, 2)])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "WEBP", "TIFF"])
def test_any_size_is_read(kind, size):
    assert decode_picture(save(make_image(*size), kind), "it").shape == size[::-1]


@pytest.mark.parametrize("way", WAYS)
def test_every_beginning_of_a_file_is_read_or_refused(way):
    mode, kind, options = WAYS[way]
    content = save(make_image().convert(mode), kind, **options)
    for length in range(min(len(content), 900)):
        try:
            picture = decode_picture(content[:length], "it")
        except InputError:
            continue
        assert picture.shape == (23, 37)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("lossless", [True, False])
def test_transparency_is_seen(kind, lossless):
    options = {"lossless": lossless} if kind == "WEBP" else {}
    assert not inspect_picture(save(make_image(), kind, **options), "it").transparent
    image = make_image().convert("RGBA")
    image.putalpha(image.getchannel("R"))
    assert inspect_picture(save(image, kind, **options), "it").transparent


def test_a_palette_with_a_transparent_colour_is_transparent():
    content = save(make_image().convert("P"), "PNG", transparency=0)
    assert inspect_picture(content, "it").transparent


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_a_film_is_refused(kind):
    frames = [make_image(seed=seed) for seed in (1, 2)]
    content = save(make_image(), kind, save_all=True, append_images=frames)
    with pytest.raises(InputError, match=f"it is a {kind} of several pictures: save one"):
        decode_picture(content, "it")


def write_tags(content, tags):
    """Turn some of a TIFF's numbered entries into others: {old: (new, value)}."""
    at = struct.unpack_from("<I", content, 4)[0]
    for entry in range(at + 2, at + 2 + 12 * content[at], 12):
        tag = struct.unpack_from("<H", content, entry)[0]
        if tag in tags:
            struct.pack_into("<HHII", content, entry, tags[tag][0], 4, 1, tags[tag][1])


def claim_size(kind, width, height):
    """Return a file that claims another size than it has."""
    content = bytearray(save(make_image(), kind, **({"lossless": 1} if kind == "WEBP" else {})))
    if kind == "PNG":
        struct.pack_into(">II", content, 16, width, height)
        struct.pack_into(">I", content, 29, zlib.crc32(content[12:29]))
    elif kind == "JPEG":
        struct.pack_into(">HH", content, content.index(b"\xff\xc0") + 5, height, width)
    elif kind == "BMP":
        struct.pack_into("<ii", content, 18, width, -height)
    elif kind == "WEBP":
        struct.pack_into("<I", content, 21, (width - 1) | (height - 1) << 14)
    else:
        write_tags(content, {256: (256, width), 257: (257, height)})
    return bytes(content)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "WEBP", "TIFF"])
def test_a_bomb_is_refused_by_what_it_claims(kind):
    for sides in ((30_000, 30_000), (8192, MAX_PIXELS // 8192 + 1)):
        # WebP can't claim more than 16,384.
        width, height = (min(side, 16_000) for side in sides) if kind == "WEBP" else sides
        with pytest.raises(InputError, match=r"it .*was not opened.* [Mm]ake it smaller"):
            decode_picture(claim_size(kind, width, height), "it")
    with pytest.raises(InputError, match=r"it has 8,192 x 8,193 pixels, .* 64 million"):
        decode_picture(claim_size(kind, 8192, MAX_PIXELS // 8192 + 1), "it")
    assert not inspect_picture(claim_size(kind, 8192, MAX_PIXELS // 8192), "it").transparent


def test_a_tiffs_tiles_count_too():
    content = bytearray(save(make_image(), "TIFF", dpi=(1, 1)))
    write_tags(content, {282: (322, 30_000), 283: (323, 30_000)})
    with pytest.raises(InputError, match=r"it has 37 x 23 pixels in tiles of 900,000,000, .*"):
        decode_picture(bytes(content), "it")


def test_a_png_chunk_that_claims_more_than_the_file_holds_is_refused():
    content = save(make_image(), "PNG")
    for place in (33, len(content) - 12):  # that of the pixels, and the end
        damaged = bytearray(content)
        struct.pack_into(">I", damaged, place, 0x7FFFFFFF)
        with pytest.raises(InputError, match="damaged"):
            inspect_picture(bytes(damaged), "it")


@pytest.mark.parametrize("mode", ["F", "I", "LAB"])
def test_a_tiff_that_would_be_read_wrongly_is_refused(mode):
    image = make_image() if mode == "LAB" else make_image().convert("L")
    with pytest.raises(InputError, match=r"it is a TIFF .*: save it"):
        decode_picture(save(image.convert(mode), "TIFF"), "it")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (b"hello world", "it begins with b'hello wo'"),
        (b"GIF89a..", "it is a GIF, which may be a film: save it as one picture, PNG"),
        (b"\0\0\0\x18ftypheic....", "it is a HEIC photo"),
        (b"\0\0\0\x18ftypheix....", "it is a HEIC photo"),
        (b"\0\0\0\x18ftypmsf1....", "it is a HEIF photo"),
        (b"\0\0\0\x18ftypavis....", "it is an AVIF picture"),
        (b"\0\0\0\x18ftypmp42....", "it is a film"),
        (b"<svg/>", "it is an SVG, which has no pixels"),
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- by hand -->\n<SVG>', "it is an SVG"),
        (b"<!DOCTYPE html><html>", "it is a web page"),
        (b"\0\0\0\x0cJXL \r\n", "it is a JPEG XL"),
        (b"BM", "it is no picture, or a damaged one"),
        (b"\xff\xd8\xff", "it is no picture, or a damaged one"),
        (b"RIFF....WAVEfmt ", "it is no picture, or a damaged one"),
    ],
)
def test_what_is_no_picture_of_ours_is_named(content, message):
    with pytest.raises(InputError, match=message):
        decode_picture(content, "it")


@pytest.mark.parametrize("way", WAYS)
def test_any_way_of_storing_colours_gives_the_same_gray(red_on_white, way):
    expected, image = red_on_white
    mode, kind, options = WAYS[way]
    gray = decode_picture(save(image.convert(mode), kind, **options), "it")
    # Blurred colours and the few of a palette are what differs.
    assert np.abs(gray.astype(int) - expected).mean() < 8


@pytest.mark.parametrize("way", BLACK_AND_WHITE)
def test_two_colours_of_one_bit_are_black_and_white(draw_digit, way):
    drawing = draw_digit("4") > 100
    kind, options = BLACK_AND_WHITE[way]
    gray = decode_picture(save(Image.fromarray(drawing), kind, **options), "it")
    np.testing.assert_array_equal(gray, drawing * 255)


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        ("JPEG", "RGB"),
        ("JPEG", "L"),
        ("PNG", "RGB"),
        ("PNG", "L"),
        ("PNG", "RGBA"),
        ("WEBP", "RGB"),
        ("WEBP", "RGBA"),
        ("TIFF", "RGB"),
        ("TIFF", "RGBA"),
    ],
)
def test_any_photo_is_turned_the_way_its_camera_says(kind, mode, turn):
    exif = Image.Exif()
    exif[0x0112] = turn
    photo = make_corner(mode)
    turned = decode_picture(save(photo, kind, exif=exif), "it")
    # Pillow is the oracle.
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(save(photo, kind, exif=exif))))
    expected = np.asarray(upright.convert("RGBA").getchannel("A" if "A" in mode else "R"))
    assert turned.shape == expected.shape
    assert ((turned > 128) == (expected > 128)).mean() > 0.95


def make_corner(mode):
    """A picture that looks different in each of the eight positions: ink in one corner."""
    ink = np.zeros((40, 64), np.uint8)
    ink[:8, :40] = 255
    image = Image.fromarray(ink).convert("RGB").convert(mode)
    if mode == "RGBA":
        image.putalpha(Image.fromarray(ink))
    return image


def test_a_png_that_says_behind_its_pixels_how_it_was_held_is_turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    content = save(make_image(), "PNG", exif=exif)
    place = content.index(b"eXIf") - 4
    length = 12 + int.from_bytes(content[place : place + 4])
    chunk, rest = content[place : place + length], content[:place] + content[place + length :]
    late = rest[:-12] + chunk + rest[-12:]
    np.testing.assert_array_equal(decode_picture(late, "it"), decode_picture(content, "it"))
    assert decode_picture(late, "it").shape == (37, 23)


@pytest.mark.parametrize("bits", [1, 8, 10, 12, 14, 16])
def test_16_bits_of_which_few_are_used_are_read(write, draw_digit, bits):
    drawing = draw_digit("4")
    drawing = drawing if bits > 1 else np.where(drawing > 100, 255, 0).astype(np.uint8)
    levels = np.rint(drawing / 255 * (2**bits - 1)).astype(np.uint16)
    for picture in (levels, cv2.merge([levels] * 3)):
        for suffix in (".png", ".tiff"):
            np.testing.assert_array_equal(read_picture(write(picture, suffix)), drawing)


def test_levels_that_could_be_of_any_range_are_refused(write):
    with pytest.raises(InputError, match=r"picture.png holds uint16 from 0 to 9, .*explicit"):
        read_picture(write(np.tile(np.arange(10, dtype=np.uint16), (10, 1))))


NOISE = """
import sys
from pathlib import Path
from digitflow.errors import InputError
from digitflow.images import pictures
from digitflow.images.files import read_picture
for path in sys.argv[1:]:
    try:
        print(read_picture(Path(path)).shape)
    except InputError as exc:
        print("refused:", exc)
"""


def test_decoders_write_nothing_about_damaged_files(tmp_path):
    jpeg, png = (bytearray(save(make_image(60, 60), kind)) for kind in ("JPEG", "PNG"))
    jpeg[700:760] = bytes(range(60))
    png[200] ^= 0xFF
    tiff = bytearray(save(make_image(60, 60), "TIFF", compression="tiff_lzw"))
    tiff[50] ^= 0xFF
    profile = save(make_image(), "PNG", icc_profile=b"\0\0\1\0abcd" + b"junk" * 60)
    files = {"a.jpg": jpeg, "b.png": png, "c.tiff": tiff, "d.png": profile}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-c", NOISE, *(tmp_path / name for name in files)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert len(lines) == 4
    assert "b.png is no picture, or a damaged one" in lines[1]
    assert lines[3] == "(23, 37)"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "WEBP", "TIFF"])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "I;16"])
def test_a_large_picture_is_read_at_half_its_size(kind, mode, monkeypatch):
    if (kind, mode) in {
        ("JPEG", "RGBA"),
        *((kind, "I;16") for kind in ("JPEG", "BMP", "WEBP")),
    }:
        pytest.skip(f"no {kind} is {mode}")
    monkeypatch.setattr(pictures, "LARGE_PIXELS", 60 * 40 - 1)
    image = make_corner("L" if mode == "I;16" else mode).resize((61, 40))
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image).astype(np.uint16) * 16)
    frames = [image, image] if kind == "TIFF" else [image]
    content = save(
        image, kind, **({"save_all": True, "append_images": frames[1:]} if frames[1:] else {})
    )
    header = inspect_picture(content, "it")
    for page in range(1, 1 + len(frames)):
        gray, reduction = decode_image(content, "it", header, page)
        assert reduction == 2
        assert gray.shape in {(20, 30), (20, 31)}
        assert gray[:3, :16].min() > 200
        assert gray[6:].max() < 60


def test_a_text_that_unpacks_to_much_more_is_refused_and_takes_no_memory():
    content = save(make_image(), "PNG")
    text = b"Comment\0\0" + zlib.compress(bytes(200 << 20))
    checksum = zlib.crc32(b"zTXt" + text).to_bytes(4, "big")
    chunk = len(text).to_bytes(4, "big") + b"zTXt" + text + checksum
    bomb = content[:33] + chunk + content[33:]
    tracemalloc.start()
    with pytest.raises(InputError, match="too large"):
        decode_picture(bomb, "it")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6


def test_thousands_of_mutated_files_are_read_or_refused_without_a_crash(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (24, 30, 3), dtype=np.uint8)
    for name, (mode, kind, options) in (WAYS | MORE_WAYS).items():
        content = save(Image.fromarray(pixels).convert(mode), kind, **options)
        (tmp_path / name).write_bytes(content)
    script = Path(__file__).with_name("fuzz_pictures.py")
    done = subprocess.run(
        [sys.executable, script, tmp_path, "5000", "0"], capture_output=True, text=True
    )
    assert done.returncode == 0, f"{done.stderr[-2000:]}\n(the file is {tmp_path}/last.bin)"
    outcome = json.loads(done.stdout)
    assert outcome["read"] + outcome["refused"] == 5000
    assert min(outcome["read"], outcome["refused"]) > 500
    assert outcome["megabytes"] < 200
