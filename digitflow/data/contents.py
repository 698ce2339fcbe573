"""What a file really is, whatever its name says: a web page, a pointer, which kind of CSV."""

import contextlib
import csv
import gzip
import re
import zlib
from collections.abc import Sequence
from pathlib import Path

from digitflow.errors import InputError

GZIP = b"\x1f\x8b"
_HEAD_BYTES = 2048
_PAGES = (b"<!doctype html", b"<html", b"<head", b"<?xml", b"<error")
_DELIMITERS = ",;\t|"
_POINTER = b"version https://git-lfs"
_TITLE = re.compile(rb"<(?:title|code|h1)[^>]*>\s*([^<]{1,80})", re.IGNORECASE)


def read_head(path: Path, count: int = _HEAD_BYTES) -> bytes:
    """Return a file's first bytes, unpacked where it is gzipped; nothing if they can't be.

    Raises
    ------
    OSError
        If the file can't be read.
    """
    with path.open("rb") as raw:
        is_packed = raw.read(len(GZIP)) == GZIP
        raw.seek(0)
        if not is_packed:
            return raw.read(count)
        try:
            with gzip.open(raw) as file:
                return file.read(count)
        except (EOFError, zlib.error, OSError):
            return b""


def require_data(path: Path, where: str = "") -> None:
    """Stop at what was saved in a file's place when it was downloaded; see `require_head`.

    Where the file is missing or can't be read, others say so.
    """
    with contextlib.suppress(OSError):
        require_head(read_head(path), str(path), where)


def require_head(head: bytes, name: str, where: str = "") -> None:
    """Stop at what was saved in a file's place when it was downloaded.

    Parameters
    ----------
    head : bytes
        The first of the file, unpacked.
    name : str
        How errors call it.
    where : str
        Where the file is to be had.

    Raises
    ------
    InputError
        If it is a web page, or Git's pointer to a large file.
    """
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.lower().startswith(_PAGES):
        found = _TITLE.search(head)
        title = f' ("{_make_printable(found[1])}")' if found else ""
        raise InputError(
            f"{name} is a web page{title}, not data: what answered the download was an error "
            f"or a form to fill in. Download it again{where and f', {where}'}"
        )
    if start.startswith(_POINTER):
        raise InputError(
            f"{name} is Git's pointer to a large file, not the file: run `git lfs pull` in its "
            "repository"
        )


def split_rows(lines: Sequence[str]) -> tuple[str, list[list[str]]]:
    """Return what parts the cells of a CSV, by its first line, and the cells of each line.

    That is the one of comma, semicolon, tab and bar which makes the most cells.
    """
    first = lines[:1] or [""]
    delimiter = max(
        _DELIMITERS, key=lambda sign: len(next(csv.reader(first, delimiter=sign), ""))
    )
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=delimiter)]
    return delimiter, rows


def _make_printable(text: bytes) -> str:
    return "".join(each for each in text.decode(errors="replace") if each.isprintable()).strip()
