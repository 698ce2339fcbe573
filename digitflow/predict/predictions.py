"""What was read, and how sure that is: plain records."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import numpy as np

from digitflow.images.pages import PassedOver
from digitflow.store.references import Record

# Fewer than these may well be unsure one by one; a third of a page is not chance.
_FEW, _MANY = 6, 1 / 3

_TOUCHING = "it looks like digits that touch"
_LINED = "a line that was taken out may have been a stroke of it"

Status = Literal["read", "unsure", "not a digit"]
BOX = ("left", "top", "width", "height")
COLUMNS = (
    *("file", "page", "line", *BOX, "digit", "probability", "status", "reasons"),
    *("picture", "model", "version", "error"),
)
"""Of a table of what was read; see `list_table_rows`."""
SIGNS: dict[Status, str] = {"read": "", "unsure": "?", "not a digit": "#"}
"""How a status is shown beside a digit."""


class Prediction(Record):
    """The digit read at one place of a picture.

    Attributes
    ----------
    picture : str
        Digest of the 28 x 28 image that the model saw: `digitflow correct` knows it by that.
    file : str or None
        The picture's file, where it came from one.
    box : tuple of (left, top, width, height) or None
        Where in the picture, in pixels; None where the picture as a whole is one digit.
    line : int
        0 for the uppermost line of digits.
    digit : int
        0 to 9, the most probable, however unsure.
    probability : float
        Its probability, 0 to 1.
    runners_up : tuple of (digit, probability)
        The next three, the most probable first.
    status : {"read", "unsure", "not a digit"}
        Whether to rely on it, by the reject option that was chosen for the model.
    reasons : tuple of str
        Why it is not simply read; empty if it is.
    model, version : str
        The registered model that predicted it.
    page : int or None
        From 1, where the file has pages.
    """

    picture: str
    file: str | None
    box: tuple[int, int, int, int] | None
    line: int
    digit: int
    probability: float
    runners_up: tuple[tuple[int, float], ...]
    status: Status
    reasons: tuple[str, ...]
    model: str
    version: str
    page: int | None = None


class Unread(Record):
    """A picture in which no digit could be read, and why.

    Attributes
    ----------
    file : str or None
        The picture's file, where it came from one.
    error : str
        Why it could not be read; it names the picture.
    page : int or None
        From 1, where the file has pages.
    index : int or None
        Its place among the pictures of `Predictor.predict`, from 0.
    """

    file: str | None
    error: str
    page: int | None = None
    index: int | None = None


class Reading(list["Prediction | Unread"]):
    """What was read in a picture or a page of a file, in reading order.

    Attributes
    ----------
    passed_over : tuple of PassedOver
        Marks that are read as nothing, and why: each with its box in pixels of the picture.
    picture : ndarray of shape (height, width), uint8, or None
        What was looked at, where it was asked for.
    reduction : int
        How many times larger than this the picture is.
    frames : ndarray of shape (n, 28, 28), uint8, or None
        What the model saw of each digit; None where nothing was read.
    probabilities : ndarray of shape (n, 10), or None
        Of all classes, for each digit.
    """

    def __init__(
        self,
        results: Iterable["Prediction | Unread"] = (),
        passed_over: Iterable[PassedOver] = (),
        picture: np.ndarray | None = None,
        reduction: int = 1,
        frames: np.ndarray | None = None,
        probabilities: np.ndarray | None = None,
    ) -> None:
        super().__init__(results)
        self.passed_over = tuple(passed_over)
        self.picture = picture
        self.reduction = reduction
        self.frames = frames
        self.probabilities = probabilities


def list_rows(page: Reading) -> Iterator[dict[str, Any]]:
    """Yield what was read in a picture as plain values; then a row of what was passed over."""
    for result in page:
        row = result.model_dump(exclude={"index"})
        if row["page"] is None:
            del row["page"]
        yield row
    if page and page.passed_over:
        place: dict[str, Any] = {name: row[name] for name in ("file", "page") if name in row}
        marks = [{"box": mark.box, "reason": mark.reason} for mark in page.passed_over]
        yield place | {"passed_over": marks}


def list_table_rows(page: Reading) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table with `COLUMNS`: one a digit, a mark passed over, an error."""
    for row in list_rows(page):
        if "passed_over" in row:
            for mark in row.pop("passed_over"):
                place = dict(zip(BOX, mark["box"], strict=True))
                yield row | place | {"status": "passed over", "reasons": mark["reason"]}
            continue
        row |= dict(zip(BOX, row.pop("box", None) or (), strict=False))
        row["reasons"] = "; ".join(row.get("reasons", ()))
        row.pop("runners_up", None)
        yield row


def locate_digit(
    prediction: Prediction,
    file: str | None,
    box: tuple[int, int, int, int] | None = None,
    line: int = 0,
    touching: bool = False,
    page: int | None = None,
    lined: bool = False,
) -> Prediction:
    """Add where a digit was found; digits that touch or lost ink to a line are unsure."""
    place = {"file": file, "page": page, "box": box, "line": line}
    placed = prediction.model_copy(update=place)
    for reason, is_so in ((_LINED, lined), (_TOUCHING, touching)):
        placed = _flag(placed, reason) if is_so else placed
    return placed


def _flag(prediction: Prediction, reason: str) -> Prediction:
    status = "unsure" if prediction.status == "read" else prediction.status
    reasons = (reason, *prediction.reasons)
    return prediction.model_copy(update={"status": status, "reasons": reasons})


def has_doubts(page: Sequence[Prediction]) -> bool:
    """Tell whether more than one in ten of a picture's digits is unsure."""
    return sum(each.status != "read" for each in page) > len(page) / 10


def _count_unsure(page: Sequence[Prediction]) -> int:
    """Count what is unsure for more than touching another, or a line.

    Of a page those say nothing.
    """
    of_itself = {_TOUCHING, _LINED}
    return sum(each.status != "read" and not of_itself >= {*each.reasons} for each in page)


def flag_page(page: Sequence[Prediction]) -> list[Prediction]:
    """Make the rest of a picture unsure if much of it is: it may show no digits at all."""
    unsure = _count_unsure(page)
    if len(page) < _FEW or unsure <= len(page) * _MANY:
        return list(page)
    reason = f"much of what was found in the picture is unsure, {unsure} of {len(page)}"
    return [_flag(digit, reason) if digit.status == "read" else digit for digit in page]


def flag_turned(page: Sequence[Prediction], turn: int) -> list[Prediction]:
    """Make a whole picture unsure that would be read if it were turned by quarters."""
    way = {1: "by 90 degrees to the right", 2: "upside down", 3: "by 90 degrees to the left"}
    reason = f"the page seems to be turned {way[turn]}; --turn auto reads it"
    return [_flag(digit, reason) for digit in page]
