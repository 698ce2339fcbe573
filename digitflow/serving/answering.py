"""What is asked of a champion, and what it answers: as `digitflow predict --json` prints it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from math import inf
from time import monotonic
from typing import Any, Literal

import numpy as np

from digitflow.errors import InputError
from digitflow.predict.finding import Sheet
from digitflow.predict.predictions import Prediction, Reading, Unread, list_rows
from digitflow.predict.predictor import Predictor
from digitflow.predict.rows import RowPrediction, RowPredictor, open_rows, require_table

Row = dict[str, Any]
Turn = Literal["no", "auto"]
# How errors call what came without a name.
UNNAMED = "the request's body"


class Unreadable(InputError):
    """Nothing of what was sent could be read; the message says why."""


@dataclass(frozen=True)
class PicturesAsk:
    """Files of pictures, each with its name or None.

    Attributes
    ----------
    one, turn
        As `digitflow predict --one` and `--turn`.
    until : float
        When nobody waits any more, by `time.monotonic`.
    """

    files: tuple[tuple[str | None, bytes], ...]
    one: bool = False
    turn: Turn = "no"
    until: float = inf


@dataclass(frozen=True)
class RowsAsk:
    """Rows of a table.

    Attributes
    ----------
    parse : callable
        () -> DataFrame, dict or list of dicts; raises InputError.
    file : str or None
        What the rows' file is called.
    """

    parse: Callable[[], Any]
    file: str | None = None


@dataclass(frozen=True)
class ValuesAsk:
    """What MLflow's protocol asks: a value for each picture or row, or an error.

    Attributes
    ----------
    parse : callable
        () -> an array of pictures, or rows; raises InputError.
    """

    parse: Callable[[], Any]


Ask = PicturesAsk | RowsAsk | ValuesAsk


def answer_together(
    predictor: Predictor | RowPredictor, asks: Sequence[Ask]
) -> list[Any | Exception]:
    """Return for each question its rows, or values, or why there are none."""
    pictures = [ask for ask in asks if isinstance(ask, PicturesAsk)]
    read = iter(read_pictures(predictor, pictures))
    return [
        next(read) if isinstance(ask, PicturesAsk) else _try(answer_alone, predictor, ask)
        for ask in asks
    ]


def answer_alone(predictor: Predictor | RowPredictor, ask: Ask) -> list[Any]:
    """Return a question's rows or values.

    Raises
    ------
    InputError
        If the champion takes something else, or nothing can be read.
    TimeoutError
        If pictures have so many pages that nobody waits any more.
    """
    if isinstance(ask, PicturesAsk):
        return _list_pages(_read_one_by_one(_require_pictures(predictor), ask))
    if isinstance(ask, RowsAsk):
        return _predict_rows(predictor, ask)
    return _predict_values(predictor, ask.parse())


def _read_one_by_one(reader: Predictor, ask: PicturesAsk) -> Iterator[Reading]:
    for name, content in ask.files:
        for sheet in _open(reader, ask, name, content):
            if monotonic() > ask.until:
                raise TimeoutError
            yield from reader.read_opened([sheet])


def read_pictures(
    predictor: Predictor | RowPredictor, asks: Sequence[PicturesAsk]
) -> list[list[Row] | Exception]:
    """Read the pictures of several questions in one batch."""
    if not asks:
        return []
    try:
        reader = _require_pictures(predictor)
    except InputError as exc:
        return [exc] * len(asks)
    opened = [
        [sheet for name, content in ask.files for sheet in _open(reader, ask, name, content)]
        for ask in asks
    ]
    pages = iter(reader.read_opened(list(chain.from_iterable(opened))))
    return [_try(_list_pages, list(islice(pages, len(sheets)))) for sheets in opened]


def _require_pictures(predictor: Predictor | RowPredictor) -> Predictor:
    if isinstance(predictor, RowPredictor):
        name = predictor.champion.name
        raise InputError(f"{name} takes rows of a table, no pictures of digits")
    return predictor


def _open(
    reader: Predictor, ask: PicturesAsk, name: str | None, content: bytes
) -> Iterator[Sheet]:
    return reader.open_content(content, name or UNNAMED, name, ask.one, ask.turn)


def _try(act: Callable[..., list[Any]], *given: Any) -> list[Any] | Exception:
    try:
        return act(*given)
    except InputError as exc:
        return exc


def _list_pages(pages: Iterable[Reading]) -> list[Row]:
    return _require_some(row for page in pages for row in list_rows(page))


def _predict_rows(predictor: Predictor | RowPredictor, ask: RowsAsk) -> list[Row]:
    require_table(predictor.champion)
    assert isinstance(predictor, RowPredictor)
    found = predictor.predict(open_rows(ask.parse()), ask.file)
    return _require_some(result.model_dump(exclude_none=True) for result in found)


def _require_some(rows: Iterator[Row] | Iterable[Row]) -> list[Row]:
    """Return rows of which some say more than an error."""
    listed = list(rows)
    if listed and all("error" in row for row in listed):
        raise Unreadable(listed[0]["error"])
    return listed


def _predict_values(predictor: Predictor | RowPredictor, given: Any) -> list[Any]:
    """Return the value of each row, the digit of each picture; all or none, as MLflow does."""
    results: Sequence[Prediction | RowPrediction | Unread]
    if isinstance(predictor, RowPredictor):
        results = predictor.predict(open_rows(given))
    else:
        results = predictor.predict(_take_pixels(given))
    return [_require_value(result) for result in results]


def _require_value(result: Prediction | RowPrediction | Unread) -> Any:
    if isinstance(result, Unread):
        raise Unreadable(result.error)
    return result.digit if isinstance(result, Prediction) else result.value


def _take_pixels(given: Any) -> Any:
    """Return pixels from whatever form JSON gives them; never a text, which names a file."""
    import pandas as pd

    if isinstance(given, list) and given and all(isinstance(row, dict) for row in given):
        given = pd.DataFrame.from_records(given)
    try:
        # A CSV's cells come as texts.
        pixels = given.astype(float) if isinstance(given, pd.DataFrame) else np.asarray(given)
    except (ValueError, TypeError) as exc:
        raise InputError(f"pictures of different sizes, or no numbers: {exc}") from exc
    if isinstance(pixels, np.ndarray) and (pixels.dtype.kind not in "biuf" or not pixels.ndim):
        raise InputError(
            "pictures are numbers, (n, 28, 28), (n, 784) or larger ones (n, height, width), "
            f"got {type(given).__name__} of {pixels.dtype}"
        )
    return pixels
