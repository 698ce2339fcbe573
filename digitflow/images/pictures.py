"""Pictures, from files, bytes or arrays, as gray arrays."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from digitflow.errors import InputError
from digitflow.images.colours import flatten_colours, lay_on_ground
from digitflow.images.headers import FORMATS, read_header

MAX_FILE_BYTES = 64 << 20


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
    header = read_header(content, name)
    picture = _decode(content, header.transparent)
    if picture is None:
        raise InputError(
            f"{name} is no picture, or a damaged one: it begins as {FORMATS} does, but can't "
            "be decoded. Save it again"
        )
    # OpenCV's order is blue, green, red; to gray all three are alike.
    return to_gray(picture, name)


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
