"""Picture files as gray arrays."""

from pathlib import Path

import numpy as np

from digitflow.errors import InputError

_PNG_MAGIC = b"\x89PNG"


def read_picture(path: Path) -> np.ndarray:
    """Read a PNG, JPEG or other picture file that OpenCV knows, as gray.

    A photo is turned the way its camera says. Where a picture is transparent, its ink is
    laid on white, or on black if the ink is bright.

    Returns
    -------
    ndarray of shape (height, width), uint8

    Raises
    ------
    InputError
        If the file is missing, no picture, or damaged.
    """
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise InputError(f"can't read the picture {path}: {exc}") from exc
    picture = _decode(content)
    if picture is None:
        raise InputError(f"{path} is no picture, or a damaged one: PNG or JPEG is expected")
    return _flatten(_to_bytes(picture))


def _decode(content: bytes) -> np.ndarray | None:
    import cv2

    # Only PNG has transparency; for a photo, "unchanged" would ignore how it was held.
    is_png = content.startswith(_PNG_MAGIC)
    mode = cv2.IMREAD_UNCHANGED if is_png else cv2.IMREAD_GRAYSCALE
    try:
        return cv2.imdecode(np.frombuffer(content, np.uint8), mode)
    except cv2.error:  # an empty file, or one that claims an absurd size
        return None


def _to_bytes(picture: np.ndarray) -> np.ndarray:
    if picture.dtype == np.uint16:
        return (picture >> 8).astype(np.uint8)
    return picture


def _flatten(picture: np.ndarray) -> np.ndarray:
    """Bring gray, BGR or BGRA to gray."""
    import cv2

    if picture.ndim == 2:
        return picture
    gray = np.asarray(cv2.cvtColor(picture[..., :3].copy(), cv2.COLOR_BGR2GRAY))
    if picture.shape[2] == 3:
        return gray
    return _lay_on_ground(gray, picture[..., 3])


def _lay_on_ground(gray: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Put a half-transparent gray picture on the ground its ink shows up against."""
    weight = alpha.astype(np.float32) / 255
    shade = float((gray * weight).sum()) / max(float(weight.sum()), 1.0)
    ground = 255 if shade < 128 else 0
    return np.asarray(np.rint(gray * weight + ground * (1 - weight)), dtype=np.uint8)
