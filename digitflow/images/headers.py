"""What a picture file claims to be, read from its first bytes without decoding it.

A file of a few kilobytes can unpack to gigabytes. So its size is known before a decoder
sees it, and only files of the few formats below ever reach one.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from digitflow.errors import InputError

FORMATS = "PNG, JPEG, BMP, WebP or TIFF"
MAX_PIXELS = 1 << 26
"""A phone's 64 megapixels fit."""

_STRANGERS = {
    b"GIF8": "a GIF, which may be a film",
    b"%PDF": "a PDF, which may have pages",
    b"<svg": "an SVG, which has no pixels",
}
# Phones write the first; none of them is in every build of the decoder.
_BRANDS = {b"heic": "a HEIC photo", b"mif1": "a HEIF photo", b"avif": "an AVIF picture"}
# Stands alone, without a length: TEM, RST0 to RST7, start and end of the picture.
_BARE_MARKERS = {0x01, *range(0xD0, 0xDA)}
_FRAME_MARKERS = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SCAN_MARKER = 0xDA
_SHORT, _LONG = 3, 4
# Gray, gray inverted, RGB, palette, CMYK, YCbCr: what the decoder turns into right colours.
_TIFF_COLOURS = {0, 1, 2, 3, 5, 6}


@dataclass(frozen=True)
class Header:
    """Width and height in pixels, and whether the picture has transparent parts."""

    width: int
    height: int
    transparent: bool = False


def read_header(content: bytes, name: str) -> Header:
    """Read what a picture file says of itself.

    Parameters
    ----------
    content : bytes
        The whole file.
    name : str
        How errors call it.

    Raises
    ------
    InputError
        If it is none of the known formats, holds several pictures, is damaged so early, or
        is larger than `MAX_PIXELS`.
    """
    try:
        header = _choose_reader(content, name)(content)
    except (struct.error, IndexError) as exc:
        raise InputError(f"{name} is no picture, or a damaged one: it ends too early") from exc
    except ValueError as exc:
        raise InputError(f"{name} {exc}") from exc
    _check_size(header, name)
    return header


def _choose_reader(content: bytes, name: str) -> Callable[[bytes], Header]:
    for signature, reader in _READERS.items():
        if content.startswith(signature):
            return reader
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return _read_webp
    stranger = _STRANGERS.get(content[:4])
    if content[4:8] == b"ftyp":
        stranger = _BRANDS.get(content[8:12])
    if stranger is not None:
        raise InputError(f"{name} is {stranger}: save it as one picture, {FORMATS}")
    found = f"it begins with {content[:8]!r}" if content else "it is empty"
    raise InputError(f"{name} is no picture, or a damaged one: {FORMATS} is expected, {found}")


def _check_size(header: Header, name: str) -> None:
    if min(header.width, header.height) < 1:
        raise InputError(
            f"{name} is no picture, or a damaged one: it says that it has "
            f"{header.width} x {header.height} pixels"
        )
    if header.width * header.height > MAX_PIXELS:
        raise InputError(
            f"{name} has {header.width:,} x {header.height:,} pixels, a picture may have "
            f"{MAX_PIXELS >> 20} million: it was not opened. Make it smaller"
        )


def _read_png(content: bytes) -> Header:
    width, height, _, colour = struct.unpack_from(">IIBB", content, 16)
    kinds = set(_iterate_png_chunks(content))
    if b"acTL" in kinds:
        raise ValueError(f"is an animated PNG: save one picture of it as {FORMATS}")
    return Header(width, height, transparent=bool(colour & 4) or b"tRNS" in kinds)


def _iterate_png_chunks(content: bytes) -> Iterator[bytes]:
    """Yield the kinds of chunks, each of which must lie within the file.

    The decoder makes room for as much as a chunk claims to hold, up to 4 GB.
    """
    place, kind = 8, b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", content, place)
        place += 12 + length
        if place > len(content):
            raise IndexError
        yield kind


def _read_jpeg(content: bytes) -> Header:
    header = None
    for marker, place in _iterate_jpeg_segments(content):
        if marker in _FRAME_MARKERS and header is None:
            height, width = struct.unpack_from(">HH", content, place + 3)
            header = Header(width, height)
        if marker == _SCAN_MARKER:
            # A thumbnail's own end stands before the scan; inside one it can't.
            if b"\xff\xd9" not in content[place:]:
                raise IndexError
            break
    if header is None:
        raise ValueError("is no picture, or a damaged one: a JPEG without a frame")
    return header


