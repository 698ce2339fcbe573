"""The content of picture files as gray arrays: what it claims to be, and its pixels.

A file of a few kilobytes can unpack to gigabytes. So Pillow reads what a file claims to be,
which decodes nothing, and only pictures of known formats and sizes reach OpenCV's decoders.
"""

import io
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from digitflow.errors import InputError
from digitflow.images.bands import decode_halved
from digitflow.images.colours import to_gray

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

FORMATS = "PNG, JPEG, BMP, WebP or TIFF"
MAX_FILE_BYTES = 64 << 20
MAX_PIXELS = 1 << 26
"""A phone's 64 megapixels fit."""
LARGE_PIXELS = 1 << 24
"""More are read at half their size: it bounds memory, and no digit needs them.

A progressive JPEG, a WebP, a TIFF and a PNG of odd kinds (see `digitflow.images.bands`) are
decoded whole first.
"""
MAX_PAGES = 1000
NO_MEMORY = "there is not enough memory for it"

_SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"RIFF": "WEBP",
}
_OTHER_FORMATS = {
    b"GIF8": "a GIF, which may be a film",
    b"8BPS": "a Photoshop document",
    b"%!PS": "a PostScript document",
    b"\0\0\0\x0cjP": "a JPEG 2000 picture",
    b"\0\0\0\x0cJXL": "a JPEG XL picture",
    b"\xff\x0a": "a JPEG XL picture",
}
# Phones write some of them; none is in every build of the decoder.
_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis"), "a HEIC photo"),
    **dict.fromkeys((b"hevc", b"hevx", b"hevm", b"hevs"), "a HEIC sequence of photos"),
    **dict.fromkeys((b"mif1", b"mif2", b"msf1"), "a HEIF photo"),
    **dict.fromkeys((b"avif", b"avis"), "an AVIF picture"),
}
# Behind a prolog, a comment and a document type of usual length.
_SVG_HEAD = 4096
# Floats, 32 bits and CIE colours: the decoder would turn them into wrong levels.
_REFUSED_TIFF_MODES = ("F", "I", "LAB")
_GRAY_MODES = ("1", "L", "I;16", "I;16B", "I;16L")
_TILE_WIDTH, _TILE_HEIGHT, _SUBFILE, _ORIENTATION = 322, 323, 254, 0x0112
_TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda gray: gray[:, ::-1],
    3: lambda gray: gray[::-1, ::-1],
    4: lambda gray: gray[::-1],
    5: lambda gray: gray.T,
    6: lambda gray: gray.T[:, ::-1],
    7: lambda gray: gray[::-1, ::-1].T,
    8: lambda gray: gray.T[::-1],
}
# Standard error belongs to the whole process.
_DECODING = Lock()


class Picture(NamedTuple):
    """A gray picture, (height, width) uint8, and by how much it was made smaller."""

    gray: np.ndarray
    reduction: int


class Header(NamedTuple):
    """What a picture file claims to be.

    Attributes
    ----------
    format : str
        As Pillow calls it.
    pixels : int
        Of one page.
    transparent, grayscale : bool
        Whether some of it is transparent; whether it has no colours.
    turn : int
        How the camera was held, 1 to 8 as in EXIF.
    pages : tuple of int
        The pages' places in the file; more than one only in TIFF.
    """

    format: str
    pixels: int
    transparent: bool
    grayscale: bool
    turn: int
    pages: tuple[int, ...]


def decode_image(content: bytes, name: str, header: Header, page: int = 1) -> Picture:
    """Turn a page of a PNG, JPEG, BMP, WebP or TIFF file into a gray picture.

    A photo is turned the way its camera says. 16 bits become 8, also where only 10, 12 or 14
    of them are used; colours become gray as in `to_gray`. A picture of more than
    `LARGE_PIXELS` comes at half its size.

    Parameters
    ----------
    content : bytes
        At most 64 MB, of at most 64 million pixels; what claims more is not unpacked.
    name : str
        How errors call it.
    header : Header
        What `inspect_picture` says of it.
    page : int
        From 1.

    Raises
    ------
    InputError
        If it is damaged, or the page too large.
    """
    place = header.pages[page - 1]
    if place:
        header = inspect_picture(content, name, place)
    picture = _decode(content, header, place)
    if picture is None:
        raise InputError(
            f"{name} is no picture, or a damaged one: it begins as {FORMATS} does, but can't "
            "be decoded. Save it again"
        )
    reduction = 1
    if header.pixels > LARGE_PIXELS:
        reduction = 2
        # Not every decoder halves what it is asked to.
        if picture.shape[0] * picture.shape[1] > header.pixels / 2:
            picture = halve_picture(picture)
    # OpenCV's order is blue, green, red; to gray all three are alike.
    gray = to_gray(picture, name)
    turned = _TURNS[header.turn](gray) if header.turn in _TURNS else gray
    return Picture(np.ascontiguousarray(turned), reduction)


