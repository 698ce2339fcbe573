"""A database of ours: SQLite in the store, or any that SQLAlchemy knows, named by a URL.

An SQLite file is read with the standard library alone, since importing SQLAlchemy takes
longer than most of what is asked. Connections are not kept: they would not survive a fork.
"""

import os
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from digitflow.errors import InputError, StorageError, list_some
from digitflow.store.artifacts import Store, storage_errors

DATABASE_VARIABLE = "DIGITFLOW_DATABASE_URL"
PATIENCE_VARIABLE = "DIGITFLOW_DATABASE_PATIENCE"
# A run waits for others that write; whoever looks at a page sets less.
BUSY_SECONDS = "60"
_SQLITE = "sqlite:"
_ADVISORY_LOCK = 0x64696769  # any number that nobody else uses
_REFUSAL = "the table is append-only"


def _read_patience() -> float:
    """Return how many seconds to wait for a database that another process has locked."""
    text = os.environ.get(PATIENCE_VARIABLE, BUSY_SECONDS)
    try:
        return float(text)
    except ValueError as exc:
        raise InputError(f"{PATIENCE_VARIABLE} is a number of seconds, got {text!r}") from exc


class Database:
    """Some tables that are kept together, made when something is written first.

    Parameters
    ----------
    title : str
        What it is called in an error's text: "the history".
    file : str
        Where it is in a store, if `DIGITFLOW_DATABASE_URL` names no other place.
    tables : tuple of str
        Their names.
    define : callable
        Returns SQLAlchemy's description of them.
    """

    def __init__(
        self, title: str, file: str, tables: tuple[str, ...], define: Callable[[], Any]
    ) -> None:
        self.title = title
        self.file = file
        self.tables = tables
        self.define = define

    def is_missing(self, store: Store) -> bool:
        """Tell whether it is a file, and not there yet."""
        path = self._find_file(store)
        return path is not None and not path.exists()

    def describe_place(self, store: Store) -> str:
        """Return where it is, for an error's text; without a password."""
        path = self._find_file(store)
        return f"named by {DATABASE_VARIABLE}" if path is None else str(path)

    def initialise(self, store: Store) -> None:
        """Make the tables, whole or not at all, however many processes try at once."""
        store.begin()
        path = self._find_file(store)
        if path is not None:
            with storage_errors(path):
                path.parent.mkdir(parents=True, exist_ok=True)
        with self.connect(store) as connection:
            if connection.dialect.name == "sqlite":
                # By hand: Python's sqlite3 would commit after each table.
                automatic = connection.execution_options(isolation_level="AUTOCOMMIT")
                automatic.exec_driver_sql("BEGIN IMMEDIATE")
                self.define().create_all(automatic)
                automatic.exec_driver_sql("COMMIT")
                return
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})")
            self.define().create_all(connection)
            connection.commit()

    def read_rows(self, store: Store, query: str, **values: Any) -> list[dict[str, Any]]:
        """Return the rows of a query in SQL, its values as `:name`; none without tables.

        Raises
        ------
        StorageError
            If the database can't be reached or read.
        InputError
            If it was made by another digitflow.
        """
        path = self._find_file(store)
        if path is None:
            from sqlalchemy import text

            return self.select_rows(store, text(query).bindparams(**values))
        if not path.exists():
            return []
        # Not `ro`: what a killed writer left unfinished may have to be undone first.
        address = f"file:{quote(str(path))}?mode=rw"
        try:
            with closing(sqlite3.connect(address, _read_patience(), uri=True)) as connection:
                connection.row_factory = sqlite3.Row
                found = connection.execute("SELECT name FROM sqlite_master").fetchall()
                if not self._require_all({row["name"] for row in found}, store):
                    return []
                return [dict(row) for row in connection.execute(query, values)]
        except sqlite3.Error as exc:
            raise StorageError(f"{self.title} {path} can't be used: {exc}") from exc

    def select_rows(self, store: Store, query: Any) -> list[dict[str, Any]]:
        """Return the rows of SQLAlchemy's query; none where there are no tables yet.

        Raises
        ------
        StorageError
            If the database can't be reached or read.
        """
        if self.is_missing(store):
            return []
        with self.connect(store) as connection:
            if not self._has_tables(connection, store):
                return []
            return [dict(row) for row in connection.execute(query).mappings()]

    def insert_rows(
        self, store: Store, table: str, rows: Sequence[Mapping[str, Any]]
    ) -> int | None:
        """Add rows, all or none; None if a unique row like one of them was there already.

        Returns
        -------
        int or None
            The last one's id.

        Raises
        ------
        StorageError
            If the database can't be reached or written.
        """
        from sqlalchemy.exc import IntegrityError

        self.require_tables(store)
        adding, last = self.define().tables[table].insert(), None
        with self.connect(store) as connection:
            try:
                for row in rows:
                    added = connection.execute(adding.values(**row))
                    last = int(added.inserted_primary_key[0])
            except IntegrityError:
                return None
            connection.commit()
        return last

    @contextmanager
    def removing(self, store: Store, *tables: str) -> Iterator[Any]:
        """Yield a connection that may remove rows of append-only tables; all or nothing.

        Others wait meanwhile, and the tables refuse again for whoever comes next.
        """
        with self.connect(store) as connection:
            if connection.dialect.name == "sqlite":
                # By hand: Python's sqlite3 would commit after each statement on a trigger.
                connection = connection.execution_options(isolation_level="AUTOCOMMIT")
                opening, closing = ["BEGIN IMMEDIATE"], ["COMMIT"]
                lift = [f"DROP TRIGGER {table}_refuse_DELETE" for table in tables]
                refuse = [_write_sqlite_refusal(table, "DELETE") for table in tables]
            else:
                opening, closing = [], []
                switch = [
                    f"ALTER TABLE {table} {{}} TRIGGER {table}_refuse" for table in tables
                ]
                lift = [text.format("DISABLE") for text in switch]
                refuse = [text.format("ENABLE") for text in switch]
            for statement in opening + lift:
                connection.exec_driver_sql(statement)
            yield connection
            for statement in refuse + closing:
                connection.exec_driver_sql(statement)
            connection.commit()

    def require_tables(self, store: Store) -> None:
        """Make the tables unless they are there."""
        if not self.is_missing(store):
            with self.connect(store) as connection:
                if self._has_tables(connection, store):
                    return
        self.initialise(store)

    @contextmanager
    def connect(self, store: Store) -> Iterator[Any]:
        """Yield a connection; what goes wrong with it inside the block is one clear error."""
        from sqlalchemy.exc import NoSuchModuleError, SQLAlchemyError

        try:
            engine = self._make_engine(store)
            with engine.connect() as connection:
                yield connection
        except (ModuleNotFoundError, NoSuchModuleError) as exc:
            raise InputError(
                f"{DATABASE_VARIABLE} names a database whose driver is not installed ({exc}); "
                "for PostgreSQL: pip install 'psycopg[binary]'"
            ) from exc
        except SQLAlchemyError as exc:
            place = self.describe_place(store)
            raise StorageError(
                f"{self.title} {place} can't be used: {write_first_line(exc)}"
            ) from exc

    def _has_tables(self, connection: Any, store: Store) -> bool:
        from sqlalchemy import inspect

        return self._require_all(set(inspect(connection).get_table_names()), store)

    def _require_all(self, found: set[str], store: Store) -> bool:
        """Tell whether the tables are there; all were made in one transaction."""
        missing = set(self.tables) - found
        if 0 < len(missing) < len(self.tables):
            raise InputError(
                f"{self.title} {self.describe_place(store)} was made by another digitflow: it "
                f"has no {list_some(sorted(missing))}. Nothing in it was changed. Name another "
                f"database in {DATABASE_VARIABLE}, or start a new folder."
            )
        return not missing

    def _make_engine(self, store: Store) -> Any:
        from sqlalchemy import NullPool, create_engine, make_url
        from sqlalchemy.exc import ArgumentError

        path = self._find_file(store)
        if path is not None:
            url = make_url(f"{_SQLITE}///{path}")
            options = {"timeout": _read_patience()}
            return create_engine(url, poolclass=NullPool, connect_args=options)
        try:
            url = make_url(os.environ[DATABASE_VARIABLE])
        except ArgumentError as exc:
            raise InputError(
                f"{DATABASE_VARIABLE} is no database's address, such as "
                "postgresql://user:password@host/name or sqlite:////folder/digitflow.db"
            ) from exc
        if url.drivername in ("postgres", "postgresql"):
            url = url.set(drivername="postgresql+psycopg")
        return create_engine(url, poolclass=NullPool)

    def _find_file(self, store: Store) -> Path | None:
        """Return the database's file; None where a server keeps it."""
        url = os.environ.get(DATABASE_VARIABLE)
        if not url:
            return store.root / self.file
        if not url.startswith(_SQLITE):
            return None
        name = url.removeprefix(f"{_SQLITE}///").partition("?")[0]
        if name in (url, "", ":memory:"):
            raise InputError(
                f"{DATABASE_VARIABLE} must name a database that lasts, such as "
                f"sqlite:////folder/digitflow.db, got {url}"
            )
        return Path(name).absolute()


