"""Pictures with their digits found, and in the frame that models know; not read yet.

Which way a page lies, and where digits that touch are parted, is not seen from the ink alone:
a model is asked which of the ways it reads best.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike

import numpy as np

from digitflow.errors import InputError
from digitflow.images.archives import is_archive, iterate_archive
from digitflow.images.cutting import Part, cut_parts
from digitflow.images.files import Document, name_file, read_content
from digitflow.images.frame import SIDE, frame_ink, to_mnist_frame
from digitflow.images.pages import Found, Page, PassedOver, find_digits
from digitflow.images.pictures import LARGE_PIXELS, NO_MEMORY, Picture, halve_picture

Read = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Images uint8 (n, 28, 28) -> their probabilities (n, 10) and outlier scores (n,)."""

# Of fewer digits it can't be told that they are turned.
_FEW = 4
# Logarithms of a probability: how much better a page reads if it was turned, and what an
# outlier score of 1 takes away.
_CLEARER, _OUTLIER_WEIGHT = 0.06, 0.1
# As logarithms too. From pairs pushed together and single digits that seem to be two: what
# reads so well as a whole, and by so much better than cut, is one digit; what reads by so
# much better cut, and so well, is several.
_WHOLE_LIKELY, _BETTER_WHOLE, _BETTER_CUT, _LEAST_LIKELY = -0.25, 0.05, 0.2, -0.7
# What each part costs, and what a height below its share of the whole's takes away.
_EACH_PART, _USUAL_HEIGHT, _LOW_WEIGHT = 0.02, 0.8, 2.0
# Of the height: what is narrower, and not two by its shape, is never looked at as several.
_MAY_BE_TWO = 1.0

_PLURALS = {
    "line": "lines",
    "border": "borders",
    "too small": "too small",
    "dash": "dashes",
    "blot": "blots",
    "sign": "signs",
}


@dataclass
class Sheet:
    """A picture, or one page of a file, with its digits found.

    Attributes
    ----------
    file : str or None
        Where it came from.
    page : int or None
        From 1, where the file has pages.
    pixels : int
        How large it was when the digits were found.
    frames : ndarray of shape (n, 28, 28), uint8
        Its digits.
    found : list of Found or None
        Where each is; None where the picture as a whole is one digit.
    passed_over : sequence of PassedOver
        Which marks are no digits, and why.
    picture : ndarray of shape (height, width), uint8, or None
        What was looked at, where it is kept.
    reduction : int
        How many times larger the picture is than what was looked at.
    turn : int
        By how many quarters it was turned, against the clock, before the digits were found.
    error : str or None
        Why there are no digits.
    probabilities, outlier_scores : ndarrays of shapes (n, 10) and (n,), or None
        How a model reads the digits, where it was asked.
    """

    file: str | None
    page: int | None = None
    pixels: int = 0
    frames: np.ndarray = field(default_factory=lambda: np.empty((0, SIDE, SIDE), np.uint8))
    found: list[Found] | None = None
    passed_over: Sequence[PassedOver] = ()
    picture: np.ndarray | None = None
    reduction: int = 1
    turn: int = 0
    error: str | None = None
    probabilities: np.ndarray | None = None
    outlier_scores: np.ndarray | None = None


def open_sheets(file: str | PathLike[str], one: bool, keep: bool = False) -> Iterator[Sheet]:
    """Yield each picture of a file or a ZIP archive, its digits found, or why there are none.

    Parameters
    ----------
    file : str or Path
        `-` is standard input.
    one : bool
        Each picture holds one digit.
    keep : bool
        Keep what was looked at.
    """
    name = name_file(file)
    try:
        content = read_content(file)
    except (InputError, MemoryError) as exc:
        yield Sheet(str(file), error=_name_error(name, exc))
        return
    yield from open_content(content, name, str(file), one, keep)


def open_content(
    content: bytes, name: str, file: str | None, one: bool, keep: bool = False
) -> Iterator[Sheet]:
    """Yield what `open_sheets` does, of a file's content; `name` is how errors call it.

    A ZIP archive's pictures come one after the other, each with a name of its own.
    """
    if is_archive(content):
        yield from _open_archive(content, name, file, one, keep)
        return
    try:
        document = Document(content, name)
    except (InputError, MemoryError) as exc:
        yield Sheet(file, error=_name_error(name, exc))
        return
    for page in range(1, 1 + (document.pages or 1)):
        number = page if document.pages else None
        try:
            yield find_sheet(document.read(page), file, number, one, keep)
        except (InputError, MemoryError) as exc:
            named = name if number is None else f"{name}, page {page}"
            yield Sheet(file, number, error=_name_error(named, exc))


