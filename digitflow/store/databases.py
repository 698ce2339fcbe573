"""A database of ours: SQLite in the store, or any that SQLAlchemy knows, named by a URL.

An SQLite file is read with the standard library alone, since importing SQLAlchemy takes
longer than most of what is asked. Connections are not kept: they would not survive a fork.

The tables have a version, kept beside them. What an older digitflow wrote is brought up to
date when it is first used, whole or not at all; what a newer one wrote is left alone.
"""

import logging
import os
import re
import secrets
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from digitflow.errors import InputError, StorageError, list_some
from digitflow.store.artifacts import Store
from digitflow.store.files import storage_errors
from digitflow.store.server_locks import DATABASE_VARIABLE
from digitflow.store.sqlite_files import Fault, find_fault, open_file, read_error, salvage_rows

logger = logging.getLogger(__name__)

PATIENCE_VARIABLE = "DIGITFLOW_DATABASE_PATIENCE"
# A run waits for others that write; whoever looks at a page sets less.
BUSY_SECONDS = "60"
_SQLITE = "sqlite:"
_ADVISORY_LOCK = 0x64696769  # any number that nobody else uses
_REFUSAL = "the table is append-only"
_VERSIONS = "digitflow_schemas"


def read_patience() -> float:
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
        Returns SQLAlchemy's description of them, as they are now.
    migrations : tuple of tuples of str
        The n-th holds the statements, in the SQL that SQLite and PostgreSQL share, that
        bring tables of version n to n + 1. Those of the first version say no version.
    """

    def __init__(
        self,
        title: str,
        file: str,
        tables: tuple[str, ...],
        define: Callable[[], Any],
        migrations: tuple[tuple[str, ...], ...] = (),
    ) -> None:
        self.title = title
        self.file = file
        self.tables = tables
        self.define = define
        self.migrations = migrations

    @property
    def version(self) -> int:
        """Of the tables, as this digitflow makes them."""
        return len(self.migrations) + 1

    def is_missing(self, store: Store) -> bool:
        """Tell whether it is a file, and not there yet."""
        path = self.find_file(store)
        return path is not None and not path.exists()

    def has_tables(self, store: Store) -> bool:
        """Tell whether it was made; raises as `read_rows` does."""
        query = f"SELECT count(*) AS n FROM {self.tables[0]}"  # noqa: S608
        return bool(self.read_rows(store, query))

    def describe_place(self, store: Store) -> str:
        """Return where it is, for an error's text; without a password."""
        path = self.find_file(store)
        return f"named by {DATABASE_VARIABLE}" if path is None else str(path)

    def find_fault(self, store: Store, seconds: float, thorough: bool = False) -> Fault | None:
        """Return what is wrong with its file; None where a server keeps it."""
        path = self.find_file(store)
        return None if path is None else find_fault(path, seconds, thorough, self._check_file)

    def _check_file(self, connection: sqlite3.Connection) -> Fault | None:
        """Look at which tables are there, and how old they are."""
        found = self._list_tables(connection)
        if not set(self.tables) & found:
            return Fault("empty", f"has no tables of {self.title}: what was in them is gone")
        version = self._read_version(found, connection.execute)
        if version > self.version:
            return Fault("newer", f"was written by a newer digitflow (version {version})")
        if version < self.version:
            return Fault("older", f"was written by an older digitflow (version {version})")
        return None

    def initialise(self, store: Store) -> None:
        """Make the tables, whole or not at all, however many processes try at once."""
        store.begin()
        path = self.find_file(store)
        if path is None or path.exists():
            with self.connect(store) as connection, self._changing(connection):
                self._make_tables(connection)
            return
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            # Out of sight until it is whole: an empty file is one that was damaged.
            with _reserve_name(store, path) as unfinished:
                with self._connect_to(unfinished) as connection, self._changing(connection):
                    self._make_tables(connection)
                _publish(unfinished, path)
        # Who was quicker may have made another's tables in the same file.
        self.require_tables(store)

    def migrate(self, store: Store) -> None:
        """Bring what an older digitflow wrote up to date, whole or not at all."""
        with self.connect(store) as connection, self._changing(connection):
            found = self._list_tables(connection)
            version = self._read_version(found, connection.exec_driver_sql)
            if version >= self.version:
                return  # somebody was quicker
            logger.warning(
                "%s %s is brought from version %d to %d",
                self.title, self.describe_place(store), version, self.version,
            )  # fmt: skip
            for statements in self.migrations[version - 1 :]:
                for statement in statements:
                    connection.exec_driver_sql(statement)
            self._note_version(connection)

    @contextmanager
    def _changing(self, connection: Any) -> Iterator[None]:
        """Hold others off while tables are made or changed; commit at the end."""
        if connection.dialect.name == "sqlite":
            # By hand: Python's sqlite3 would commit after each table.
            connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield
            connection.exec_driver_sql("COMMIT")
            return
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})")
        yield
        connection.commit()

    def _make_tables(self, connection: Any) -> None:
        found = self._list_tables(connection)
        if set(self.tables) <= found:
            return
        self.define().create_all(connection)
        self._note_version(connection)

    def _note_version(self, connection: Any) -> None:
        connection.exec_driver_sql(
            f"CREATE TABLE IF NOT EXISTS {_VERSIONS} (part VARCHAR(40) PRIMARY KEY, "
            "version INTEGER NOT NULL)"
        )
        # Both are ours: nothing in them is anybody's input.
        for statement in (
            f"DELETE FROM {_VERSIONS} WHERE part = '{self.tables[0]}'",  # noqa: S608
            f"INSERT INTO {_VERSIONS} VALUES ('{self.tables[0]}', {self.version})",  # noqa: S608
        ):
            connection.exec_driver_sql(statement)

    def _read_version(self, found: set[str], execute: Callable[[str], Any]) -> int:
        """Return the version of the tables that are there; the first one is noted nowhere."""
        if _VERSIONS not in found:
            return 1
        query = f"SELECT version FROM {_VERSIONS} WHERE part = '{self.tables[0]}'"  # noqa: S608
        row = execute(query).fetchone()
        return 1 if row is None else int(row[0])

    def read_rows(self, store: Store, query: str, **values: Any) -> list[dict[str, Any]]:
        """Return the rows of a query in SQL, its values as `:name`; none without tables.

        Raises
        ------
        StorageError
            If the database can't be reached or read.
        InputError
            If it was made by another digitflow.
        """
        path = self.find_file(store)
        if path is None:
            from sqlalchemy import text

            return self.select_rows(store, text(query).bindparams(**values))
        if not path.exists():
            return []
        try:
            self._require_content(path)
            with closing(open_file(path, read_patience())) as connection:
                connection.row_factory = sqlite3.Row
                if (version := self._inspect(connection, store)) is None:
                    return []
                if version == self.version:
                    return [dict(row) for row in connection.execute(query, values)]
        except sqlite3.Error as exc:
            raise self._explain(exc, store) from exc
        self.migrate(store)
        return self.read_rows(store, query, **values)

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
            if (version := self._inspect(connection, store)) is None:
                return []
            if version == self.version:
                return [dict(row) for row in connection.execute(query).mappings()]
        self.migrate(store)
        return self.select_rows(store, query)

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

    def salvage(self, path: Path) -> dict[str, list[dict[str, Any]]]:
        """Return the rows of a damaged file of these tables that can still be read."""
        return {table: list(salvage_rows(path, table)) for table in self.tables}

    def fill(self, store: Store, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        """Add many rows by table, with the numbers that they had, all or none."""
        self.require_tables(store)
        with self.connect(store) as connection:
            for name, table in self.define().tables.items():
                if added := [*rows.get(name, ())]:
                    connection.execute(table.insert(), added)
            connection.commit()

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
        """Make the tables unless they are there, and bring older ones up to date."""
        if not self.is_missing(store):
            with self.connect(store) as connection:
                version = self._inspect(connection, store)
            if version == self.version:
                return
            if version is not None:
                self.migrate(store)
                return
        self.initialise(store)

    @contextmanager
    def connect(self, store: Store) -> Iterator[Any]:
        """Yield a connection; what goes wrong with it inside the block is one clear error."""
        from sqlalchemy.exc import NoSuchModuleError, SQLAlchemyError

        path = self.find_file(store)
        try:
            if path is None:
                with self._make_engine().connect() as connection:
                    yield connection
                return
            self._require_content(path)
            with self._connect_to(path) as connection:
                yield connection
        except (ModuleNotFoundError, NoSuchModuleError) as exc:
            raise InputError(
                f"{DATABASE_VARIABLE} names a database whose driver is not installed ({exc}); "
                "for PostgreSQL: pip install 'psycopg[binary]'"
            ) from exc
        except SQLAlchemyError as exc:
            raise self._explain(exc, store) from exc

    def _require_content(self, path: Path) -> None:
        """Refuse an empty file, which SQLite would take for a new database."""
        if path.exists() and not path.stat().st_size:
            fault = find_fault(path, read_patience())
            if fault is not None:
                raise StorageError(fault.describe(self.title, path))

    def _explain(self, exc: Exception, store: Store) -> StorageError:
        """Return what an error means: which file, what is wrong, what mends it."""
        path, fault = self.find_file(store), read_error(exc)
        if path is None or fault is None:
            said = write_first_line(exc)
            return StorageError(
                f"{self.title} {self.describe_place(store)} can't be used: {said}"
            )
        if fault.kind == "damaged":
            # Its size tells more than the first page that could not be read.
            fault = find_fault(path, read_patience()) or fault
        return StorageError(fault.describe(self.title, path))

    def _inspect(self, connection: Any, store: Store) -> int | None:
        """Return the version of the tables, None where they were not made yet.

        Raises
        ------
        InputError
            If another digitflow made them, a newer one or one that knew fewer.
        """
        found = self._list_tables(connection)
        missing = set(self.tables) - found
        if len(missing) == len(self.tables):
            return None
        execute = getattr(connection, "exec_driver_sql", connection.execute)
        version = self._read_version(found, execute)
        wrong = ""
        if version > self.version:
            wrong = (
                f"a newer digitflow: its tables are of version {version}, not {self.version}"
            )
        elif missing and version == self.version:
            # All are made in one transaction.
            wrong = f"another digitflow: it has no {list_some(sorted(missing))}"
        if wrong:
            raise InputError(
                f"{self.title} {self.describe_place(store)} was made by {wrong}. Nothing in it "
                "was changed. Use the digitflow that made it, name another database in "
                f"{DATABASE_VARIABLE}, or start a new folder."
            )
        return version

    @staticmethod
    def _list_tables(connection: Any) -> set[str]:
        if isinstance(connection, sqlite3.Connection):
            rows = connection.execute("SELECT name FROM sqlite_master").fetchall()
            return {row[0] for row in rows}
        from sqlalchemy import inspect

        return set(inspect(connection).get_table_names())

    @contextmanager
    def _connect_to(self, path: Path) -> Iterator[Any]:
        from sqlalchemy import NullPool, create_engine, make_url

        url, options = make_url(f"{_SQLITE}///{path}"), {"timeout": read_patience()}
        engine = create_engine(url, poolclass=NullPool, connect_args=options)
        with engine.connect() as connection:
            yield connection

    def _make_engine(self) -> Any:
        from sqlalchemy import NullPool, create_engine, make_url
        from sqlalchemy.exc import ArgumentError

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

    def find_file(self, store: Store) -> Path | None:
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


@contextmanager
def _reserve_name(store: Store, path: Path) -> Iterator[Path]:
    """Yield an unused name on the disk of a database; nothing has it afterwards."""
    if path.is_relative_to(store.root):
        with store.temporary_path(path.suffix) as unfinished:
            yield unfinished
        return
    unfinished = path.with_name(f"{path.name}-{os.getpid()}-{secrets.token_hex(4)}")
    try:
        yield unfinished
    finally:
        unfinished.unlink(missing_ok=True)


def _publish(unfinished: Path, path: Path) -> None:
    """Give a finished file its name, unless somebody else's has it."""
    try:
        os.link(unfinished, path)
    except FileExistsError:
        return
    except OSError:  # a file system without links
        if not path.exists():
            unfinished.replace(path)


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