def _iterate_jpeg_segments(content: bytes) -> Iterator[tuple[int, int]]:
    """Yield each segment's marker and where its length stands.

    Bytes between segments are passed over, as the decoder does.
    """
    place = 2
    while True:
        place = content.find(b"\xff", place)
        if place < 0:
            raise IndexError
        while content[place] == 0xFF:
            place += 1
        marker = content[place]
        place += 1
        if marker == 0 or marker in _BARE_MARKERS:
            continue
        yield marker, place
        place += max(2, int(struct.unpack_from(">H", content, place)[0]))


def _read_bmp(content: bytes) -> Header:
    (size,) = struct.unpack_from("<I", content, 14)
    width, height = struct.unpack_from("<HH" if size == 12 else "<ii", content, 18)
    return Header(width, abs(height))  # negative: the first row is the upper one


def _read_webp(content: bytes) -> Header:
    kind = content[12:16]
    if kind == b"VP8X":
        return _read_extended_webp(content)
    if kind == b"VP8L":
        (packed,) = struct.unpack_from("<I", content, 21)
        width, height = 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF)
        return Header(width, height, transparent=bool(packed >> 28 & 1))
    width, height = struct.unpack_from("<HH", content, 26)
    return Header(width & 0x3FFF, height & 0x3FFF)


def _read_extended_webp(content: bytes) -> Header:
    if len(content) < 30:
        raise IndexError
    flags = content[20]
    if flags & 0x02:
        raise ValueError(f"is an animated WebP: save one picture of it as {FORMATS}")
    width, height = (1 + int.from_bytes(content[at : at + 3], "little") for at in (24, 27))
    return Header(width, height, transparent=bool(flags & 0x10))


def _read_tiff(content: bytes) -> Header:
    order = "<" if content.startswith(b"II") else ">"
    (start,) = struct.unpack_from(f"{order}I", content, 4)
    (count,) = struct.unpack_from(f"{order}H", content, start)
    tags: dict[int, int] = {}
    for place in range(start + 2, start + 2 + 12 * count, 12):
        (tag,) = struct.unpack_from(f"{order}H", content, place)
        if tag in _TIFF_TAGS:
            tags.setdefault(tag, _read_tiff_value(content, order, place))
    (following,) = struct.unpack_from(f"{order}I", content, start + 2 + 12 * count)
    if following:
        raise ValueError(f"is a TIFF of several pages: save one of them as {FORMATS}")
    return _judge_tiff({name: tags[tag] for tag, name in _TIFF_TAGS.items() if tag in tags})


def _read_tiff_value(content: bytes, order: str, place: int) -> int:
    """Read the first of a tag's values, which stand in the entry or where it points."""
    kind, count = struct.unpack_from(f"{order}HI", content, place + 2)
    if kind not in (_SHORT, _LONG) or count < 1:
        raise IndexError
    form, size = ("H", 2) if kind == _SHORT else ("I", 4)
    at = place + 8
    if count * size > 4:
        (at,) = struct.unpack_from(f"{order}I", content, at)
    return int(struct.unpack_from(order + form, content, at)[0])


def _judge_tiff(tags: dict[str, int]) -> Header:
    # A tile is unpacked whole, however small the picture in it.
    if tags.get("tile width", 1) * tags.get("tile height", 1) > MAX_PIXELS:
        raise ValueError("is a TIFF with tiles larger than any picture may be")
    if tags.get("format", 1) != 1 or tags.get("bits", 1) > 16:
        raise ValueError("is a TIFF of other numbers than 8 or 16 bits: save it with those")
    if tags.get("colours", 1) not in _TIFF_COLOURS:
        raise ValueError("is a TIFF in other colours than gray, RGB or CMYK: save it in those")
    transparent = tags.get("samples", 1) == 4 and tags.get("colours") == 2
    return Header(tags.get("width", 0), tags.get("height", 0), transparent)


_TIFF_TAGS = {
    256: "width",
    257: "height",
    258: "bits",
    262: "colours",
    277: "samples",
    322: "tile width",
    323: "tile height",
    339: "format",
}
_READERS = {
    b"\x89PNG\r\n\x1a\n": _read_png,
    b"\xff\xd8\xff": _read_jpeg,
    b"BM": _read_bmp,
    b"II*\0": _read_tiff,
    b"MM\0*": _read_tiff,
}
