"""Pictures, from files, bytes or arrays, as gray arrays.

A file of a few kilobytes can unpack to gigabytes. So Pillow reads what a file claims to be,
which decodes nothing, and only pictures of known formats and sizes reach OpenCV's decoders.
"""

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from digitflow.errors import InputError
from digitflow.images.colours import flatten_colours, lay_on_ground

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

FORMATS = "PNG, JPEG, BMP, WebP or TIFF"
MAX_FILE_BYTES = 64 << 20
MAX_PIXELS = 1 << 26
"""A phone's 64 megapixels fit."""

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
    b"%PDF": "a PDF, which may have pages",
    b"<svg": "an SVG, which has no pixels",
}
# Phones write the first; none of them is in every build of the decoder.
_BRANDS = {b"heic": "a HEIC photo", b"mif1": "a HEIF photo", b"avif": "an AVIF picture"}
# Floats, 32 bits and CIE colours: the decoder would turn them into wrong levels.
_REFUSED_TIFF_MODES = ("F", "I", "LAB")
_TILE_WIDTH, _TILE_HEIGHT = 322, 323


def read_picture(path: Path) -> np.ndarray:
    """Read a picture file as gray; see `decode_picture`.

    Raises
    ------
    InputError
        If the file is missing or too large, or its content is not what is expected.
    """
    try:
        with path.open("rb") as file:
            # Not its size, which a pipe or a device doesn't know.
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as exc:
        raise InputError(f"can't read the picture {path}: {exc}") from exc
    return decode_picture(content, str(path))


def decode_picture(content: bytes, name: str) -> np.ndarray:
    """Turn the content of a PNG, JPEG, BMP, WebP or TIFF file into a gray picture.

    A photo is turned the way its camera says, unless it has transparent parts. 16 bits
    become 8, colours become gray as in `to_gray`.

    Parameters
    ----------
    content : bytes
        At most 64 MB, of at most 64 million pixels; what claims more is not unpacked.
    name : str
        How errors call it.

    Returns
    -------
    ndarray of shape (height, width), uint8

    Raises
    ------
    InputError
        If it is no such file, a damaged one, too large, or holds several pictures.
    """
    if len(content) > MAX_FILE_BYTES:
        raise InputError(
            f"{name} has more than {MAX_FILE_BYTES >> 20} MB, which is all that a picture may "
            "have. Make it smaller: 28 pixels are left of a digit's height in the end"
        )
    picture = _decode(content, has_transparency(content, name))
    if picture is None:
        raise InputError(
            f"{name} is no picture, or a damaged one: it begins as {FORMATS} does, but can't "
            "be decoded. Save it again"
        )
    # OpenCV's order is blue, green, red; to gray all three are alike.
    return to_gray(picture, name)


def has_transparency(content: bytes, name: str) -> bool:
    """Check what a picture file claims to be, and tell whether it has transparent parts.

    Parameters
    ----------
    content : bytes
        The whole file; nothing of it is decoded.
    name : str
        How errors call it.

    Raises
    ------
    InputError
        If it is none of the known formats, holds several pictures, is damaged as far as can
        be told without decoding it, or is larger than `MAX_PIXELS`.
    """
    from PIL.Image import DecompressionBombError

    _check_format(content, name)
    file = io.BytesIO(content)
    try:
        # Of odd tags, which matter to nobody here.
        with warnings.catch_warnings(action="ignore"), _open(file) as image:
            _check_claims(image, name)
            _check_end(image, file)
            return image.format != "BMP" and image.has_transparency_data
    except DecompressionBombError as exc:
        raise InputError(f"{name} was not opened: {exc} Make it smaller") from exc
    # What Pillow raises for damaged files.
    except (OSError, SyntaxError, TypeError, ValueError, OverflowError) as exc:
        raise InputError(f"{name} is no picture, or a damaged one: {exc}") from exc


