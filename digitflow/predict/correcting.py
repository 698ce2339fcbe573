"""Corrections by people: what a picture really shows, kept for training or the gate."""

from pathlib import Path

import numpy as np

from digitflow.errors import InputError
from digitflow.feedback.corrections import (
    DIGITS,
    Correction,
    add_corrections,
    list_corrections,
)
from digitflow.feedback.tables import find_sample, is_row, open_image, read_contents
from digitflow.images.files import read_picture
from digitflow.images.frame import digest_image
from digitflow.images.pictures import Picture
from digitflow.predict.finding import find_sheet
from digitflow.predict.predictor import Predictor, Turn
from digitflow.registry.history import find_champion
from digitflow.store.artifacts import Store


def correct_file(
    store: Store,
    file: Path,
    digits: str,
    who: str,
    one: bool = False,
    turn: Turn = "no",
) -> list[Correction]:
    """Keep the digits that a picture file shows, in reading order.

    Digits are found as `Predictor.read_files` finds them, so that what is kept is what a
    model saw: with the champion that cuts digits that touch. Without one they are not cut.

    Parameters
    ----------
    digits : str
        One digit for each that is found: "4213"; spaces don't count.
    one : bool
        The picture holds one digit.
    turn : {"no", "auto"}
        As it was read with.

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
    images = _find_images(store, read_picture(file), one, turn)
    if len(images) != len(said):
        raise InputError(
            f"{file} shows {len(images)} digits to `digitflow predict`, and {len(said)} were "
            f"said. Say one for each, in reading order; --one takes the picture as one digit."
        )
    add_corrections(store, list(images), [int(digit) for digit in said], who, str(file))
    wanted = dict.fromkeys(digest_image(image) for image in images)
    latest = {row.sample: row for row in list_corrections(store, DIGITS) if row.who == who}
    return [latest[picture] for picture in wanted]


def _find_images(store: Store, picture: np.ndarray, one: bool, turn: Turn) -> np.ndarray:
    try:
        find_champion(store)
    except InputError:
        if turn == "auto":
            raise
        return find_sheet(Picture(picture, 1), None, None, one).frames
    return Predictor.load(store).find_frames(picture, one, turn)


def correct_picture(store: Store, beginning: str, digit: str, who: str) -> Correction:
    """Keep what a picture shows that was predicted before, named by its digest's beginning.

    Raises
    ------
    InputError
        If it is no digit, or if no picture, or several, begin so.
    """
    if digit not in set("0123456789"):
        raise InputError(f"one picture shows one digit, 0 to 9, got {digit!r}")
    picture = find_sample(store, beginning)
    content = read_contents(store, [picture])[picture]
    if is_row(content):
        raise InputError(f"{picture} is a row of a table: name its model by --model")
    add_corrections(store, [open_image(content)], [int(digit)], who, "its digest")
    corrections = list_corrections(store, DIGITS)
    return [row for row in corrections if (row.sample, row.who) == (picture, who)][-1]
