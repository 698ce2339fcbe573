"""The tables of the feedback's database."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from digitflow.store.databases import Database, refuse_changes

FILE = "feedback/feedback.db"
# Older builds of SQLite take 999 parameters.
MOST_NAMED = 500


def iterate_parts(values: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield values in as many as one query may name."""
    for start in range(0, len(values), MOST_NAMED):
        yield values[start : start + MOST_NAMED]


@lru_cache
def define_tables() -> Any:
    """Return SQLAlchemy's description of the tables."""
    from sqlalchemy import (
        Column,
        Float,
        ForeignKey,
        Integer,
        LargeBinary,
        MetaData,
        String,
        Table,
        Text,
    )

    metadata = MetaData()
    Table(
        "pictures",
        metadata,
        Column("digest", String(64), primary_key=True),
        Column("image", LargeBinary, nullable=False),  # 28 x 28 bytes, row by row
        Column("at", String(40), nullable=False),
    )

    def refer_to_picture() -> Any:
        return Column("picture", ForeignKey("pictures.digest"), nullable=False, index=True)

    Table(
        "predictions",
        metadata,
        Column("id", Integer, primary_key=True),
        refer_to_picture(),
        Column("model", String(200), nullable=False, index=True),
        Column("version", String(200), nullable=False),
        Column("at", String(40), nullable=False),
        Column("digit", Integer, nullable=False),
        Column("probability", Float, nullable=False),
        Column("probabilities", LargeBinary, nullable=False),  # 10 float32, little-endian
        Column("status", String(20), nullable=False),
        Column("file", Text),
        Column("seconds", Float),
        sqlite_autoincrement=True,
    )
    Table(
        "corrections",
        metadata,
        Column("id", Integer, primary_key=True),
        refer_to_picture(),
        Column("digit", Integer, nullable=False),
        Column("role", String(20), nullable=False),
        *(Column(name, Text, nullable=False) for name in ("who", "source")),
        Column("at", String(40), nullable=False),
        sqlite_autoincrement=True,
    )
    Table(
        "training_events",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("model", String(200), nullable=False, index=True),
        *(Column(name, Text, nullable=False) for name in ("run", "reason", "outcome")),
        Column("last_correction", Integer, nullable=False),
        Column("at", String(40), nullable=False),
        sqlite_autoincrement=True,
    )
    Table(
        "inspections",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("model", String(200), nullable=False, index=True),
        Column("version", String(200), nullable=False),
        Column("at", String(40), nullable=False),
        Column("drifted", Integer, nullable=False),
        Column("report", Text, nullable=False),  # JSON
        sqlite_autoincrement=True,
    )
    for table in metadata.tables.values():
        refuse_changes(table)
    return metadata


FEEDBACK = Database("the feedback", FILE, define_tables)
