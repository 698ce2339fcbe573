"""What `digitflow predict` prints of pictures, and what `correct` is told of them."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import typer

from digitflow.cli.options import print_error
from digitflow.cli.results import Form, Progress, find_all, write_csv, write_json
from digitflow.errors import InputError

if TYPE_CHECKING:
    from digitflow.feedback.corrections import Correction
    from digitflow.feedback.predictions import PredictionLog
    from digitflow.predict.predictions import Prediction, Reading
    from digitflow.registry.versions import Champion
    from digitflow.store.artifacts import Store

MOST_REASONS = 10
Turn = Literal["no", "auto"]


def predict_pictures(
    store: "Store",
    model: str,
    names: Sequence[str],
    form: Form,
    log: "PredictionLog | None",
    one: bool,
    turn: Turn,
    show: Path | None,
) -> bool:
    """Print what a champion reads in pictures; return whether every one could be read."""
    from digitflow.predict.predictions import COLUMNS, Reading, list_rows, list_table_rows
    from digitflow.predict.predictor import Predictor

    files, missing = find_all(names)
    predictor = Predictor.load(store, model, log)
    progress = Progress(len(files))
    read = predictor.read_files(progress.count(files), one, show is not None, turn)
    pages = progress.clear_before(chain((Reading([each]) for each in missing), read))
    if show is not None:
        pages = _show_pages(pages, show)
    if form == "json":
        return write_json(chain.from_iterable(map(list_rows, pages)))
    if form == "csv":
        return write_csv(chain.from_iterable(map(list_table_rows, pages)), COLUMNS)
    return _write_text(pages, predictor.champion)


def correct_digits(
    store: "Store", picture: str, said: str | None, who: str, one: bool, turn: Turn
) -> "list[Correction]":
    """Keep the digits that a picture shows, named by its file or its digest."""
    from digitflow.predict.correcting import correct_file, correct_picture

    if said is None:
        raise InputError("say what the picture shows: `digitflow correct PICTURE DIGITS`")
    if Path(picture).exists():
        return correct_file(store, Path(picture), said, who, one, turn)
    return [correct_picture(store, picture, said, who)]


def _show_pages(pages: "Iterable[Reading]", file: Path) -> "Iterator[Reading]":
    """Write each page with what was read in it; a second one goes to `<name>-2`."""
    import cv2

    from digitflow.predict.showing import draw_reading

    drawn = 0
    for page in pages:
        if page.picture is not None:
            drawn += 1
            name = file if drawn == 1 else file.with_stem(f"{file.stem}-{drawn}")
            try:
                is_written = cv2.imwrite(str(name), draw_reading(page))
            except cv2.error:
                is_written = False
            if not is_written:
                raise InputError(
                    f"{name} can't be written: --show takes a file that ends in .png or .jpg, "
                    "in a folder that is there"
                )
        yield page


def _write_text(pages: "Iterable[Reading]", champion: "Champion") -> bool:
    """Print what was read for a person; return whether every picture could be read."""
    from digitflow.predict.finding import count_passed

    typer.echo(f"model: {champion.name}, version {champion.version}")
    is_whole = True
    for page in pages:
        errors = [result.error for result in page if hasattr(result, "error")]
        is_whole &= not errors
        for error in errors:
            print_error(error)
        if not errors:
            for line in describe_file(cast("Sequence[Prediction]", page)):
                typer.echo(line)
            if page.passed_over:
                typer.echo(f"  {count_passed(page.passed_over)}")
    return is_whole


def describe_file(digits: "Sequence[Prediction]") -> Iterator[str]:
    """Yield the lines that tell what was read in one picture."""
    name = digits[0].file
    if digits[0].page is not None:
        name = f"{name}, page {digits[0].page}"
    if len(digits) == 1:
        yield f"{name}: {_describe_digit(digits[0])}"
        return
    lines = [list(line) for _, line in groupby(digits, key=lambda digit: digit.line)]
    on = "1 line" if len(lines) == 1 else f"{len(lines)} lines"
    yield f"{name}: {len(digits)} digits on {on}{_explain_signs(digits)}"
    for line in lines:
        yield "  " + " ".join(_sign(digit) for digit in line)
    reasons = list(chain.from_iterable(_describe_reasons(line) for line in lines))
    yield from reasons[:MOST_REASONS]
    if len(reasons) > MOST_REASONS:
        yield f"  and {len(reasons) - MOST_REASONS} more unsure ones; --json shows all"


def _sign(digit: "Prediction") -> str:
    from digitflow.predict.predictions import SIGNS

    # What is no digit is not shown as one, however much it resembles it.
    shown = "" if digit.status == "not a digit" else str(digit.digit)
    return shown + SIGNS[digit.status]


def _explain_signs(digits: "Sequence[Prediction]") -> str:
    from digitflow.predict.predictions import SIGNS

    seen = {digit.status for digit in digits}
    signs = [f"{sign} {status}" for status, sign in SIGNS.items() if sign and status in seen]
    return f" ({', '.join(signs)})" if signs else ""


def _describe_reasons(line: "Sequence[Prediction]") -> Iterator[str]:
    for place, digit in enumerate(line, start=1):
        if digit.reasons and digit.box is not None:
            left, top, width, height = digit.box
            where = f"{width} x {height} at {left}, {top}"
            named = f"line {digit.line + 1}, digit {place} ({where})"
            yield f"  {named}: {_describe_digit(digit)}"


def _describe_digit(digit: "Prediction") -> str:
    others = ", ".join(f"{other} {share:.2%}" for other, share in digit.runners_up)
    chances = f"({digit.probability:.2%}; then {others})"
    if digit.status == "read":
        return f"{digit.digit} {chances}"
    return f"{digit.digit} {chances} {digit.status}: {'; '.join(digit.reasons)}"
