"""The history's database: SQLite beside MLflow's, or any that SQLAlchemy knows.

SQLAlchemy is imported when there is something to ask, and connections are not kept: they
would not survive a fork.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from digitflow.artifacts import Store, storage_errors
from digitflow.champions import stat_database
from digitflow.errors import InputError, StorageError

DATABASE_VARIABLE = "DIGITFLOW_DATABASE_URL"
DATABASE = "registry/history.db"
BUSY_SECONDS = 60
_SQLITE = "sqlite:"
_ADVISORY_LOCK = 0x64696769  # any number that nobody else uses
_REFUSAL = "the history is append-only"
_POSTGRES_FUNCTION = (
    "CREATE OR REPLACE FUNCTION digitflow_refuse() RETURNS trigger LANGUAGE plpgsql AS "
    f"$$ BEGIN RAISE EXCEPTION '{_REFUSAL}'; END $$"
)


def stat_history(store: Store) -> dict[str, int] | None:
    """Return how the history's file looks now; None where it is a server or not there."""
    path = _find_file(store)
    return None if path is None else stat_database(path)


def is_missing(store: Store) -> bool:
    """Tell whether the history is a file, and not there yet."""
    path = _find_file(store)
    return path is not None and not path.exists()


def describe_place(store: Store) -> str:
    """Return where the history is, for an error's text; without a password."""
    path = _find_file(store)
    return f"named by {DATABASE_VARIABLE}" if path is None else str(path)


def initialise(store: Store) -> None:
    """Make the tables, whole or not at all, however many processes try at once."""
    path = _find_file(store)
    if path is not None:
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
    with _connect(store) as connection:
        if connection.dialect.name == "sqlite":
            # By hand: Python's sqlite3 would commit after each table.
            automatic = connection.execution_options(isolation_level="AUTOCOMMIT")
            automatic.exec_driver_sql("BEGIN IMMEDIATE")
            define_tables().create_all(automatic)
            automatic.exec_driver_sql("COMMIT")
            return
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})")
        define_tables().create_all(connection)
        connection.commit()


def select_rows(store: Store, query: Any) -> list[dict[str, Any]]:
    """Return the rows of a query; none where there are no tables yet.

    Raises
    ------
    StorageError
        If the database can't be reached or read.
    """
    if is_missing(store):
        return []
    with _connect(store) as connection:
        if not _has_tables(connection):
            return []
        return [dict(row) for row in connection.execute(query).mappings()]


def insert_rows(
    store: Store, table: str, rows: Sequence[Mapping[str, Any]], link: str | None = None
) -> int | None:
    """Add rows, all or none; None if a unique row like one of them was there already.

    Parameters
    ----------
    link : str, optional
        The column that takes the id of the row before; the first row's is as given.

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

    _require_tables(store)
    adding, last = define_tables().tables[table].insert(), None
    with _connect(store) as connection:
        try:
            for row in rows:
                linked = row if link is None or last is None else {**row, link: last}
                added = connection.execute(adding.values(**linked))
                last = int(added.inserted_primary_key[0])
        except IntegrityError:
            return None
        connection.commit()
    return last


@lru_cache
def define_tables() -> Any:
    """Return SQLAlchemy's description of the tables: promotions and judgements."""
    from sqlalchemy import Column, Integer, MetaData, String, Table, Text, UniqueConstraint

    metadata = MetaData()
    Table(
        "promotions",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("model", String(200), nullable=False),
        Column("predecessor", Integer, nullable=False),
        *(Column(name, String(200), nullable=False) for name in ("version", "kind", "at")),
        *(Column(name, Text, nullable=False) for name in ("who", "why", "run", "champion")),
        Column("verdict", Text),
        # One follower of each entry, one first entry of each model.
        UniqueConstraint("model", "predecessor"),
        sqlite_autoincrement=True,
    )
    names = ("model", "run", "at", "challenger_digest", "test_digest", "outcome")
    Table(
        "judgements",
        metadata,
        Column("id", Integer, primary_key=True),
        *(Column(name, String(200), nullable=False, index=name == "model") for name in names),
        Column("version", String(200)),
        Column("champion_entry", Integer),
        Column("verdict", Text, nullable=False),
        sqlite_autoincrement=True,
    )
    for table in metadata.tables.values():
        _refuse_changes(table)
    return metadata