def _open_archive(
    content: bytes, name: str, file: str | None, one: bool, keep: bool
) -> Iterator[Sheet]:
    try:
        for entry in iterate_archive(content, name):
            if entry.error:
                yield Sheet(entry.name, error=entry.error)
            else:
                yield from open_content(entry.content, entry.name, entry.name, one, keep)
    except (InputError, MemoryError) as exc:
        yield Sheet(file, error=_name_error(name, exc))


def _name_error(name: str, exc: Exception) -> str:
    message = str(exc) or NO_MEMORY
    return message if message.startswith(name) else f"{name}: {message}"


def find_sheet(
    picture: Picture, file: str | None, page: int | None, one: bool, keep: bool = False
) -> Sheet:
    """Find the digits of a picture; what is large is looked at in half its size.

    Raises
    ------
    InputError
        If it is blank, or nothing in it could be a digit.
    """
    gray, reduction = picture
    if gray.size > LARGE_PIXELS:
        gray, reduction = halve_picture(gray), 2 * reduction
    kept = gray if keep else None
    if one or gray.shape == (SIDE, SIDE):
        frames = to_mnist_frame(gray)[np.newaxis]
        return Sheet(file, page, gray.size, frames, picture=kept, reduction=reduction)
    found, frames = frame_page(gray)
    return Sheet(
        file, page, gray.size, frames, found.digits, found.passed_over, kept, reduction
    )


def read_sheets(sheets: Sequence[Sheet], read: Read) -> list[Sheet]:
    """Have the digits of several pictures read together, each as one digit."""
    counts = [len(sheet.frames) for sheet in sheets]
    if not sum(counts):
        return list(sheets)
    probabilities, scores = read(np.concatenate([sheet.frames for sheet in sheets]))
    ends = np.cumsum(counts)[:-1]
    rows = zip(sheets, np.split(probabilities, ends), np.split(scores, ends), strict=True)
    return [replace(s, probabilities=p, outlier_scores=o) for s, p, o in rows]


@dataclass(frozen=True)
class _Digit:
    """What was found, and how a model reads it."""

    found: Found
    frame: np.ndarray
    probabilities: np.ndarray
    outlier_score: float


def cut_touching(sheet: Sheet, read: Read) -> Sheet:
    """Cut what is read better as several digits; what seems two and is read as one is one.

    Parameters
    ----------
    sheet : Sheet
        Its digits read, each as one.
    read : callable
        Asked of the parts.
    """
    if sheet.found is None or sheet.probabilities is None or sheet.outlier_scores is None:
        return sheet
    own = zip(sheet.found, sheet.frames, sheet.probabilities, sheet.outlier_scores, strict=True)
    digits = [part for row in own for part in _cut_digit(_Digit(*row), read)]
    return replace(
        sheet,
        found=[digit.found for digit in digits],
        frames=np.stack([digit.frame for digit in digits]),
        probabilities=np.stack([digit.probabilities for digit in digits]),
        outlier_scores=np.array([digit.outlier_score for digit in digits]),
    )


def _cut_digit(whole: _Digit, read: Read) -> list[_Digit]:
    found = whole.found
    scores = np.array([whole.outlier_score])
    likely = float(_weigh(whole.probabilities[np.newaxis], scores)[0])
    height, width = found.ink.shape
    if not found.touching and (likely > _WHOLE_LIKELY or width < _MAY_BE_TWO * height):
        return [whole]
    chosen, likely_cut = _choose_cut(found, read)
    if likely > max(_WHOLE_LIKELY, likely_cut + _BETTER_WHOLE):
        # Without outlier scores what touches may well be read, as one digit.
        return [replace(whole, found=replace(found, touching=not whole.outlier_score))]
    # A letter has no parts that are digits: it stays whole, to be told from them.
    return chosen if likely_cut > max(_LEAST_LIKELY, likely + _BETTER_CUT) else [whole]


def _choose_cut(found: Found, read: Read) -> tuple[list[_Digit], float]:
    """Return the parts of a find that are the likeliest digits, and how likely they are."""
    parts = cut_parts(found.ink)
    last = max(part.end for part in parts)
    parts = [part for part in parts if part.end - part.begin < last]
    if not parts:
        return [], -np.inf
    frames = np.stack([frame_ink(part.ink) for part in parts])
    probabilities, scores = read(frames)
    heights = np.array([part.box[3] - part.box[1] for part in parts])
    likelihoods = _weigh(probabilities, scores)
    likelihoods -= _LOW_WEIGHT * (_USUAL_HEIGHT - heights).clip(0)
    numbers, likely = choose_parts(parts, likelihoods, _EACH_PART)
    return [
        _Digit(_place_part(found, parts[n]), frames[n], probabilities[n], float(scores[n]))
        for n in numbers
    ], likely


