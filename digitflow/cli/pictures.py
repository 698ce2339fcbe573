"""`digitflow predict`, `correct` and `corrections`: pictures, and what people say of them.

What was read is printed without rich: it takes longer to import than a digit to read.
"""

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby
from pathlib import Path
from textwrap import indent
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from digitflow.cli.options import AsJson, Debug, print_error, print_result
from digitflow.errors import InputError

if TYPE_CHECKING:
    from digitflow.predict.predictions import Prediction, Reading
    from digitflow.registry.versions import Champion

MOST_REASONS = 10
# Files of which a person wants to know how far it is, and how often to say so.
MANY, PROGRESS_SECONDS = 20, 0.1


def predict(
    files: Annotated[
        list[str],
        typer.Argument(help="Pictures, folders or patterns; - is standard input."),
    ],
    one: Annotated[
        bool, typer.Option("--one", help="Each picture holds one digit (default: find them).")
    ] = False,
    model: Annotated[
        str | None,
        typer.Option(help="Registered model (default: digits, else digits-sample)."),
    ] = None,
    no_log: Annotated[
        bool, typer.Option("--no-log", help="Keep nothing for the monitor and corrections.")
    ] = False,
    turn: Annotated[
        Literal["no", "auto"],
        typer.Option(help="Turn a page that lies upside down or on its side (auto)."),
    ] = "no",
    show: Annotated[
        Path | None,
        typer.Option(help="Write the picture here with what was read and passed over."),
    ] = None,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print a table, one row a digit.")
    ] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Find and read the digits in each picture with the champion, and say which model it is."""
    from digitflow.feedback.predictions import PredictionLog
    from digitflow.predict.predictor import Predictor
    from digitflow.store.artifacts import open_store

    if as_json and as_csv:
        raise InputError("--json and --csv are two forms of the same output: choose one")
    found, missing = _find_files(files)
    store = open_store()
    kept = None if no_log else PredictionLog(store, strict=False)
    predictor = Predictor.load(store, model, kept)
    progress = Progress(len(found))
    pages: Iterable[Reading] = chain(
        missing, predictor.read_files(progress.count(found), one, show is not None, turn)
    )
    if show is not None:
        pages = _show_pages(pages, show)
    write = _write_json if as_json else _write_csv if as_csv else _write_text
    is_whole = write(progress.clear_before(pages), predictor.champion)
    if kept is not None:
        kept.flush()
        if kept.failure is not None:
            warning = f"digitflow: warning: the predictions are not kept: {kept.failure}"
            typer.echo(warning, err=True)
    if not is_whole:
        raise typer.Exit(InputError.exit_code)


def _find_files(names: Sequence[str]) -> "tuple[list[str], list[Reading]]":
    """Return the files that names stand for, and what stands for none."""
    from digitflow.images.files import find_files
    from digitflow.predict.predictions import Reading, Unread

    found: list[str] = []
    missing = []
    for name in names:
        try:
            found += find_files(name)
        except InputError as exc:
            missing.append(Reading([Unread(file=name, error=str(exc))]))
    return found, missing


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


class Progress:
    """How many files were read, on standard error where that is a terminal."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._is_shown = total >= MANY and sys.stderr is not None and sys.stderr.isatty()
        self._next = 0.0

    def count(self, files: Iterable[str]) -> Iterator[str]:
        """Yield the files, and say how many there were."""
        for number, file in enumerate(files):
            if self._is_shown and monotonic() >= self._next:
                self._show(f"{number:,} of {self.total:,} files")
                self._next = monotonic() + PROGRESS_SECONDS
            yield file

    def clear_before(self, pages: "Iterable[Reading]") -> "Iterator[Reading]":
        """Yield what was read, the line of progress out of the way."""
        for page in pages:
            if self._is_shown:
                self._show("")
            yield page

    def _show(self, text: str) -> None:
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()


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


def _write_json(pages: "Iterable[Reading]", champion: "Champion") -> bool:
    """Print a list as `json.dumps` would, piece by piece: any number in bounded memory."""
    from digitflow.predict.predictions import list_rows

    is_whole, before = True, "[\n"
    for row in chain.from_iterable(map(list_rows, pages)):
        is_whole &= "error" not in row
        text = json.dumps(row, indent=2)
        typer.echo(before + indent(text, "  "), nl=False)
        before = ",\n"
    typer.echo("\n]" if before == ",\n" else "[]")
    return is_whole


def _write_csv(pages: "Iterable[Reading]", champion: "Champion") -> bool:
    from digitflow.predict.predictions import COLUMNS, list_table_rows

    writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    writer.writeheader()
    is_whole = True
    for row in chain.from_iterable(map(list_table_rows, pages)):
        is_whole &= "error" not in row
        writer.writerow(row)
    return is_whole


def correct(
    picture: Annotated[
        str, typer.Argument(help="A picture's file, or its digest (`predict --json`).")
    ],
    digits: Annotated[str, typer.Argument(help="What it shows, in reading order: 4213.")],
    one: Annotated[
        bool, typer.Option("--one", help="The picture holds one digit (default: find them).")
    ] = False,
    turn: Annotated[
        Literal["no", "auto"],
        typer.Option(help="Turn the picture as `predict --turn auto` did (auto)."),
    ] = "no",
    who: Annotated[str, typer.Option(help="Who says so (default: user@host).")] = "",
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Say what a picture really shows; it is used for the next training, or by the gate."""
    from digitflow.predict.correcting import correct_file, correct_picture
    from digitflow.store.artifacts import open_store
    from digitflow.store.runs import name_user

    store, name = open_store(), who or name_user()
    if Path(picture).exists():
        kept = correct_file(store, Path(picture), digits, name, one, turn)
    else:
        kept = [correct_picture(store, picture, digits, name)]
    print_result([row.model_dump() for row in kept], as_json, _print_kept)


def corrections(as_json: AsJson = False, debug: Debug = False) -> None:
    """List what people said of pictures, and where they disagree."""
    from digitflow.feedback.corrections import list_conflicts, list_corrections
    from digitflow.store.artifacts import open_store

    store = open_store()
    found = {
        "corrections": [row.model_dump() for row in list_corrections(store)],
        "conflicts": {
            picture: [row.model_dump() for row in said]
            for picture, said in list_conflicts(store).items()
        },
    }
    print_result(found, as_json, _print_corrections)


def _print_kept(kept: list[dict[str, Any]]) -> None:
    for row in kept:
        use = "training" if row["role"] == "training" else "the gate"
        typer.echo(
            f"{row['picture'][:12]}  is a {row['digit']}, says {row['who']}: used for {use}"
        )


def _print_corrections(found: dict[str, Any]) -> None:
    rows, conflicts = found["corrections"], found["conflicts"]
    for row in rows:
        held = "held back: people disagree" if row["picture"] in conflicts else row["role"]
        typer.echo(
            f"{row['at']}  {row['picture'][:12]}  {row['digit']}  {held}  by {row['who']}"
            f"  from {row['source']}"
        )
    typer.echo(
        f"{len(rows)} corrections; {len(conflicts)} pictures held back because people disagree"
        if rows
        else "no corrections yet: `digitflow correct PICTURE DIGITS` adds one"
    )


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
