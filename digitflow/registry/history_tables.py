"""The history's tables: SQLite beside MLflow's, or where the URL says."""

from functools import lru_cache
from typing import Any

from digitflow.store.databases import Database, refuse_changes

FILE = "registry/history.db"


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
        refuse_changes(table)
    return metadata


HISTORY = Database("the history", FILE, define_tables)