def _check_format(content: bytes, name: str) -> None:
    if content.startswith(tuple(_SIGNATURES)):
        return
    other = _OTHER_FORMATS.get(content[:4])
    if content[4:8] == b"ftyp":
        other = _BRANDS.get(content[8:12])
    if other is not None:
        raise InputError(f"{name} is {other}: save it as one picture, {FORMATS}")
    found = f"it begins with {content[:8]!r}" if content else "it is empty"
    raise InputError(f"{name} is no picture, or a damaged one: {FORMATS} is expected, {found}")


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
    if getattr(image, "is_animated", False):
        raise InputError(
            f"{name} is a {image.format} of several pictures: save one of them as {FORMATS}"
        )
    if image.format == "TIFF" and image.mode in _REFUSED_TIFF_MODES:
        raise InputError(
            f"{name} is a TIFF of other levels than gray, RGB or CMYK of 8 or 16 bits "
            f"({image.mode}): save it with those"
        )


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


def _decode(content: bytes, transparent: bool) -> np.ndarray | None:
    import cv2

    # "Unchanged" keeps transparency, and ignores how a photo was held.
    colour = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH
    mode = cv2.IMREAD_UNCHANGED if transparent else colour
    with _silence_opencv():
        try:
            return cv2.imdecode(np.frombuffer(content, np.uint8), mode)
        except (cv2.error, MemoryError):
            return None


@contextmanager
def _silence_opencv() -> Iterator[None]:
    """Keep OpenCV's own words on a damaged file off the terminal; ours say which it is."""
    from cv2.utils import logging

    level = logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        logging.setLogLevel(level)


def to_gray(picture: np.ndarray, name: str = "the picture") -> np.ndarray:
    """Bring an array to a gray picture.

    Ink of any colour stands out from paper of any colour: what counts is the distance from
    the paper's colour, not brightness. Where a picture is transparent, its ink is laid on
    white, or on black if the ink is bright.

    Parameters
    ----------
    picture : ndarray of shape (height, width), (height, width, 3) or (height, width, 4)
        Gray, RGB or RGBA: uint8, uint16, bool, or float from 0 to 1.
    name : str
        How errors call it.

    Returns
    -------
    ndarray of shape (height, width), uint8

    Raises
    ------
    InputError
        If the array has another shape or type, or values out of range.
    """
    is_picture = picture.ndim == 2 or (picture.ndim == 3 and picture.shape[2] in (3, 4))
    if not is_picture or picture.size == 0:
        raise InputError(
            f"{name} must be an array of shape (height, width), or with 3 or 4 colours "
            f"last, got {picture.shape}"
        )
    levels = np.ascontiguousarray(_to_bytes(picture, name))
    if levels.ndim == 2:
        return levels
    if levels.shape[2] == 3:
        return flatten_colours(levels)
    colours = np.ascontiguousarray(levels[..., :3])
    return flatten_colours(lay_on_ground(colours, np.ascontiguousarray(levels[..., 3])))


def _to_bytes(picture: np.ndarray, name: str) -> np.ndarray:
    if picture.dtype == np.uint8:
        return picture
    if picture.dtype == np.uint16:
        return (picture >> 8).astype(np.uint8)
    if picture.dtype == bool:
        return picture.astype(np.uint8) * np.uint8(255)
    if np.issubdtype(picture.dtype, np.floating):
        return _scale_shares(picture, name)
    raise InputError(
        f"{name} must hold uint8, uint16, bool, or float from 0 to 1, got {picture.dtype}"
    )


def _scale_shares(picture: np.ndarray, name: str) -> np.ndarray:
    low, high = float(picture.min()), float(picture.max())
    if not (low >= 0 and high <= 1):  # so that NaN is refused too
        raise InputError(
            f"{name} holds floats from {low:g} to {high:g}; from 0 to 1 is expected. "
            "Divide by the largest level, or pass uint8"
        )
    return np.rint(picture * 255).astype(np.uint8)
