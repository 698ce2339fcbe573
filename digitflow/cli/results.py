"""How `digitflow predict` finds its files, says how far it is, and prints for scripts.

It prints without rich, which takes longer to import than a digit to read.
"""

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from textwrap import indent
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import typer

from digitflow.errors import InputError

if TYPE_CHECKING:
    from digitflow.predict.predictions import Unread

Result = TypeVar("Result")
Form = Literal["text", "json", "csv"]
# Files of which a person wants to know how far it is, and how often to say so.
MANY, PROGRESS_SECONDS = 20, 0.1


def find_all(
    names: Sequence[str], suffixes: tuple[str, ...] | None = None
) -> "tuple[list[str], list[Unread]]":
    """Return the files that names stand for, and what stands for none.

    Parameters
    ----------
    suffixes : tuple of str, optional
        Of a folder's files; without any, those of pictures.
    """
    from digitflow.images.files import SUFFIXES, find_files
    from digitflow.predict.predictions import Unread

    found: list[str] = []
    missing = []
    for name in names:
        try:
            found += find_files(name, suffixes or SUFFIXES)
        except InputError as exc:
            missing.append(Unread(file=name, error=str(exc)))
    return found, missing


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

    def clear_before(self, results: Iterable[Result]) -> Iterator[Result]:
        """Yield what was found, the line of progress out of the way."""
        for result in results:
            if self._is_shown:
                self._show("")
            yield result

    def _show(self, text: str) -> None:
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()


def write_json(rows: Iterable[Mapping[str, Any]]) -> bool:
    """Print a list as `json.dumps` would, piece by piece: any number in bounded memory.

    Returns
    -------
    bool
        Whether no row says an error.
    """
    is_whole, before = True, "[\n"
    for row in rows:
        is_whole &= "error" not in row
        text = json.dumps(row, indent=2)
        typer.echo(before + indent(text, "  "), nl=False)
        before = ",\n"
    typer.echo("\n]" if before == ",\n" else "[]")
    return is_whole


def write_csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> bool:
    """Print a table with these columns; return what `write_json` does."""
    writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
    writer.writeheader()
    is_whole = True
    for row in rows:
        is_whole &= "error" not in row
        writer.writerow(row)
    return is_whole
