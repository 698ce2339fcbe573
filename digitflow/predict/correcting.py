"""Corrections by people: what a picture really shows, kept for training or the gate."""

from pathlib import Path

import numpy as np

from digitflow.errors import InputError
from digitflow.feedback.corrections import Correction, add_corrections, list_corrections
from digitflow.feedback.tables import find_picture, read_pictures
from digitflow.images.files import read_picture
from digitflow.images.frame import SIDE, digest_image, to_mnist_frame
from digitflow.predict.finding import frame_page
from digitflow.store.artifacts import Store


def correct_file(
    store: Store, file: Path, digits: str, who: str, one: bool = False
) -> list[Correction]:
    """Keep the digits that a picture file shows, in reading order.

    Digits are found as `Predictor.read_file` finds them, so that what is kept is what a
    model saw.

    Parameters
    ----------
    digits : str
        One digit for each that is found: "4213"; spaces don't count.
    one : bool
        The picture holds one digit.

    Returns
    -------
    list of Correction
        What is known of these pictures now, one for each digit.

    Raises
    ------
    InputError
        If the picture can't be read, or shows another number of digits than were said.
    """
    said = "".join(digits.split())
    if not said or not set(said) <= set("0123456789"):
        raise InputError(f"a correction is made of the digits 0 to 9, got {digits!r}")
    images = _find_images(read_picture(file), one)
    if len(images) != len(said):
        raise InputError(
            f"{file} shows {len(images)} digits to `digitflow predict`, and {len(said)} were "
            f"said. Say one for each, in reading order; --one takes the picture as one digit."
        )
    add_corrections(store, list(images), [int(digit) for digit in said], who, str(file))
    wanted = dict.fromkeys(digest_image(image) for image in images)
    latest = {row.picture: row for row in list_corrections(store) if row.who == who}
    return [latest[picture] for picture in wanted]


def _find_images(picture: np.ndarray, one: bool) -> np.ndarray:
    if one or picture.shape == (SIDE, SIDE):
        return to_mnist_frame(picture)[np.newaxis]
    return frame_page(picture)[1]


def correct_picture(store: Store, beginning: str, digit: str, who: str) -> Correction:
    """Keep what a picture shows that was predicted before, named by its digest's beginning.

    Raises
    ------
    InputError
        If it is no digit, or if no picture, or several, begin so.
    """
    if digit not in set("0123456789"):
        raise InputError(f"one picture shows one digit, 0 to 9, got {digit!r}")
    picture = find_picture(store, beginning)
    add_corrections(
        store, list(read_pictures(store, [picture]).values()), [int(digit)], who, "its digest"
    )
    said = [row for row in list_corrections(store) if (row.picture, row.who) == (picture, who)]
    return said[-1]