def add_table(metadata: Any, name: str, *columns: Any) -> None:
    """Describe a table that only grows, its rows numbered by the column `id`."""
    from sqlalchemy import Column, Integer, Table

    number = Column("id", Integer, primary_key=True)
    refuse_changes(Table(name, metadata, number, *columns, sqlite_autoincrement=True))


def refuse_changes(table: Any) -> None:
    """Let the database itself refuse to change or remove a row of a table."""
    for change in ("UPDATE", "DELETE"):
        _after_create(table, "sqlite", _write_sqlite_refusal(table.name, change))
    function = (
        "CREATE OR REPLACE FUNCTION digitflow_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{_REFUSAL}'; END $$"
    )
    trigger = f"CREATE TRIGGER {table.name}_refuse BEFORE UPDATE OR DELETE OR TRUNCATE"
    calling = f"ON {table.name} FOR EACH STATEMENT EXECUTE FUNCTION digitflow_refuse()"
    _after_create(table, "postgresql", function, f"{trigger} {calling}")


def _write_sqlite_refusal(table: str, change: str) -> str:
    trigger = f"CREATE TRIGGER {table}_refuse_{change} BEFORE {change} ON {table}"
    return f"{trigger} BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"


def _after_create(table: Any, dialect: str, *statements: str) -> None:
    from sqlalchemy import DDL, event

    for statement in statements:
        ddl = DDL(statement)  # type: ignore[no-untyped-call]
        event.listen(table, "after_create", ddl.execute_if(dialect=dialect))


def write_first_line(exc: Exception) -> str:
    """Return an error's first line, without a password: SQL and whole URLs follow it."""
    lines = str(exc).splitlines() or [type(exc).__name__]
    return re.sub(r"//[^/@\s]+@", "//", lines[0])
