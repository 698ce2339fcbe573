"""A picture with what was read in it: for a person to see at a glance."""

from collections.abc import Sequence

import numpy as np

from digitflow.errors import InputError
from digitflow.predict.predictions import SIGNS, Prediction, Reading

# Blue, green, red, as OpenCV writes them.
_COLOURS = {"read": (60, 140, 0), "unsure": (0, 120, 230), "not a digit": (40, 40, 200)}
_PASSED_COLOUR = (200, 110, 30)
# A letter of OpenCV's at scale 1, and a picture on which that is easy to read.
_LETTER, _USUAL_SIDE, _LEAST_SCALE = 22, 700, 0.4


def draw_reading(reading: Reading) -> np.ndarray:
    """Draw a box around each digit, with what was read, and around what was passed over.

    Green is read, orange unsure (?), red not a digit (#), blue passed over, with the reason.

    Parameters
    ----------
    reading : Reading
        Read with its picture kept.

    Returns
    -------
    ndarray of shape (height, width, 3), uint8
        Blue, green, red.

    Raises
    ------
    InputError
        If its picture was not kept.
    """
    import cv2

    if reading.picture is None:
        raise InputError("there is no picture to draw on: read_files(..., keep=True) keeps it")
    shown = cv2.cvtColor(reading.picture, cv2.COLOR_GRAY2BGR)
    for mark in reading.passed_over:
        # Lines are many, and seen to be lines.
        name = "" if mark.reason == "line" else str(mark.reason)
        _draw_box(shown, mark.box, name, _PASSED_COLOUR, reading.reduction)
    for digit in reading:
        if isinstance(digit, Prediction):
            height, width = reading.picture.shape
            box = digit.box or (0, 0, width * reading.reduction, height * reading.reduction)
            word = f"{digit.digit}{SIGNS[digit.status]}"
            _draw_box(shown, box, word, _COLOURS[digit.status], reading.reduction)
    return np.asarray(shown)


def _draw_box(
    shown: np.ndarray,
    box: tuple[int, int, int, int],
    word: str,
    colour: Sequence[int],
    reduction: int,
) -> None:
    import cv2

    left, top, width, height = (side // reduction for side in box)
    scale = max(_LEAST_SCALE, max(shown.shape) / _USUAL_SIDE * 0.6)
    thick = max(1, round(scale))
    end = min(left + width, shown.shape[1] - 1), min(top + height, shown.shape[0] - 1)
    cv2.rectangle(shown, (left, top), end, colour, thick)
    base = max(round(_LETTER * scale), top - 2 * thick)
    cv2.putText(shown, word, (left, base), 0, scale, colour, thick, cv2.LINE_AA)