def halve_picture(picture: np.ndarray) -> np.ndarray:
    """Average squares of 2 x 2 pixels."""
    import cv2

    height, width = picture.shape[:2]
    size = (width + 1) // 2, (height + 1) // 2
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))


def inspect_picture(content: bytes, name: str, place: int = 0) -> Header:
    """Check what a picture file, or one page of it, claims to be.

    Parameters
    ----------
    content : bytes
        The whole file; nothing of it is decoded.
    name : str
        How errors call it.
    place : int
        Which of a TIFF's pictures is looked at.

    Raises
    ------
    InputError
        If it is none of the known formats, a film, damaged as far as can be told without
        decoding it, or larger than `MAX_PIXELS`.
    """
    from PIL.Image import DecompressionBombError

    _check_format(content, name)
    file = io.BytesIO(content)
    try:
        # Of odd tags, which matter to nobody here.
        with warnings.catch_warnings(action="ignore"), _open(file) as image:
            pages = _list_pages(image, name)
            if place:
                image.seek(place)
            _check_claims(image, name)
            header = _describe(image, content, pages)
            _check_end(image, file)
            return header
    except DecompressionBombError as exc:
        raise InputError(f"{name} was not opened: {exc} Make it smaller") from exc
    # What Pillow raises for damaged files.
    except (OSError, EOFError, SyntaxError, TypeError, ValueError, OverflowError) as exc:
        raise InputError(f"{name} is no picture, or a damaged one: {exc}") from exc


def _check_format(content: bytes, name: str) -> None:
    if len(content) > MAX_FILE_BYTES:
        raise InputError(
            f"{name} has more than {MAX_FILE_BYTES >> 20} MB, which is all that a picture may "
            "have. Make it smaller: 28 pixels are left of a digit's height in the end"
        )
    if is_known(content):
        return
    other = _name_other(content)
    if other is not None:
        raise InputError(f"{name} is {other}: save it as one picture, {FORMATS}")
    found = f"it begins with {content[:8]!r}" if content else "it is empty"
    raise InputError(f"{name} is no picture, or a damaged one: {FORMATS} is expected, {found}")


def is_known(content: bytes) -> bool:
    """Tell whether a file begins as a picture of a known format does."""
    return content.startswith(tuple(_SIGNATURES))


def _name_other(content: bytes) -> str | None:
    """Say what a file is that has one of the formats not read here."""
    if content[4:8] == b"ftyp":
        return _BRANDS.get(content[8:12], "a film, or a photo in a film's format")
    beginning = content[:_SVG_HEAD].lower()
    if b"<svg" in beginning:
        return "an SVG, which has no pixels"
    if b"<html" in beginning or b"<!doctype html" in beginning:
        return "a web page"
    return next((o for start, o in _OTHER_FORMATS.items() if content.startswith(start)), None)


def _open(file: io.BytesIO) -> "ImageFile":
    """Open a picture lazily, by the one plug-in for its format.

    `PIL.Image.open` would load all plug-ins, and bounds pixels by a global variable.
    """
    from PIL import (
        BmpImagePlugin,
        JpegImagePlugin,
        PngImagePlugin,
        TiffImagePlugin,
        WebPImagePlugin,
    )

    plugins: dict[str, Callable[[io.BytesIO], ImageFile]] = {
        "PNG": PngImagePlugin.PngImageFile,
        "JPEG": JpegImagePlugin.JpegImageFile,
        "BMP": BmpImagePlugin.BmpImageFile,
        "TIFF": TiffImagePlugin.TiffImageFile,
        "WEBP": WebPImagePlugin.WebPImageFile,
    }
    beginning = file.getvalue()[:8]
    kinds = (kind for start, kind in _SIGNATURES.items() if beginning.startswith(start))
    return plugins[next(kinds)](file)


def _list_pages(image: "ImageFile", name: str) -> tuple[int, ...]:
    """Return the places of a TIFF's pages, without the small copies that cameras add."""
    if image.format != "TIFF":
        return (0,)
    pages = []
    for place in range(MAX_PAGES + 1):
        try:
            image.seek(place)
        except EOFError:
            break
        if place == 0 or not _read_tag(image, _SUBFILE) & 1:
            pages.append(place)
    image.seek(0)
    bound_pages(len(pages), name)
    return tuple(pages)


def bound_pages(pages: int, name: str) -> int:
    """Return how many pages a file has, if they are not too many."""
    if pages > MAX_PAGES:
        raise InputError(f"{name} has more than {MAX_PAGES:,} pages: split it")
    return pages


def _read_tag(image: "ImageFile", tag: int, missing: int = 0) -> int:
    value = getattr(image, "tag_v2", {}).get(tag, missing)
    return value if isinstance(value, int) else missing


