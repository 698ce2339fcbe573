"""What people have of pictures: arrays, tables, images, files, bytes, or a list of these."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from os import PathLike
from typing import Any

import numpy as np

from digitflow.errors import InputError
from digitflow.images.colours import choose_factor, fit_factor, name_nan, to_bytes, to_gray
from digitflow.images.files import decode_picture, read_picture
from digitflow.images.frame import SIDE, find_framed, to_mnist_frame
from digitflow.images.pictures import MAX_FILE_BYTES, MAX_PIXELS, NO_MEMORY

_PIXELS = SIDE * SIDE
_COLOURS = (3, 4)
# What PIL's arrays say as it is; others (palettes, CMYK, CIE colours) are brought to RGB.
_PLAIN_MODES = ("1", "L", "I;16", "I;16B", "I;16L", "I", "F", "RGB")
KINDS = (
    "a path, bytes, an open file, a PIL image, an array of pixels, a table with a row of "
    f"{_PIXELS} pixels a picture, or a list of these"
)


@dataclass
class Batch:
    """Some of the pictures, as models see them.

    Attributes
    ----------
    frames : ndarray of shape (k, 28, 28), uint8
        Those that could be read.
    files : list of str or None
        The file of each picture, n of them, where it came from one.
    errors : dict
        Why there is no frame, by the picture's place in the batch.
    """

    frames: np.ndarray
    files: list[str | None]
    errors: dict[int, str] = field(default_factory=dict)


def iterate_batches(pictures: Any, size: int) -> Iterator[Batch]:
    """Yield pictures in the MNIST frame, at most `size` at once; see `to_mnist_frame`.

    Parameters
    ----------
    pictures : array, table, path, bytes, file, PIL image, or iterable of these
        An array holds one picture, (height, width) or (height, width, colours), or several,
        (n, height, width), (n, 1, height, width), (n, height, width, colours), or rows of
        pixels (n, 784); a picture of 784 pixels' width is passed in a list. Levels are as
        `choose_factor` says. An array of uint8 (n, 28, 28) may be memory-mapped: it is
        copied batch by batch, and what is in the frame already stays as it is.
    size : int
        Pictures in a batch.

    Raises
    ------
    InputError
        If nothing of it can be read. A single picture that can't is named in its batch.
    """
    if _is_alone(pictures):
        pictures = [pictures]
    array = _find_array(pictures)
    if array is not None:
        rows = _check_table(array) if hasattr(pictures, "columns") else _stack(array)
        yield from _iterate_array(rows, size)
        return
    if isinstance(pictures, Mapping) or not isinstance(pictures, Iterable):
        raise InputError(f"pictures are {KINDS}, got {_name_type(pictures)}")
    pending = iter(pictures)
    while items := list(islice(pending, size)):
        yield _frame_items(items)


def to_picture(item: Any) -> np.ndarray:
    """Turn one thing that people have of a picture into gray pixels.

    Parameters
    ----------
    item : path, bytes, file, PIL image, or array
        An array is gray (height, width), in colours (height, width, 3 or 4), or a row of 784
        pixels; an axis of length 1 before or after it doesn't matter.

    Returns
    -------
    ndarray of shape (height, width), uint8

    Raises
    ------
    InputError
        If it is something else, or can't be read.
    """
    if isinstance(item, str | PathLike):
        return read_picture(item)
    if isinstance(item, bytes | bytearray | memoryview):
        return decode_picture(bytes(item), "what was passed as bytes")
    if callable(getattr(item, "read", None)):
        return _read_open(item)
    if callable(getattr(item, "getexif", None)):
        return _convert_image(item)
    array = _find_array(item)
    if array is None:
        raise InputError(f"a picture is {KINDS}, got {_name_type(item)}")
    return to_gray(_lay_out(array), "it")


def _is_alone(pictures: Any) -> bool:
    """Tell whether it is one picture, though it could be gone through item by item."""
    return isinstance(pictures, str | PathLike | bytes | bytearray | memoryview) or any(
        callable(getattr(pictures, name, None)) for name in ("read", "getexif")
    )


def _find_array(pictures: Any) -> np.ndarray | None:
    """Return the array that it is, or holds, or None; lists of numbers are one."""
    if isinstance(pictures, np.ndarray) and pictures.dtype != object:
        return pictures
    is_numbers = isinstance(pictures, list | tuple) and _begins_with_numbers(pictures)
    if not is_numbers and not hasattr(pictures, "__array__"):
        return None
    try:
        array = np.asarray(pictures)
    except (ValueError, TypeError) as exc:
        raise InputError(f"{_name_type(pictures)} is no array of pixels: {exc}") from exc
    if array.dtype == object and array.ndim > 1:
        raise InputError(
            "a table of pixels must hold numbers only: leave out labels, texts, missing values"
        )
    return None if array.dtype == object else array


def _check_table(table: np.ndarray) -> np.ndarray:
    if table.ndim != 2 or table.shape[1] != _PIXELS:
        raise InputError(
            f"a table of pictures has {_PIXELS} columns, one a pixel, got {table.shape}: leave "
            "out its labels"
        )
    return table


def _begins_with_numbers(items: Sequence[Any]) -> bool:
    first = items[0] if items else None
    if isinstance(first, list | tuple):
        return _begins_with_numbers(first)
    return isinstance(first, int | float | np.number)


def _stack(array: np.ndarray) -> np.ndarray:
    """Return a view (n, height, width), (n, height, width, colours) or of rows (n, 784)."""
    shape = array.shape
    if array.ndim == 2 and shape[1] == _PIXELS:
        if shape[0] == _PIXELS:
            raise InputError(
                f"an array {shape} may be one picture or {_PIXELS} rows of pixels. Be "
                f"explicit: [picture], or rows.reshape(-1, {SIDE}, {SIDE})"
            )
        return array
    if array.ndim == 4 and shape[1] == 1 and shape[3] not in (1, *_COLOURS):
        return array[:, 0]
    if array.ndim == 4 and shape[3] == 1:
        return array[..., 0]
    if array.ndim == 4 and shape[3] in _COLOURS:
        return array
    if array.size == 0 and array.ndim < 4:
        return np.empty((0, SIDE, SIDE), np.uint8)
    if array.ndim == 3 and shape[2] not in (1, *_COLOURS):
        return array
    if array.ndim > 3 or array.shape in ((), (1,)):
        raise InputError(
            f"an array of pictures is (n, {SIDE}, {SIDE}), (n, {_PIXELS}), (n, height, width), "
            f"or with 3 or 4 colours last, got {shape}"
        )
    return _lay_out(array)[np.newaxis]


def _lay_out(array: np.ndarray) -> np.ndarray:
    """Return one picture (height, width) or (height, width, colours) as a view."""
    if array.ndim > 2 and array.shape[-1] == 1:
        array = array[..., 0]
    while array.ndim > 2 and array.shape[0] == 1 and array.shape[-1] not in _COLOURS:
        array = array[0]
    if array.shape in ((_PIXELS,), (1, _PIXELS)):
        return array.reshape(SIDE, SIDE)
    return array


def _iterate_array(stack: np.ndarray, size: int) -> Iterator[Batch]:
    factor = _choose_common(stack, size)
    for start in range(0, len(stack), size):
        part = stack[start : start + size]
        if part.ndim == 2:
            # Not before: a table lies column by column, and would be copied as a whole.
            part = part.reshape(-1, SIDE, SIDE)
        levels, broken = _clear_broken(part)
        images = to_bytes(levels, factor)
        if images.shape[1:] == (SIDE, SIDE):
            # Framing is done in place.
            batch = _frame_images(np.array(images) if images is part else images)
        else:
            batch = _frame_each([partial(to_gray, image) for image in images])
        batch.errors.update(broken)
        yield batch


def _choose_common(stack: np.ndarray, size: int) -> float:
    """Return one factor for all pictures: a pale one among others stays pale."""
    if stack.dtype == np.uint8 or not stack.size:
        return 1.0
    if stack.dtype.kind not in "iuf":
        return choose_factor(stack, "the array")
    ranges = []
    for start in range(0, len(stack), size):
        part = _clear_broken(stack[start : start + size])[0]
        ranges.append((float(part.min()), float(part.max())))
    low, high = min(ranges)[0], max(high for _, high in ranges)
    return fit_factor(stack.dtype, low, high, "the array")


def _clear_broken(stack: np.ndarray) -> tuple[np.ndarray, dict[int, str]]:
    """Make pictures with NaN blank, and say so."""
    if stack.dtype.kind != "f" or np.isfinite(stack).all():
        return stack, {}
    wrong = ~np.isfinite(stack.reshape(len(stack), -1))
    rows = np.flatnonzero(wrong.any(axis=1)).tolist()
    cleared = stack.copy()
    cleared[rows] = 0
    return cleared, {row: name_nan(int(wrong[row].sum()), wrong.shape[1]) for row in rows}


def _frame_items(items: list[Any]) -> Batch:
    if all(_is_image(item) for item in items):
        return _frame_images(np.stack(items))
    batch = _frame_each([partial(to_picture, item) for item in items])
    batch.files = [str(item) if isinstance(item, str | PathLike) else None for item in items]
    return batch


def _is_image(item: Any) -> bool:
    is_array = isinstance(item, np.ndarray)
    return is_array and item.dtype == np.uint8 and item.shape == (SIDE, SIDE)


def _frame_images(images: np.ndarray) -> Batch:
    """Frame in place those of 28x28 that are not in the frame yet; they are few."""
    errors = {}
    for row in np.flatnonzero(~find_framed(images)).tolist():
        try:
            images[row] = to_mnist_frame(images[row])
        except InputError as exc:
            errors[row] = str(exc)
    frames = np.delete(images, list(errors), axis=0) if errors else images
    return Batch(frames, [None] * len(images), errors)


def _frame_each(readers: Sequence[Callable[[], np.ndarray]]) -> Batch:
    frames, errors = [], {}
    for place, read in enumerate(readers):
        try:
            frames.append(to_mnist_frame(read()))
        except (InputError, MemoryError) as exc:
            errors[place] = str(exc) or NO_MEMORY
    found = np.array(frames, np.uint8).reshape(-1, SIDE, SIDE)
    return Batch(found, [None] * len(readers), errors)


def _read_open(file: Any) -> np.ndarray:
    content = file.read(MAX_FILE_BYTES + 1)
    if not isinstance(content, bytes):
        raise InputError(f"{_name_type(file)} gives text: open the picture with mode 'rb'")
    name = getattr(file, "name", None)
    return decode_picture(content, name if isinstance(name, str) else "the open file")


def _convert_image(image: Any) -> np.ndarray:
    """Return a PIL image's gray pixels, turned the way its camera says."""
    from PIL import ImageOps

    if image.width * image.height > MAX_PIXELS:
        raise InputError(f"it has {image.width:,} x {image.height:,} pixels: make it smaller")
    try:
        turned = ImageOps.exif_transpose(image)
        if turned.has_transparency_data:
            turned = turned.convert("RGBA")
        elif turned.mode not in _PLAIN_MODES:
            turned = turned.convert("RGB")
        return to_gray(np.asarray(turned), "it")
    # What Pillow raises for damaged files, which it opens before it reads them.
    except (OSError, SyntaxError, ValueError) as exc:
        raise InputError(f"the PIL image can't be read: {exc}") from exc


def _name_type(item: Any) -> str:
    return f"{type(item).__module__}.{type(item).__qualname__}".removeprefix("builtins.")
