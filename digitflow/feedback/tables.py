"""The tables of the feedback's database, and the pictures that all of them refer to.

A picture is kept as a model sees it, once, and known by its digest.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from digitflow.errors import InputError
from digitflow.images.frame import SIDE, digest_image
from digitflow.store.artifacts import Store
from digitflow.store.databases import Database, add_table, refuse_changes
from digitflow.store.runs import now

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
    pictures = Table(
        "pictures",
        metadata,
        Column("digest", String(64), primary_key=True),
        Column("image", LargeBinary, nullable=False),  # 28 x 28 bytes, row by row
        Column("at", String(40), nullable=False),
    )
    refuse_changes(pictures)

    def refer_to_picture() -> Any:
        return Column("picture", ForeignKey("pictures.digest"), nullable=False, index=True)

    add_table(
        metadata,
        "predictions",
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
    )
    add_table(
        metadata,
        "corrections",
        refer_to_picture(),
        Column("digit", Integer, nullable=False),
        Column("role", String(20), nullable=False),
        *(Column(name, Text, nullable=False) for name in ("who", "source")),
        Column("at", String(40), nullable=False),
    )
    add_table(
        metadata,
        "training_events",
        Column("model", String(200), nullable=False, index=True),
        *(Column(name, Text, nullable=False) for name in ("run", "reason", "outcome")),
        Column("last_correction", Integer, nullable=False),
        Column("at", String(40), nullable=False),
    )
    add_table(
        metadata,
        "inspections",
        Column("model", String(200), nullable=False, index=True),
        Column("version", String(200), nullable=False),
        Column("at", String(40), nullable=False),
        Column("drifted", Integer, nullable=False),
        Column("report", Text, nullable=False),  # JSON
    )
    return metadata


FEEDBACK = Database(
    "the feedback",
    FILE,
    ("pictures", "predictions", "corrections", "training_events", "inspections"),
    define_tables,
)


LEAST_PREFIX = 4


def add_pictures(connection: Any, images: Iterable[np.ndarray]) -> list[str]:
    """Keep images that are not there yet; return the digest of each."""
    from sqlalchemy.dialects import postgresql, sqlite

    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    at, known = now(), {}
    digests = []
    for image in images:
        digest = digest_image(image)
        digests.append(digest)
        known[digest] = {"digest": digest, "image": image.tobytes(), "at": at}
    if known:
        adding = dialect.insert(define_tables().tables["pictures"]).on_conflict_do_nothing()
        # In one order everywhere: two writers never wait for each other.
        connection.execute(adding, [known[digest] for digest in sorted(known)])
    return digests


def read_image(row: dict[str, Any]) -> np.ndarray:
    """Return the image of a row with the column "image", uint8 (28, 28)."""
    return np.frombuffer(row["image"], np.uint8).reshape(SIDE, SIDE)


def find_picture(store: Store, beginning: str) -> str:
    """Return the digest that begins so.

    Raises
    ------
    InputError
        If it is too short, or if no picture or several begin so.
    """
    wanted = beginning.lower()
    if len(wanted) < LEAST_PREFIX or not set(wanted) <= set("0123456789abcdef"):
        raise InputError(
            f"a picture is named by the first {LEAST_PREFIX} or more hexadecimal digits that "
            f"`digitflow predict` shows, got {beginning!r}"
        )
    table = define_tables().tables["pictures"]
    query = table.select().with_only_columns(table.c.digest)
    rows = FEEDBACK.select_rows(store, query.where(table.c.digest.startswith(wanted)).limit(2))
    if len(rows) != 1:
        raise InputError(
            f"{'no picture begins' if not rows else 'several pictures begin'} with {wanted}"
            + ("; only what was predicted, and kept, is known" if not rows else "")
        )
    return str(rows[0]["digest"])


def read_pictures(store: Store, digests: Iterable[str]) -> dict[str, np.ndarray]:
    """Return the images (28, 28), uint8, of pictures by their digests."""
    table, found = define_tables().tables["pictures"], {}
    for part in iterate_parts(list(digests)):
        query = table.select().where(table.c.digest.in_(part))
        for row in FEEDBACK.select_rows(store, query):
            found[row["digest"]] = read_image(row)
    return found