def _check_claims(image: "ImageFile", name: str) -> None:
    tags = getattr(image, "tag_v2", {})
    # A tile is unpacked whole, however small the picture in it.
    width, height = (tags.get(tag, 1) for tag in (_TILE_WIDTH, _TILE_HEIGHT))
    if not isinstance(width, int) or not isinstance(height, int):
        raise TypeError(f"its tiles have {width} x {height} pixels")
    tile = width * height
    if max(image.width * image.height, tile) > MAX_PIXELS:
        raise InputError(
            f"{name} has {image.width:,} x {image.height:,} pixels"
            f"{f' in tiles of {tile:,}' if tile > 1 else ''}, a picture may have "
            f"{MAX_PIXELS >> 20} million: it was not opened. Make it smaller"
        )
    if image.format != "TIFF" and getattr(image, "is_animated", False):
        raise InputError(
            f"{name} is a {image.format} of several pictures: save one of them as {FORMATS}"
        )
    if image.format == "TIFF" and image.mode in _REFUSED_TIFF_MODES:
        raise InputError(
            f"{name} is a TIFF of other levels than gray, RGB or CMYK of 8 or 16 bits "
            f"({image.mode}): save it with those"
        )


def _describe(image: "ImageFile", content: bytes, pages: tuple[int, ...]) -> Header:
    from PIL.Image import Exif, Image

    turn = 1
    # OpenCV turns a TIFF by itself, whatever it is told, and bitmaps have no camera.
    if image.format in ("PNG", "JPEG", "WEBP"):
        # Not the plug-in's own, which would decode a PNG to look behind its pixels.
        turn = Image.getexif(image).get(_ORIENTATION, 1)
    if image.format == "PNG" and "exif" not in image.info:
        late = Exif()
        late.load(_find_late_exif(content))
        turn = late.get(_ORIENTATION, turn)
    return Header(
        format=image.format or "",
        pixels=image.width * image.height,
        transparent=image.format != "BMP" and image.has_transparency_data,
        grayscale=image.mode in _GRAY_MODES,
        turn=turn if isinstance(turn, int) else 1,
        pages=pages,
    )


def _find_late_exif(content: bytes) -> bytes:
    """Return what a PNG's chunk eXIf holds, which may stand behind the pixels."""
    place = 8
    while place + 8 <= len(content):
        length = int.from_bytes(content[place : place + 4])
        if content[place + 4 : place + 8] == b"eXIf":
            return content[place + 8 : place + 8 + length]
        place += 12 + length
    return b""


def _check_end(image: "ImageFile", file: io.BytesIO) -> None:
    """Raise `OSError` or `SyntaxError` if the end of a file is missing.

    OpenCV fills up a JPEG that was cut; of a PNG it makes room for as much as a chunk claims
    to hold, up to 4 GB.
    """
    whole = True
    if image.format == "PNG":
        image.verify()
        file.seek(-8, io.SEEK_CUR)  # to the last chunk's length
        whole = file.read(4) == bytes(4)
    if image.format == "JPEG":
        # A thumbnail's own end stands before the scan, where Pillow stopped.
        whole = b"\xff\xd9" in file.read()
    if not whole:
        raise OSError("it ends too early")


def _decode(content: bytes, header: Header, place: int) -> np.ndarray | None:
    import cv2

    if header.format == "PNG" and header.pixels > LARGE_PIXELS:
        with _silence_decoders():
            halved = decode_halved(content)
        if halved is not None:
            return halved
    mode = cv2.IMREAD_GRAYSCALE if header.grayscale else cv2.IMREAD_COLOR
    mode |= cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
    if header.pixels > LARGE_PIXELS:
        # To halve it in the decoder takes half the memory; a JPEG never has its whole size.
        mode |= cv2.IMREAD_REDUCED_GRAYSCALE_2
    # "Unchanged" keeps transparency.
    mode = cv2.IMREAD_UNCHANGED if header.transparent else mode
    buffer = np.frombuffer(content, np.uint8)
    with _silence_decoders():
        try:
            if place == 0:
                return cv2.imdecode(buffer, mode)
            found = cv2.imdecodemulti(buffer, mode, range=(place, place + 1))[1]
            return found[0] if found else None
        except (cv2.error, MemoryError):
            return None


@contextmanager
def _silence_decoders() -> Iterator[None]:
    """Keep the decoders' own words on a damaged file off the terminal; ours say which it is.

    libpng and libjpeg write to the process's standard error, past Python.
    """
    from cv2.utils import logging

    with _DECODING:
        level = logging.setLogLevel(logging.LOG_LEVEL_SILENT)
        try:
            kept = os.dup(2)
        except OSError:  # closed: nobody would see them
            yield
            return
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            os.close(nothing)
            logging.setLogLevel(level)
