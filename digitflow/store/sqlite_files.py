"""SQLite files, whoever made them: what is wrong with one, and copies that are one moment's.

With the standard library alone: whoever looks must not wait for SQLAlchemy, and a file that
is damaged is nothing that it could open.
"""

import os
import re
import shlex
import sqlite3
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

FaultKind = Literal[
    "missing", "empty", "foreign", "damaged", "read-only", "locked", "refused", "full",
    "newer", "older",
]  # fmt: skip
LOST: tuple[FaultKind, ...] = ("missing", "empty", "foreign", "damaged")
"""Kinds of a file of which nothing can be read, or not all."""
_SINGLE_STEPS, _MOST_STEPS = 1000, 1040
# What SQLite keeps beside a file while it is written, or after a kill.
SIDE_FILES = ("-wal", "-shm", "-journal")
_MAGIC = b"SQLite format 3\0"
_HEADER_BYTES = 100
_READ_ONLY = "can be read and not written"
_LOCKED = "is locked by another process"
_SAID: dict[int, tuple[FaultKind, str]] = {
    sqlite3.SQLITE_CORRUPT: ("damaged", "is damaged inside"),
    sqlite3.SQLITE_NOTADB: ("foreign", "holds something else than a database"),
    sqlite3.SQLITE_READONLY: ("read-only", _READ_ONLY),
    sqlite3.SQLITE_PERM: ("read-only", _READ_ONLY),
    sqlite3.SQLITE_BUSY: ("locked", _LOCKED),
    sqlite3.SQLITE_LOCKED: ("locked", _LOCKED),
    sqlite3.SQLITE_FULL: ("full", "can't grow: its disk is full"),
    sqlite3.SQLITE_CANTOPEN: ("refused", "can't be opened"),
}
_SIDES = {
    "missing": "sets what is left of it aside and brings back what is known elsewhere",
    "read-only": "makes it writable, or says who can",
    "locked": "names that process; when it has ended, the same works again",
    "refused": "makes it readable, or says who can",
    "older": "brings it up to date",
}


class Fault(NamedTuple):
    """What is wrong with a database's file.

    Attributes
    ----------
    kind : str
    said : str
        The rest of a sentence that begins with the file: "is damaged inside".
    """

    kind: FaultKind
    said: str

    def advise(self, path: Path) -> str:
        """Return the sentence on what mends it; it names one command."""
        if self.kind == "newer":
            return "Nothing in it was changed. Use the version that wrote it."
        if self.kind == "full":
            return "`digitflow gc` frees room, `digitflow du` says where it went."
        does = _SIDES.get("missing" if self.kind in LOST else self.kind, "")
        return f"`digitflow doctor --repair {shlex.quote(str(path))}` {does}."

    def describe(self, title: str, path: Path) -> str:
        """Return it whole: which file, what is wrong, which command mends it."""
        return f"{title} {path} {self.said}. {self.advise(path)}"


def read_error(exc: BaseException) -> Fault | None:
    """Return what an error of SQLite, or one raised because of it, says of the file."""
    seen: set[int] = set()
    pending: list[Any] = [exc]
    while pending:
        error = pending.pop(0)
        if not isinstance(error, BaseException) or id(error) in seen:
            continue
        seen.add(id(error))
        if isinstance(error, sqlite3.Error):
            # The low byte is the kind, the others only tell more of it.
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in _SAID:
                return Fault(*_SAID[code])
        pending += [getattr(error, "orig", None), error.__cause__, error.__context__]
    return None


