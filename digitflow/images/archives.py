"""ZIP archives of pictures, unpacked in memory, entry by entry; nothing reaches a disk.

An archive may claim what it likes: of counts and sizes only what was found and unpacked
counts, and a name is text that is shown, never a path.
"""

import io
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import NamedTuple
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from digitflow.errors import InputError
from digitflow.images.files import SUFFIXES, is_readable
from digitflow.images.pictures import MAX_FILE_BYTES

SIGNATURES = (b"PK\3\4", b"PK\5\6")
MAX_ENTRIES = 10_000
MAX_UNPACKED_BYTES = 512 << 20
_MAX_DIRECTORY_BYTES = 4 << 20
_ENCRYPTED = 1
_ROOTED = re.compile(r"[/\\]|[A-Za-z]:")
_DAMAGED = (
    BadZipFile, EOFError, IndexError, NotImplementedError, OSError, RuntimeError, ValueError,
    struct.error, zlib.error,
)  # fmt: skip


class Entry(NamedTuple):
    """A file of an archive.

    Attributes
    ----------
    name : str
        For people: the archive's and its own, without characters that don't print.
    content : bytes
        At most one more than `MAX_FILE_BYTES`.
    error : str or None
        Why there is no content.
    """

    name: str
    content: bytes
    error: str | None = None


class _BoundedFile(io.BytesIO):
    """Refuses to hand out more at once than a list of `MAX_ENTRIES` files can need.

    `ZipFile` reads that list whole, and keeps half a kilobyte for each 46 bytes of it.
    """

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _MAX_DIRECTORY_BYTES:
            raise BadZipFile(f"its list of files claims {size:,} bytes")
        return super().read(size)


def is_archive(content: bytes) -> bool:
    """Tell by its content whether a file is a ZIP archive."""
    return content.startswith(SIGNATURES)


def count_files(content: bytes) -> int:
    """Return how many files there are to look at: 1, or what an archive lists."""
    if not is_archive(content):
        return 1
    try:
        with _open(content, "it") as archive:
            return sum(map(_is_shown, archive.infolist()))
    except InputError:
        return 1


def iterate_archive(content: bytes, name: str) -> Iterator[Entry]:
    """Yield what may be pictures in an archive, in its order.

    That is what begins as one or has one of their endings, `SUFFIXES`; other files, folders
    and what is hidden are passed over. An entry that can't be unpacked has an error instead.

    Parameters
    ----------
    content : bytes
        The archive, at most 64 MB.
    name : str
        How errors call it.

    Raises
    ------
    InputError
        If it is damaged, too large or of too many files, if nothing in it may be a picture,
        or, after those before, where the entries together have more than
        `MAX_UNPACKED_BYTES`.
    """
    found, unpacked = 0, 0
    with _open(content, name) as archive:
        for info in filter(_is_shown, archive.infolist()):
            entry = _unpack(archive, info, name)
            unpacked += len(entry.content)
            if unpacked > MAX_UNPACKED_BYTES:
                raise InputError(
                    f"{name} unpacks to more than {MAX_UNPACKED_BYTES >> 20} MB: it was read "
                    "up to there. Make several archives of it, or unpack it yourself"
                )
            if entry.error or is_readable(entry.content) or _has_suffix(info.filename):
                found += 1
                yield entry
    if not found:
        raise InputError(f"{name}: no picture file in it ({', '.join(SUFFIXES)})")


def _open(content: bytes, name: str) -> ZipFile:
    if len(content) > MAX_FILE_BYTES:
        raise InputError(
            f"{name} has more than {MAX_FILE_BYTES >> 20} MB, which is all that an archive may "
            "have: unpack it and name the folder, or make several archives of it"
        )
    try:
        archive = ZipFile(_BoundedFile(content))
    except _DAMAGED as exc:
        raise InputError(f"{name} is no ZIP archive, or a damaged one: {exc}") from exc
    count = len(archive.infolist())
    if count > MAX_ENTRIES:
        raise InputError(
            f"{name} holds {count:,} files, an archive may hold {MAX_ENTRIES:,}: make several "
            "archives of it, or unpack it and name the folder"
        )
    return archive


def _unpack(archive: ZipFile, info: ZipInfo, name: str) -> Entry:
    shown = f"{name}/{_make_printable(info.filename)}"
    if _leaves_archive(info.filename):
        return Entry(shown, b"", f"{shown}: its name leads out of the archive; it is not read")
    if info.flag_bits & _ENCRYPTED:
        return Entry(shown, b"", f"{shown} is locked by a password: make an archive without")
    if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        return Entry(
            shown, b"", f"{shown} is packed by method {info.compress_type}: ZIP's usual one is "
            "expected, deflate"
        )  # fmt: skip
    try:
        with archive.open(info) as file:
            # Not its size, which the archive may claim as it likes.
            content = file.read(MAX_FILE_BYTES + 1)
    except _DAMAGED as exc:
        return Entry(shown, b"", f"{shown} can't be unpacked: {exc}")
    if is_archive(content):
        return Entry(shown, b"", f"{shown} is an archive in an archive: unpack it first")
    return Entry(shown, content)


def _has_suffix(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


def _split(name: str) -> tuple[str, ...]:
    """Return a name's parts; some programs write backslashes between them."""
    return PurePosixPath(name.replace("\\", "/")).parts


def _is_shown(info: ZipInfo) -> bool:
    """Tell whether it is a file that a folder would show."""
    parts = _split(info.filename)
    hidden = "__MACOSX" in parts or any(p.startswith(".") and p != ".." for p in parts)
    return not (hidden or info.is_dir())


def _leaves_archive(name: str) -> bool:
    return bool(_ROOTED.match(name)) or ".." in _split(name)


def _make_printable(name: str) -> str:
    """Replace what a terminal or a browser might take for a command."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)
