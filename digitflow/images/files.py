"""Files as people keep them: on disk, in a pipe, with one picture or with many pages."""

import os
import select
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import numpy as np

from digitflow.errors import InputError
from digitflow.images.colours import to_gray
from digitflow.images.pictures import (
    FORMATS,
    MAX_FILE_BYTES,
    Header,
    Picture,
    bound_pages,
    decode_image,
    inspect_picture,
    is_known,
)

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument

STANDARD_INPUT = Path("-")
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".pdf")
PIPE_SECONDS = 30.0
"""How long a pipe may stay silent."""
# Readers accept what stands before a PDF's beginning, as mail programs leave it.
_PDF_HEAD = 1024
_POINTS = 72
# A digit of 4 mm has 32 pixels then; posters get fewer an inch.
_DOTS = 200
_PAGE_PIXELS = 1 << 24


def find_files(name: str, suffixes: tuple[str, ...] = SUFFIXES) -> list[str]:
    """Return the files that a name stands for: itself, a folder's, a pattern's.

    Parameters
    ----------
    name : str
        A file or `-`; a folder, whose files that end in `suffixes` are listed with those of
        its folders, hidden ones left out; or a pattern like "scans/**/*.png".
    suffixes : tuple of str
        Of pictures unless others are named.

    Raises
    ------
    InputError
        If a folder holds no such file, or nothing matches a pattern.
    """
    if Path(name).is_dir() and name:
        found = sorted(_walk(name, suffixes))
    elif set(name) & set("*?[") and not Path(name).exists():
        anchor = Path(name).anchor
        matches = Path(anchor).glob(name.removeprefix(anchor))
        shown = sorted(str(match) for match in matches if not match.name.startswith("."))
        found = [file for match in shown for file in (_walk(match, suffixes) or [match])]
    else:
        return [name]
    if not found:
        raise InputError(f"{name}: no file there that ends in {', '.join(suffixes)}")
    return found


def _walk(folder: str, suffixes: tuple[str, ...]) -> list[str]:
    found: list[str] = []
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        found += (
            str(Path(place, file))
            for file in sorted(files)
            if file.lower().endswith(suffixes) and not file.startswith(".")
        )
    return found


def read_picture(path: str | PathLike[str]) -> np.ndarray:
    """Read a picture file as gray; see `decode_picture`.

    Raises
    ------
    InputError
        If the file is missing or too large, or its content is not what is expected.
    """
    return decode_picture(read_content(path), name_file(path))


def name_file(path: str | PathLike[str]) -> str:
    """Say how errors call a file."""
    return "standard input" if Path(path) == STANDARD_INPUT else str(path)


def read_content(path: str | PathLike[str]) -> bytes:
    """Read a file's bytes, at most one more than `MAX_FILE_BYTES`; `-` is standard input.

    Raises
    ------
    InputError
        If it can't be read, has no name, or is a pipe into which nothing is written.
    """
    if not str(path):
        raise InputError("a picture's path is empty: name a file, or - for standard input")
    try:
        if Path(path) == STANDARD_INPUT:
            return read_standard_input(MAX_FILE_BYTES + 1)
        if stat.S_ISFIFO(Path(path).stat().st_mode):
            return _read_pipe(path)
        with Path(path).open("rb") as file:
            # Not its size, which some files don't know.
            return file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as exc:
        raise InputError(f"can't read the picture {path}: {exc}") from exc


def read_standard_input(most: int = -1) -> bytes:
    """Read standard input to its end, or at most so many bytes.

    Raises
    ------
    InputError
        If it is closed, or a terminal.
    """
    if sys.stdin is None:
        raise InputError("standard input is closed: name a file instead of -, or send it one")
    if sys.stdin.isatty():
        raise InputError(
            "standard input is a terminal: name a file instead of -, or send it one"
        )
    return sys.stdin.buffer.read(most)


