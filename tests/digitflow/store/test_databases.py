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


def test_a_file_that_is_no_database_is_one_clear_error(store):
    NUMBERS.insert_rows(store, "first", [{"n": 1}])
    (store.root / NUMBERS.file).write_bytes(b"not a database" * 100)
    with pytest.raises(StorageError, match=r"the numbers .*numbers\.db can't be used: file is"):
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
