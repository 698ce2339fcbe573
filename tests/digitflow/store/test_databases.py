"""A database is read and refused alike, whichever keeps it."""

import sqlite3
from contextlib import closing

import pytest

from digitflow.errors import InputError, StorageError
from digitflow.store.databases import Database


def define_tables():
    from sqlalchemy import Column, Integer, MetaData, Table

    metadata = MetaData()
    Table("first", metadata, Column("id", Integer, primary_key=True), Column("n", Integer))
    Table("second", metadata, Column("id", Integer, primary_key=True))
    return metadata


NUMBERS = Database("the numbers", "numbers/numbers.db", ("first", "second"), define_tables)
QUERY = "SELECT n FROM first WHERE n > :least ORDER BY n"


def read(store, least=0):
    return [row["n"] for row in NUMBERS.read_rows(store, QUERY, least=least)]


def test_what_was_inserted_is_read_by_its_values(any_database):
    assert read(any_database) == []
    NUMBERS.insert_rows(any_database, "first", [{"n": n} for n in (3, 1, 2)])
    assert read(any_database) == [1, 2, 3]
    assert read(any_database, least=2) == [3]


def test_tables_of_another_digitflow_are_refused_and_left_alone(store):
    NUMBERS.insert_rows(store, "first", [{"n": 1}])
    path = store.root / NUMBERS.file
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE second")
    before = path.read_bytes()
    for use in (lambda: read(store), lambda: NUMBERS.insert_rows(store, "first", [{"n": 2}])):
        with pytest.raises(InputError, match=r"made by another digitflow: it has no second"):
            use()
    assert path.read_bytes() == before


def test_an_empty_file_is_not_taken_for_a_new_database(store):
    NUMBERS.insert_rows(store, "first", [{"n": 1}])
    (store.root / NUMBERS.file).write_bytes(b"")
    for use in (lambda: read(store), lambda: NUMBERS.insert_rows(store, "first", [{"n": 2}])):
        with pytest.raises(StorageError, match=r"numbers\.db is empty: .* doctor --repair"):
            use()


def make_numbers(*migrations):
    """Return the same database as an older or newer digitflow describes it."""

    def define():
        from sqlalchemy import Column, Integer

        metadata = define_tables()
        for number, _ in enumerate(migrations):
            metadata.tables["first"].append_column(Column(f"more{number}", Integer))
        return metadata

    return Database("the numbers", NUMBERS.file, NUMBERS.tables, define, migrations)


STEPS = [(f"ALTER TABLE first ADD COLUMN more{n} INTEGER", f"UPDATE first SET more{n} = n")
         for n in range(2)]  # fmt: skip


def test_what_an_older_digitflow_wrote_is_brought_up_to_date_whoever_comes_first(any_database):
    NUMBERS.insert_rows(any_database, "first", [{"n": 7}])
    newer, newest = make_numbers(STEPS[0]), make_numbers(*STEPS)
    assert newer.read_rows(any_database, "SELECT more0 FROM first") == [{"more0": 7}]
    newest.insert_rows(any_database, "first", [{"n": 8, "more1": 9}])
    query = "SELECT n, more0, more1 FROM first ORDER BY n"
    assert [tuple(row.values()) for row in newest.read_rows(any_database, query)] == [
        (7, 7, 7),
        (8, None, 9),
    ]
    # The older ones see that they are, and leave it alone.
    for older in (NUMBERS, newer):
        with pytest.raises(InputError, match="a newer digitflow: its tables are of version 3"):
            older.read_rows(any_database, "SELECT n FROM first")
        with pytest.raises(InputError, match="version 3"):
            older.insert_rows(any_database, "first", [{"n": 1}])


def test_a_migration_that_fails_changes_nothing(any_database):
    NUMBERS.insert_rows(any_database, "first", [{"n": 7}])
    broken = make_numbers((STEPS[0][0], "UPDATE nosuch SET n = 1"))
    with pytest.raises(StorageError, match="the numbers"):
        broken.read_rows(any_database, "SELECT n FROM first")
    assert read(any_database) == [7]
    assert make_numbers(STEPS[0]).read_rows(any_database, "SELECT more0 FROM first")


def test_a_file_that_is_no_database_is_one_clear_error(store):
    NUMBERS.insert_rows(store, "first", [{"n": 1}])
    (store.root / NUMBERS.file).write_bytes(b"not a database" * 100)
    with pytest.raises(StorageError, match=r"the numbers .*numbers\.db holds something else"):
        read(store)


def test_what_a_killed_writer_left_unfinished_is_not_seen(store):
    """A reader may have to undo it, so it opens the file as a writer would."""
    NUMBERS.insert_rows(store, "first", [{"n": 1}])
    path = store.root / NUMBERS.file
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO first (n) VALUES (?)", [(n,) for n in range(9999)])
        killed = {p.name: p.read_bytes() for p in path.parent.iterdir()}
    for name, content in killed.items():
        (path.parent / name).write_bytes(content)
    assert "numbers.db-journal" in killed
    assert read(store) == [1]