def find_fault(
    path: Path,
    seconds: float,
    thorough: bool = False,
    check: Callable[[sqlite3.Connection], Fault | None] | None = None,
) -> Fault | None:
    """Return what is wrong with a file, None if nothing is.

    Parameters
    ----------
    path : Path
    seconds : float
        How long to wait for whoever writes to it.
    thorough : bool
        Read all of it, and try to write: by what is undone.
    check : callable, optional
        Looks at what is in it.
    """
    if (fault := _find_outer_fault(path)) is not None:
        return fault
    try:
        with closing(open_file(path, seconds)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if check is not None and (fault := check(connection)) is not None:
                return fault
            return _read_all(connection) or _find_lack_of_rights(path) if thorough else None
    except sqlite3.Error as exc:
        return read_error(exc) or Fault("damaged", f"can't be read: {exc}")


def open_file(path: Path, seconds: float) -> sqlite3.Connection:
    """Open a file that is there; what a killed writer left unfinished is undone."""
    # Not `ro`: to undo is to write.
    return sqlite3.connect(f"file:{quote(str(path))}?mode=rw", seconds, uri=True)


def _find_outer_fault(path: Path) -> Fault | None:
    """Look at a file's size and its first bytes."""
    try:
        with path.open("rb") as file:
            header, size = file.read(_HEADER_BYTES), os.fstat(file.fileno()).st_size
    except FileNotFoundError:
        return Fault("missing", "is missing")
    except OSError as exc:
        return Fault("refused", f"can't be opened: {exc.strerror}")
    if not size:
        # All may still be in the log that is written ahead.
        log = Path(f"{path}-wal")
        is_begun = log.exists() and log.stat().st_size > 0
        return None if is_begun else Fault("empty", "is empty: what was in it is gone")
    if not header.startswith(_MAGIC):
        return Fault("foreign", "holds something else than a database")
    return _find_missing_end(path, header, size)


def _find_missing_end(path: Path, header: bytes, size: int) -> Fault | None:
    """Compare a file's size with what it says of itself, where no writer is half-way."""
    page, pages = struct.unpack(">H", header[16:18])[0], struct.unpack(">I", header[28:32])[0]
    wanted = pages * (65536 if page == 1 else page)
    is_told = header[24:28] == header[92:96] and not Path(f"{path}-journal").exists()
    if is_told and size < wanted:
        return Fault("damaged", f"is cut off: {size:,} of its {wanted:,} bytes are there")
    return None


def _read_all(connection: sqlite3.Connection) -> Fault | None:
    """Follow every page, and begin to write; say what the first fault is."""
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        first = " ".join(str(found).removeprefix("*** in database main ***").split())
        return Fault("damaged", f"is damaged inside ({first})")
    connection.isolation_level = None
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("ROLLBACK")
    return None


def _find_lack_of_rights(path: Path) -> Fault | None:
    """Look at the file and at its folder, where SQLite writes what it would have to undo."""
    # SQLite itself begins to write a file that it may not write, and fails later.
    may_write = os.access(path, os.W_OK) and os.access(path.parent, os.W_OK | os.X_OK)
    return None if may_write else Fault("read-only", _READ_ONLY)


# -- what migrations say ------------------------------------------------------------

_REVISION = re.compile(r"^(down_)?revision\b[^=]*=\s*(.+)$", re.MULTILINE)


def compare_revision(
    connection: sqlite3.Connection, package: str, migrations: str, writer: str
) -> Fault | None:
    """Compare the revision that Alembic noted in a database with those that are installed.

    By their text: importing them takes seconds, and the library that they belong to.

    Parameters
    ----------
    connection : sqlite3.Connection
    package, migrations : str
        The library, and the folder of its migrations in it.
    writer : str
        What people call it.
    """
    tables = "SELECT name FROM sqlite_master WHERE name = 'alembic_version'"
    if connection.execute(tables).fetchone() is None:
        return Fault("empty", f"has none of {writer}'s tables: what was in them is gone")
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    found, known = row[0] if row else "none", read_revisions(package, migrations)
    if known and found not in known:
        said = f"was written by a newer {writer} than the one that is installed"
        return Fault("newer", f"{said} (revision {found} is unknown to it)")
    if found in {before for befores in known.values() for before in befores}:
        return Fault("older", f"was written by an older {writer} (revision {found})")
    return None


def read_revisions(package: str, migrations: str) -> Mapping[str, tuple[str, ...]]:
    """Return {revision: those that it follows} of an installed library."""
    found: dict[str, tuple[str, ...]] = {}
    installed = find_spec(package)  # imports nothing
    folders = (installed and installed.submodule_search_locations) or ()
    for file in (f for folder in folders for f in (Path(folder) / migrations).glob("*.py")):
        pairs = _REVISION.findall(file.read_text(encoding="utf-8"))
        said = {down: tuple(re.findall(r"[\"'](\w+)[\"']", value)) for down, value in pairs}
        for revision in said.get("", ()):
            found[revision] = said.get("down_", ())
    return found


# -- copies -------------------------------------------------------------------------


@contextmanager
def freeze(paths: list[Path], seconds: float) -> Iterator[list[sqlite3.Connection]]:
    """Yield connections that all see one moment, whatever others write meanwhile.

    Who writes without a log ahead waits until the block ends: what is read is copied there,
    in a second or two.
    """
    connections: list[sqlite3.Connection] = []
    try:
        for path in paths:
            connections.append(open_file(path, seconds))
            connections[-1].isolation_level = None
            connections[-1].execute("BEGIN")
        for connection in connections:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        yield connections
    finally:
        for connection in connections:
            connection.close()


def copy_database(source: sqlite3.Connection, target: Path) -> None:
    """Write what a connection sees into a new file."""
    with closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
        # In one file, wherever it is read next.
        copy.execute("PRAGMA journal_mode = DELETE")


def set_aside(path: Path, ending: str) -> Path | None:
    """Rename a file and what lies beside it; return its new name, None if it was not there."""
    aside = path.with_name(f"{path.name}.{ending}")
    for side in SIDE_FILES:
        with suppress(FileNotFoundError):
            Path(f"{path}{side}").replace(f"{aside}{side}")
    try:
        path.replace(aside)
    except FileNotFoundError:
        return None
    return aside


def salvage_rows(path: Path, table: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table that can still be read, of both sides of what is damaged.

    A row that is found is whole, or SQLite would have said so; which are missing is not
    known.
    """
    last, failures = 0, 0
    query = f"SELECT rowid AS rowid_, * FROM {table} WHERE rowid > ? ORDER BY rowid"  # noqa: S608
    while failures < _MOST_STEPS:
        try:
            with closing(open_file(path, 1)) as connection:
                connection.row_factory = sqlite3.Row
                for row in connection.execute(query, (last,)):
                    values = dict(row)
                    last, failures = values.pop("rowid_"), 0
                    yield values
            return
        except sqlite3.Error:
            # Over the damaged page: by single rows, of which a page holds some dozens.
            failures += 1
            last += 1 << max(0, failures - _SINGLE_STEPS)


# -- room ---------------------------------------------------------------------------

# Less is not worth that others wait.
_LEAST_FREED = 1 << 20


def count_free_bytes(path: Path, seconds: float) -> int:
    """Return how many bytes of a file hold nothing, and could be given back."""
    with suppress(sqlite3.Error, OSError):
        if path.is_file():
            with closing(open_file(path, seconds)) as connection:
                (pages,) = connection.execute("PRAGMA freelist_count").fetchone()
                (size,) = connection.execute("PRAGMA page_size").fetchone()
                return int(pages * size) if pages * size >= _LEAST_FREED else 0
    return 0


def shrink(path: Path, seconds: float) -> int:
    """Give the room that a file does not use back to the disk; return how many bytes.

    Nothing happens where others write all the time, or where the disk has no room for the
    copy that SQLite makes: it stays as it is, and whole.
    """
    if not count_free_bytes(path, seconds):
        return 0
    before = path.stat().st_size
    with suppress(sqlite3.Error), closing(open_file(path, seconds)) as connection:
        connection.isolation_level = None
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return max(0, before - path.stat().st_size)
