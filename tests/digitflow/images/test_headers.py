"""Pillow, which comes with matplotlib, writes the files and is the oracle of their sizes."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from digitflow.errors import InputError
from digitflow.images.headers import MAX_PIXELS, read_header

WAYS = {
    "png": ("RGB", "PNG", {}),
    "gray png": ("L", "PNG", {}),
    "palette png": ("P", "PNG", {}),
    "jpeg": ("RGB", "JPEG", {}),
    "progressive jpeg": ("L", "JPEG", {"progressive": True}),
    "jpeg with a comment": ("L", "JPEG", {"comment": b"\xff\xd9 not the end" * 9}),
    "cmyk jpeg": ("CMYK", "JPEG", {}),
    "bmp": ("RGB", "BMP", {}),
    "webp": ("RGB", "WEBP", {}),
    "lossless webp": ("RGB", "WEBP", {"lossless": True}),
    "tiff": ("RGB", "TIFF", {}),
    "packed tiff": ("RGB", "TIFF", {"compression": "tiff_lzw"}),
    "fax tiff": ("1", "TIFF", {"compression": "group4"}),
    "cmyk tiff": ("CMYK", "TIFF", {}),
}


def save(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def make_image(width=37, height=23, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.mark.parametrize("way", WAYS)
def test_the_size_is_read_as_pillow_wrote_it(way):
    mode, kind, options = WAYS[way]
    header = read_header(save(make_image().convert(mode), kind, **options), "it")
    assert (header.width, header.height, header.transparent) == (37, 23, False)


@pytest.mark.parametrize("size", [(1, 1), (255, 256), (300, 2)])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "WEBP", "TIFF"])
def test_any_size_is_read(kind, size):
    header = read_header(save(make_image(*size), kind), "it")
    assert (header.width, header.height) == size


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("lossless", [True, False])
def test_transparency_is_seen(kind, lossless):
    image = make_image().convert("RGBA")
    image.putalpha(image.getchannel("R"))
    options = {"lossless": lossless} if kind == "WEBP" else {}
    header = read_header(save(image, kind, **options), "it")
    assert (header.width, header.height, header.transparent) == (37, 23, True)


def test_a_palette_with_a_transparent_colour_is_transparent():
    assert read_header(save(make_image().convert("P"), "PNG", transparency=0), "it").transparent


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("PNG", "animated PNG"),
        ("WEBP", "animated WebP"),
        ("GIF", "a GIF, which may be a film"),
        ("TIFF", "TIFF of several pages"),
    ],
)
def test_several_pictures_in_one_file_are_refused(kind, message):
    frames = [make_image(seed=seed) for seed in (1, 2)]
    content = save(make_image(), kind, save_all=True, append_images=frames)
    with pytest.raises(
        InputError, match=f"it is an? .*{message.split()[-1]}.*save one|{message}"
    ):
        read_header(content, "it")


def claim_size(kind, width, height):
    """Return a sound file's beginning that claims another size."""
    content = bytearray(save(make_image(), kind, **({"lossless": 1} if kind == "WEBP" else {})))
    if kind == "PNG":
        struct.pack_into(">II", content, 16, width, height)
    elif kind == "JPEG":
        place = content.index(b"\xff\xc0")
        struct.pack_into(">HH", content, place + 5, height, width)
    elif kind == "BMP":
        struct.pack_into("<ii", content, 18, width, -height)
    elif kind == "WEBP":
        struct.pack_into("<I", content, 21, (width - 1) | (height - 1) << 14)
    else:
        at = struct.unpack_from("<I", content, 4)[0]
        for entry in range(at + 2, at + 2 + 12 * content[at], 12):
            tag = struct.unpack_from("<H", content, entry)[0]
            if tag in (256, 257):
                value = width if tag == 256 else height
                struct.pack_into("<HII", content, entry + 2, 4, 1, value)
    return bytes(content)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "WEBP", "TIFF"])
def test_a_bomb_is_refused_by_what_it_claims(kind):
    side = 16_000 if kind == "WEBP" else 30_000  # WebP can't claim more than 16,384
    with pytest.raises(InputError, match=f"it has {side:,} x {side:,} pixels, .* 64 million"):
        read_header(claim_size(kind, side, side), "it")
    header = read_header(claim_size(kind, 8192, MAX_PIXELS // 8192), "it")
    assert header.width * header.height == MAX_PIXELS


def test_a_tiffs_tiles_count_too():
    content = bytearray(save(make_image(), "TIFF"))
    at = struct.unpack_from("<I", content, 4)[0]
    struct.pack_into("<HHII", content, at + 2, 322, 4, 1, 30_000)
    struct.pack_into("<HHII", content, at + 14, 323, 4, 1, 30_000)
    with pytest.raises(InputError, match="tiles larger than any picture"):
        read_header(bytes(content), "it")


def test_a_png_chunk_that_claims_more_than_the_file_holds_is_refused():
    content = bytearray(save(make_image(), "PNG"))
    struct.pack_into(">I", content, 33, 0x7FFFFFFF)
    with pytest.raises(InputError, match="damaged"):
        read_header(bytes(content), "it")


@pytest.mark.parametrize("mode", ["F", "LAB"])
def test_a_tiff_that_would_be_read_wrongly_is_refused(mode):
    with pytest.raises(InputError, match=r"it is a TIFF .*: save it"):
        read_header(save(make_image().convert(mode), "TIFF"), "it")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (b"hello world", "it begins with b'hello wo'"),
        (b"%PDF-1.7", "it is a PDF"),
        (b"\0\0\0\x18ftypheic....", "it is a HEIC photo"),
        (b"BM", "it ends too early"),
        (b"\xff\xd8\xff", "it ends too early"),
    ],
)
def test_what_is_no_picture_of_ours_is_named(content, message):
    with pytest.raises(InputError, match=message):
        read_header(content, "it")


@pytest.mark.parametrize("way", WAYS)
def test_every_beginning_of_a_file_is_read_or_refused(way):
    mode, kind, options = WAYS[way]
    content = save(make_image().convert(mode), kind, **options)
    for length in range(min(len(content), 900)):
        try:
            header = read_header(content[:length], "it")
        except InputError:
            continue
        assert (header.width, header.height) == (37, 23)