def _read_pipe(path: str | PathLike[str]) -> bytes:
    """Read until all writers are gone; opening it as a file would wait for the first one."""
    content, silent_since = bytearray(), monotonic()
    pipe = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        while len(content) <= MAX_FILE_BYTES:
            waiting = silent_since + PIPE_SECONDS - monotonic()
            if waiting <= 0:
                raise InputError(
                    f"can't read the picture {path}: nothing was written into it for "
                    f"{PIPE_SECONDS:g} s. Start what writes it, or name a file"
                )
            # Before its first writer comes, a pipe looks as if it had ended.
            select.select([pipe], [], [], waiting if content else min(waiting, 0.05))
            part = _read_part(pipe)
            if part:
                content += part
                silent_since = monotonic()
            elif part is not None and content:
                break
    finally:
        os.close(pipe)
    return bytes(content)


def _read_part(pipe: int) -> bytes | None:
    """Return what a pipe holds; nothing at its end, None while it is empty."""
    try:
        return os.read(pipe, 1 << 20)
    except BlockingIOError:
        return None


class Document:
    """A file's content, of which nothing is decoded yet, and how many pages it has.

    Parameters
    ----------
    content : bytes
        A PNG, JPEG, BMP, WebP, TIFF or PDF of at most 64 MB.
    name : str
        How errors call it.

    Attributes
    ----------
    pages : int or None
        Of a PDF, or of a TIFF of several pages; None of other pictures.

    Raises
    ------
    InputError
        If it is no such file, a damaged one or too large, or is a PDF and PDFium is not
        installed.
    """

    def __init__(self, content: bytes, name: str) -> None:
        self._content, self.name = content, name
        self._header: Header | None = None
        self.pages: int | None
        if _is_pdf(content):
            self.pages = _count_pdf_pages(content, name)
        else:
            self._header = inspect_picture(content, name)
            pages = len(self._header.pages)
            self.pages = pages if pages > 1 else None

    def read(self, page: int = 1) -> Picture:
        """Return a page as a gray picture; the first one has the number 1.

        Pictures are decoded as `decode_image` does. A page of a PDF is drawn as it prints,
        with what was written onto it, at 200 dots an inch, or fewer where that were more
        than 16 million pixels.

        Raises
        ------
        InputError
            If it is damaged or too large.
        """
        if self._header is None:
            drawn = _render_pdf_page(self._content, self.name, page)
            return Picture(to_gray(drawn, self.name), 1)
        return decode_image(self._content, self.name, self._header, page)


def decode_picture(content: bytes, name: str) -> np.ndarray:
    """Return the one picture of a file, gray (height, width), uint8; see `Document`.

    Raises
    ------
    InputError
        As `Document` does, and if it has several pages.
    """
    document = Document(content, name)
    if document.pages not in (None, 1):
        raise InputError(
            f"{name} has {document.pages} pages, one picture is expected here: save one of "
            f"them as {FORMATS}. `digitflow predict` and Predictor.read_file read every page"
        )
    return document.read().gray


def is_readable(content: bytes) -> bool:
    """Tell whether a file begins as one that `Document` reads."""
    return is_known(content) or _is_pdf(content)


def _is_pdf(content: bytes) -> bool:
    return b"%PDF-" in content[:_PDF_HEAD] and len(content) <= MAX_FILE_BYTES


def _count_pdf_pages(content: bytes, name: str) -> int:
    with _open_pdf(content, name) as document:
        return bound_pages(len(document), name)


def _render_pdf_page(content: bytes, name: str, page: int) -> np.ndarray:
    """Return a page's pixels, (height, width, 3) uint8, BGR."""
    with _open_pdf(content, name) as document:
        drawn = document[page - 1]
        width, height = (max(1.0, side) for side in drawn.get_size())
        scale = min(_DOTS / _POINTS, (_PAGE_PIXELS / width / height) ** 0.5)
        # The bitmap's memory ends with the document.
        return np.array(drawn.render(scale=scale).to_numpy()[..., :3])


@contextmanager
def _open_pdf(content: bytes, name: str) -> "Iterator[PdfDocument]":
    try:
        from pypdfium2 import PdfDocument, PdfiumError
    except ImportError as exc:
        raise InputError(
            f"{name} is a PDF, which needs the extra pdf: pip install 'digitflow[pdf]'. "
            "Or save its pages as PNG"
        ) from exc
    try:
        document = PdfDocument(content)
        try:
            yield document
        finally:
            document.close()
    except PdfiumError as exc:
        raise InputError(
            f"{name} is a PDF that can't be read, damaged or locked by a password: {exc}"
        ) from exc