def _weigh(probabilities: np.ndarray, scores: np.ndarray) -> np.ndarray:
    return np.asarray(np.log(probabilities.max(axis=1)) - _OUTLIER_WEIGHT * scores)


def choose_parts(
    parts: Sequence[Part], likelihoods: np.ndarray, each: float = 0.0
) -> tuple[list[int], float]:
    """Return which parts from the left edge to the right one are the likeliest digits.

    Each counts by its width, less `each`, so that few wide parts are not preferred to many
    narrow ones, nor many to few.

    Returns
    -------
    numbers : list of int
        From left to right; none where no parts lead from edge to edge.
    likelihood : float
        Of all of them; -inf where there are none.
    """
    last = max(part.end for part in parts)
    best: dict[int, tuple[list[int], float]] = {0: ([], 0.0)}
    for number in sorted(range(len(parts)), key=lambda number: parts[number].begin):
        part = parts[number]
        if part.begin not in best:
            continue
        chosen, before = best[part.begin]
        total = before + float(likelihoods[number]) * (part.box[2] - part.box[0]) - each
        if total > best.get(part.end, ([], -np.inf))[1]:
            best[part.end] = [*chosen, number], total
    return best.get(last, ([], -np.inf))


def _place_part(digit: Found, part: Part) -> Found:
    """Return a part of a find as one of its own, in its place in the picture."""
    left, top, width, height = digit.box
    first, upper, last, lower = part.box
    box = (
        left + round(first * width),
        top + round(upper * height),
        round((last - first) * width),
        round((lower - upper) * height),
    )
    return replace(digit, box=box, ink=part.ink, touching=True)


def turn_upright(sheet: Sheet, read: Read) -> Sheet:
    """Turn a picture that is read better so, and find its digits again.

    Their places are said in the picture as it is.
    """
    if sheet.found is None or sheet.picture is None:
        return sheet
    turn = guess_turn(sheet.frames, read)
    return _turn_sheet(sheet, sheet.picture, turn) if turn else sheet


def guess_turn(frames: np.ndarray, read: Read) -> int:
    """Return by how many quarters, against the clock, digits are turned to be read.

    0 also where they are too few to tell.
    """
    if len(frames) < _FEW:
        return 0
    likelihoods = [_measure_likelihood(np.rot90(frames, k, (1, 2)), read) for k in range(4)]
    best = int(np.argmax(likelihoods))
    return best if likelihoods[best] > likelihoods[0] + _CLEARER else 0


def _measure_likelihood(frames: np.ndarray, read: Read) -> float:
    """Return how much images look like digits that lie as they should."""
    probabilities, scores = read(np.ascontiguousarray(frames))
    sure = float(np.log(probabilities.max(axis=1)).mean())
    return sure - _OUTLIER_WEIGHT * float(np.median(scores))


def _turn_sheet(sheet: Sheet, picture: np.ndarray, turn: int) -> Sheet:
    found, frames = frame_page(np.rot90(picture, turn).copy())
    shape = picture.shape
    return replace(
        sheet,
        frames=frames,
        found=[
            replace(digit, box=_turn_back(digit.box, shape, turn)) for digit in found.digits
        ],
        passed_over=[
            replace(mark, box=_turn_back(mark.box, shape, turn)) for mark in found.passed_over
        ],
        turn=turn,
    )


def _turn_back(
    box: tuple[int, int, int, int], shape: tuple[int, ...], turn: int
) -> tuple[int, int, int, int]:
    left, top, width, height = box
    if turn == 1:
        return shape[1] - top - height, left, height, width
    if turn == 2:
        return shape[1] - left - width, shape[0] - top - height, width, height
    return top, shape[0] - left - width, height, width


def frame_page(picture: np.ndarray) -> tuple[Page, np.ndarray]:
    """Find the digits of a picture; return them, and as the model sees them (n, 28, 28).

    Raises
    ------
    InputError
        If the picture is blank, or nothing in it could be a digit.
    """
    page = find_digits(picture)
    if not page.digits:
        passed = f" ({count_passed(page.passed_over)})" if page.passed_over else ""
        raise InputError(
            f"nothing in the picture could be a digit{passed}. If it holds a single one, say "
            "so: --one, or Predictor.read_one"
        )
    return page, np.stack([frame_ink(digit.ink) for digit in page.digits])


def count_passed(passed_over: Sequence[PassedOver]) -> str:
    """Say how many marks were passed over and why: passed over 3 marks: 2 lines, 1 blot."""
    counts = Counter(mark.reason for mark in passed_over)
    total = len(passed_over)
    said = [f"{count} {_PLURALS[why] if count > 1 else why}" for why, count in counts.items()]
    return f"passed over {total} mark{'s' if total > 1 else ''}: {', '.join(said)}"
