"""What is wrong with an SQLite file is found by looking at real ones, damaged in each way."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from itertools import pairwise

import pytest

from digitflow.store import sqlite_files
from digitflow.store.sqlite_files import (
    Fault,
    compare_revision,
    copy_database,
    count_free_bytes,
    find_fault,
    freeze,
    open_file,
    read_error,
    read_revisions,
    salvage_rows,
    set_aside,
    shrink,
)

ROWS = 2000


@pytest.fixture
def file(tmp_path):
    """A database of some hundred pages."""
    path = tmp_path / "numbers.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE numbers (id INTEGER PRIMARY KEY, n TEXT)")
        rows = ((n, f"{n} " * 40) for n in range(1, ROWS + 1))
        connection.executemany("INSERT INTO numbers VALUES (?, ?)", rows)
    return path


def cut(path):
    os.truncate(path, path.stat().st_size * 6 // 10)


def spoil(path):
    """Overwrite a stretch in the middle, as a bad disk does."""
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 20_000] = os.urandom(20_000)
    path.write_bytes(content)


DAMAGES = {
    "missing": (lambda path: path.unlink(), "missing"),
    "empty": (lambda path: path.write_bytes(b""), "empty"),
    "overwritten": (lambda path: path.write_bytes(b"<html>" * 5000), "foreign"),
    "cut": (cut, "damaged"),
    "spoilt": (spoil, "damaged"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_each_kind_of_damage_is_told_and_names_the_command_that_mends_it(file, damage):
    assert find_fault(file, 1, thorough=True) is None
    do, kind = DAMAGES[damage]
    do(file)
    fault = find_fault(file, 1, thorough=True)
    assert fault.kind == kind
    said = fault.describe("the numbers", file)
    assert said.startswith(f"the numbers {file} ")
    assert said.count("`") == 2
    assert f"`digitflow doctor --repair {file}`" in said


def test_a_file_that_another_process_holds_is_locked(file):
    code = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.isolation_level = None;"
    code += "c.execute('BEGIN EXCLUSIVE'); print('held', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, file]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        assert find_fault(file, 0.1).kind == "locked"
        holder.stdin.close()
    assert find_fault(file, 0.1, thorough=True) is None


def test_a_file_that_we_may_not_write_is_told_and_can_be_read(file, without_rights):
    file.chmod(0o444)
    code = "import sys; from pathlib import Path; from digitflow.store.sqlite_files import *;"
    code += "p = Path(sys.argv[1]); print(find_fault(p, 1), find_fault(p, 1, True).kind)"
    done = without_rights([sys.executable, "-c", code, file])
    assert done.stdout == "None read-only\n", done.stderr


def test_what_a_revision_says_follows_from_the_installed_migrations(tmp_path):
    def compare(revision):
        with closing(sqlite3.connect(":memory:")) as connection:
            connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
            connection.execute("INSERT INTO alembic_version VALUES (?)", (revision,))
            return compare_revision(connection, "mlflow", "store/db_migrations/versions", "M")

    known = read_revisions("mlflow", "store/db_migrations/versions")
    (newest,) = set(known) - {before for befores in known.values() for before in befores}
    assert compare(newest) is None
    assert compare(known[newest][0]).kind == "older"
    newer = compare("ffffffffffff")
    assert newer.kind == "newer"
    assert "upgrade" not in newer.describe("the registry", tmp_path)
    assert "newer M" in newer.said


def test_what_lies_on_both_sides_of_the_damage_comes_back(file):
    spoil(file)
    numbers = [row["id"] for row in salvage_rows(file, "numbers")]
    assert numbers == sorted(set(numbers))
    assert numbers[0] == 1
    assert numbers[-1] == ROWS
    assert ROWS * 0.9 < len(numbers) < ROWS
    assert list(salvage_rows(file, "nosuch")) == []


def test_copies_are_of_one_moment(file, tmp_path):
    other = tmp_path / "other.db"
    with freeze([file], 1) as (connection,):
        copy_database(connection, other)
    with freeze([file, other], 1) as frozen:
        code = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], 0.1);"
        code += "c.execute('DELETE FROM numbers'); c.commit()"
        done = subprocess.run([sys.executable, "-c", code, file], capture_output=True)
        assert b"locked" in done.stderr  # who writes has to wait
        for number, connection in enumerate(frozen):
            copy_database(connection, tmp_path / f"copy-{number}.db")
    for path in (other, tmp_path / "copy-0.db", tmp_path / "copy-1.db"):
        with closing(open_file(path, 1)) as connection:
            (count,) = connection.execute("SELECT count(*) FROM numbers").fetchone()
        assert count == ROWS


def test_a_file_is_set_aside_with_what_belongs_to_it(file):
    file.with_name("numbers.db-wal").write_bytes(b"log")
    aside = set_aside(file, "damaged")
    assert aside.name == "numbers.db.damaged"
    assert sorted(path.name for path in file.parent.iterdir()) == [
        "numbers.db.damaged",
        "numbers.db.damaged-wal",
    ]
    assert set_aside(file, "damaged") is None


def test_room_that_nothing_uses_goes_back_to_the_disk(file):
    with closing(sqlite3.connect(file)) as connection, connection:
        values = ((n, "x" * 4000) for n in range(ROWS + 1, ROWS + 1000))
        connection.executemany("INSERT INTO numbers VALUES (?, ?)", values)
        connection.execute("DELETE FROM numbers WHERE id > ?", (ROWS,))
    before, free = file.stat().st_size, count_free_bytes(file, 1)
    assert free > 3_900_000
    assert shrink(file, 1) >= free
    assert file.stat().st_size <= before - free
    assert find_fault(file, 1, thorough=True) is None
    assert shrink(file, 1) == 0


def make_error(code, kind=sqlite3.OperationalError):
    error = kind("said")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (11, "damaged"), (26, "foreign"), (8, "read-only"), (3, "read-only"), (5, "locked"),
        (6, "locked"), (13, "full"), (14, "refused"),
        # With more of it in the higher bytes: a journal that can't be rolled back, a snapshot.
        (776, "read-only"), (517, "locked"),
    ],
)  # fmt: skip
def test_the_kind_of_an_error_is_in_its_low_byte_however_deep_it_lies(code, kind):
    error = make_error(code)
    assert read_error(error).kind == kind
    outer = ValueError("outer")
    outer.__cause__ = error
    assert read_error(outer).kind == kind
    # Whoever goes round in a circle ends.
    error.__context__ = outer
    assert read_error(outer).kind == kind
    assert read_error(make_error(1)) is None
    assert read_error(ValueError()) is None


def test_what_mends_a_file_is_named_by_its_fault(tmp_path):
    path = tmp_path / "a b.db"
    assert "digitflow" not in Fault("newer", "x").advise(path)
    assert Fault("full", "x").advise(path).startswith("`digitflow gc`")
    assert Fault("older", "x").advise(path).endswith("brings it up to date.")
    assert f"'{path}'" in Fault("damaged", "x").advise(path)
    for kind in ("missing", "empty", "foreign", "damaged"):
        assert "what is left of it aside" in Fault(kind, "x").advise(path)


def write_header(path, size, page=4096, pages=10, told=True, magic=b"SQLite format 3\0"):
    header = bytearray(100)
    header[: len(magic)] = magic
    header[16:18] = page.to_bytes(2, "big")
    header[28:32] = pages.to_bytes(4, "big")
    header[24:28] = (7).to_bytes(4, "big")
    header[92:96] = (7 if told else 6).to_bytes(4, "big")
    path.write_bytes(bytes(header) + bytes(size - 100))


@pytest.mark.parametrize(
    ("size", "options", "kind"),
    [
        (40_960, {}, None),
        (40_959, {}, "damaged"),
        (65_536, {"page": 1, "pages": 1}, None),
        (65_535, {"page": 1, "pages": 1}, "damaged"),
        # What it says of itself is not up to date.
        (40_959, {"told": False}, None),
        (40_960, {"magic": b"SQLite format 2"}, "foreign"),
    ],
)
def test_a_file_is_as_long_as_its_header_says(tmp_path, size, options, kind):
    path = tmp_path / "a.db"
    write_header(path, size, **options)
    fault = sqlite_files._find_outer_fault(path)
    assert (fault and fault.kind) == kind
    # While a writer is half-way, its length says nothing.
    path.with_name("a.db-journal").write_bytes(b"x")
    fault = sqlite_files._find_outer_fault(path)
    assert (fault and fault.kind) == (kind if kind == "foreign" else None)


def test_an_empty_file_whose_log_holds_something_is_begun(tmp_path):
    path = tmp_path / "a.db"
    path.write_bytes(b"")
    assert sqlite_files._find_outer_fault(path).kind == "empty"
    log = path.with_name("a.db-wal")
    log.write_bytes(b"")
    assert sqlite_files._find_outer_fault(path).kind == "empty"
    log.write_bytes(b"x")
    assert sqlite_files._find_outer_fault(path) is None


def test_what_is_looked_at_beyond_the_file_is_told_and_all_is_read_only_on_asking(file):
    told = Fault("older", "is old")
    assert find_fault(file, 1, check=lambda connection: told) == told
    assert find_fault(file, 1, check=lambda connection: None) is None
    spoil(file)
    assert find_fault(file, 1) is None
    assert find_fault(file, 1, thorough=True).kind == "damaged"


def test_a_library_without_its_tables_has_lost_them():
    with closing(sqlite3.connect(":memory:")) as connection:
        fault = compare_revision(connection, "mlflow", "store/db_migrations/versions", "M")
        assert fault.kind == "empty"
        assert "none of M's tables" in fault.said
        # Where no migrations are installed, nothing is known to be newer.
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES ('abc')")
        assert compare_revision(connection, "nosuch_package", "x", "M") is None
    assert read_revisions("nosuch_package", "x") == {}


def test_less_than_a_megabyte_is_not_worth_the_wait(file, tmp_path):
    assert count_free_bytes(tmp_path / "nosuch.db", 1) == 0
    with closing(sqlite3.connect(file)) as connection:
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        pages = (1 << 20) // size
        # A row of its own page each, and some for the tree above them.
        for count, worth in ((pages - 20, False), (pages + 20, True)):
            rows = ((n, "x" * (size - 300)) for n in range(ROWS + 1, ROWS + 1 + count))
            connection.executemany("INSERT INTO numbers VALUES (?, ?)", rows)
            connection.execute("DELETE FROM numbers WHERE id > ?", (ROWS,))
            connection.commit()
            assert (count_free_bytes(file, 1) >= 1 << 20) is worth
            assert (shrink(file, 1) >= 1 << 20) is worth


def test_a_stretch_without_any_row_is_stepped_over_faster_and_faster(tmp_path, monkeypatch):
    path, asked = tmp_path / "a.db", []

    class Damaged:
        def execute(self, query, values):
            asked.append(values[0])
            raise sqlite3.DatabaseError

        def close(self):
            pass

    monkeypatch.setattr(sqlite_files, "open_file", lambda *_: Damaged())
    assert list(salvage_rows(path, "numbers")) == []
    # A thousand single steps, then twice as far each time.
    assert asked[:3] == [0, 1, 2]
    assert asked[1000] == 1000
    assert [b - a for a, b in pairwise(asked[1000:1004])] == [2, 4, 8]
    assert len(asked) == 1040