def _refuse_changes(table: Any) -> None:
    """Let the database itself refuse to change or remove a row."""
    for change in ("UPDATE", "DELETE"):
        trigger = f"CREATE TRIGGER {table.name}_refuse_{change} BEFORE {change} ON {table.name}"
        raising = f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
        _after_create(table, "sqlite", f"{trigger} {raising}")
    trigger = f"CREATE TRIGGER {table.name}_refuse BEFORE UPDATE OR DELETE OR TRUNCATE"
    calling = f"ON {table.name} FOR EACH STATEMENT EXECUTE FUNCTION digitflow_refuse()"
    _after_create(table, "postgresql", _POSTGRES_FUNCTION, f"{trigger} {calling}")


def _after_create(table: Any, dialect: str, *statements: str) -> None:
    from sqlalchemy import DDL, event

    for statement in statements:
        ddl = DDL(statement)  # type: ignore[no-untyped-call]
        event.listen(table, "after_create", ddl.execute_if(dialect=dialect))


def write_first_line(exc: Exception) -> str:
    """Return an error's first line, without a password: SQL and whole URLs follow it."""
    lines = str(exc).splitlines() or [type(exc).__name__]
    return re.sub(r"//[^/@\s]+@", "//", lines[0])


@contextmanager
def _connect(store: Store) -> Iterator[Any]:
    """Yield a connection; what goes wrong with it inside the block is one clear error."""
    from sqlalchemy.exc import NoSuchModuleError, SQLAlchemyError

    try:
        engine = _make_engine(store)
        with engine.connect() as connection:
            yield connection
    except (ModuleNotFoundError, NoSuchModuleError) as exc:
        raise InputError(
            f"{DATABASE_VARIABLE} names a database whose driver is not installed ({exc}); for "
            "PostgreSQL: pip install 'psycopg[binary]'"
        ) from exc
    except SQLAlchemyError as exc:
        raise StorageError(
            f"the history {describe_place(store)} can't be used: {write_first_line(exc)}"
        ) from exc


def _make_engine(store: Store) -> Any:
    from sqlalchemy import NullPool, create_engine, make_url
    from sqlalchemy.exc import ArgumentError

    path = _find_file(store)
    if path is not None:
        url = make_url(f"{_SQLITE}///{path}")
        return create_engine(url, poolclass=NullPool, connect_args={"timeout": BUSY_SECONDS})
    try:
        url = make_url(os.environ[DATABASE_VARIABLE])
    except ArgumentError as exc:
        raise InputError(
            f"{DATABASE_VARIABLE} is no database's address, such as "
            "postgresql://user:password@host/name or sqlite:////folder/history.db"
        ) from exc
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    return create_engine(url, poolclass=NullPool)


def _find_file(store: Store) -> Path | None:
    """Return the database's file; None where a server keeps it."""
    url = os.environ.get(DATABASE_VARIABLE)
    if not url:
        return store.root / DATABASE
    if not url.startswith(_SQLITE):
        return None
    name = url.removeprefix(f"{_SQLITE}///").partition("?")[0]
    if name in (url, "", ":memory:"):
        raise InputError(
            f"{DATABASE_VARIABLE} must name a database that lasts, such as "
            f"sqlite:////folder/history.db, got {url}"
        )
    return Path(name).absolute()


def _has_tables(connection: Any) -> bool:
    from sqlalchemy import inspect

    # Both were made in one transaction.
    return bool(inspect(connection).has_table("promotions"))


def _require_tables(store: Store) -> None:
    if not is_missing(store):
        with _connect(store) as connection:
            if _has_tables(connection):
                return
    initialise(store)
