"""A database is read and refused alike, whichever keeps it."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from digitflow.errors import InputError, StorageError
from digitflow.store import databases
from digitflow.store.artifacts import Store
from digitflow.store.databases import Database, read_patience, write_first_line


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


def test_a_url_names_a_file_that_lasts_or_a_server(store, monkeypatch, tmp_path):
    monkeypatch.delenv("DIGITFLOW_DATABASE_URL", raising=False)
    assert NUMBERS.find_file(store) == store.root / NUMBERS.file
    monkeypatch.setenv("DIGITFLOW_DATABASE_URL", f"sqlite:///{tmp_path}/a.db?timeout=5")
    assert NUMBERS.find_file(store) == tmp_path / "a.db"
    monkeypatch.setenv("DIGITFLOW_DATABASE_URL", "sqlite:///a.db")
    assert NUMBERS.find_file(store) == Path("a.db").absolute()
    monkeypatch.setenv("DIGITFLOW_DATABASE_URL", "postgresql://ann:secret@host/name")
    assert NUMBERS.find_file(store) is None
    assert not NUMBERS.is_missing(store)
    assert NUMBERS.describe_place(store) == "named by DIGITFLOW_DATABASE_URL"
    for url in ("sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///?x=1"):
        monkeypatch.setenv("DIGITFLOW_DATABASE_URL", url)
        with pytest.raises(InputError, match="must name a database that lasts"):
            NUMBERS.find_file(store)


def test_what_is_no_address_or_has_no_driver_is_told(store, monkeypatch):
    for url, said in (("nonsense", "is no database's address"), ("nosuch://h/n", "driver")):
        monkeypatch.setenv("DIGITFLOW_DATABASE_URL", url)
        with pytest.raises(InputError, match=said):
            read(store)


@pytest.mark.parametrize("name", ["postgres", "postgresql", "postgresql+psycopg"])
def test_postgresql_is_reached_by_psycopg_however_it_is_called(name, monkeypatch):
    pytest.importorskip("psycopg")
    monkeypatch.setenv("DIGITFLOW_DATABASE_URL", f"{name}://ann@host/name")
    assert NUMBERS._make_engine().url.drivername == "postgresql+psycopg"


def test_a_file_elsewhere_is_made_whole_and_nothing_lies_beside_it(
    store, monkeypatch, tmp_path
):
    folder = tmp_path / "elsewhere"
    monkeypatch.setenv("DIGITFLOW_DATABASE_URL", f"sqlite:///{folder}/a.db")
    assert NUMBERS.is_missing(store)
    assert not NUMBERS.has_tables(store)
    NUMBERS.initialise(store)
    assert not NUMBERS.is_missing(store)
    assert NUMBERS.has_tables(store)
    assert [path.name for path in folder.iterdir()] == ["a.db"]
    NUMBERS.insert_rows(store, "first", [{"n": 1}])
    NUMBERS.initialise(store)
    assert read(store) == [1]


def test_patience_is_a_minute_or_what_is_said(monkeypatch):
    monkeypatch.delenv("DIGITFLOW_DATABASE_PATIENCE", raising=False)
    assert read_patience() == 60
    monkeypatch.setenv("DIGITFLOW_DATABASE_PATIENCE", "2.5")
    assert read_patience() == 2.5
    monkeypatch.setenv("DIGITFLOW_DATABASE_PATIENCE", "long")
    with pytest.raises(InputError, match="a number of seconds, got 'long'"):
        read_patience()


def test_the_last_id_is_returned_and_none_where_a_row_was_there_already(any_database):
    assert (
        NUMBERS.insert_rows(any_database, "first", [{"id": 5, "n": 1}, {"id": 9, "n": 2}]) == 9
    )
    assert NUMBERS.insert_rows(any_database, "first", [{"n": 3}, {"id": 5, "n": 4}]) is None
    assert read(any_database) == [1, 2]


def test_a_fault_is_found_in_what_the_tables_are(store):
    assert NUMBERS.find_fault(store, 1).kind == "missing"
    NUMBERS.insert_rows(store, "first", [{"n": 1}])
    assert NUMBERS.find_fault(store, 1, thorough=True) is None
    newer = make_numbers(STEPS[0])
    assert newer.version == NUMBERS.version + 1 == 2
    assert newer.find_fault(store, 1).kind == "older"
    newer.migrate(store)
    assert newer.find_fault(store, 1) is None
    assert NUMBERS.find_fault(store, 1).kind == "newer"
    with closing(sqlite3.connect(store.root / NUMBERS.file)) as connection:
        connection.execute("DROP TABLE second")
        assert newer.find_fault(store, 1) is None
        connection.execute("DROP TABLE first")
    assert newer.find_fault(store, 1).kind == "empty"


def test_rows_are_salvaged_and_put_back_with_their_numbers(store, tmp_path):
    NUMBERS.insert_rows(store, "first", [{"id": 4, "n": 7}, {"id": 6, "n": 8}])
    rows = NUMBERS.salvage(store.root / NUMBERS.file)
    assert rows == {"first": [{"id": 4, "n": 7}, {"id": 6, "n": 8}], "second": []}
    other = Store(tmp_path / "other")
    NUMBERS.fill(other, rows)
    query = "SELECT id, n FROM first ORDER BY id"
    assert NUMBERS.read_rows(other, query) == rows["first"]


def test_an_error_tells_its_first_line_and_no_password():
    exc = ValueError("can't reach postgresql://ann:secret@host/name\nSELECT 1")
    assert write_first_line(exc) == "can't reach postgresql://host/name"
    assert write_first_line(ValueError()) == "ValueError"


def test_a_finished_file_takes_no_name_that_another_has(tmp_path, monkeypatch):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.write_text("ours")
    databases._publish(ours, theirs)
    assert theirs.read_text() == "ours"
    theirs.write_text("theirs")
    (tmp_path / "again").write_text("again")
    databases._publish(tmp_path / "again", theirs)
    assert theirs.read_text() == "theirs"

    def refuse(*_):
        raise OSError

    # On a file system without links.
    monkeypatch.setattr("os.link", refuse)
    databases._publish(tmp_path / "again", theirs)
    assert theirs.read_text() == "theirs"
    theirs.unlink()
    databases._publish(tmp_path / "again", theirs)
    assert theirs.read_text() == "again"


def define_kept():
    from sqlalchemy import Column, Integer, MetaData

    metadata = MetaData()
    databases.add_table(metadata, "kept", Column("n", Integer))
    return metadata


def test_rows_of_a_table_that_only_grows_are_removed_only_on_purpose(any_database):
    kept = Database("what is kept", "kept/kept.db", ("kept",), define_kept)
    assert kept.insert_rows(any_database, "kept", [{"n": 1}, {"n": 2}]) == 2
    for statement in ("DELETE FROM kept", "UPDATE kept SET n = 3"):
        with pytest.raises(StorageError, match="append-only"), kept.connect(any_database) as c:
            c.exec_driver_sql(statement)
    with kept.removing(any_database, "kept") as connection:
        connection.exec_driver_sql("DELETE FROM kept WHERE n = 2")
    query = "SELECT id, n FROM kept"
    assert kept.read_rows(any_database, query) == [{"id": 1, "n": 1}]
    with pytest.raises(StorageError, match="append-only"), kept.connect(any_database) as c:
        c.exec_driver_sql("DELETE FROM kept")
    # No number is given twice.
    assert kept.insert_rows(any_database, "kept", [{"n": 4}]) == 3
