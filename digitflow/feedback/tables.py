"""The tables of the feedback's database, and the samples that all of them refer to.

A sample is kept as a model sees it, once, and known by its digest.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from digitflow.errors import InputError
from digitflow.images.frame import SIDE, digest_image
from digitflow.store.artifacts import Store
from digitflow.store.databases import Database, add_table, refuse_changes
from digitflow.store.runs import now

FILE = "feedback/feedback.db"
# Older builds of SQLite take 999 parameters.
MOST_NAMED = 500


class Sample(NamedTuple):
    """What a model is asked about.

    Attributes
    ----------
    digest : str
        Tells it from others, hexadecimal.
    content : bytes
        Of an image its 28 x 28 bytes, row by row; of a row of a table its cells, as JSON.
    """

    digest: str
    content: bytes


def name_images(images: Iterable[np.ndarray]) -> list[Sample]:
    """Return images (28, 28), uint8, as samples."""
    return [Sample(digest_image(image), image.tobytes()) for image in images]


def open_image(content: bytes) -> np.ndarray:
    """Return the image of a sample, uint8 (28, 28)."""
    return np.frombuffer(content, np.uint8).reshape(SIDE, SIDE)


def is_row(content: bytes) -> bool:
    """Tell a row's content from an image's, of which the corners are dark."""
    return content.startswith(b"{") and content.endswith(b"}")


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
    samples = Table(
        "samples",
        metadata,
        Column("digest", String(64), primary_key=True),
        Column("content", LargeBinary, nullable=False),  # see `Sample`
        Column("at", String(40), nullable=False),
    )
    refuse_changes(samples)

    def refer_to_sample() -> Any:
        return Column("sample", ForeignKey("samples.digest"), nullable=False, index=True)

    add_table(
        metadata,
        "predictions",
        refer_to_sample(),
        Column("model", String(200), nullable=False, index=True),
        Column("version", String(200), nullable=False),
        Column("at", String(40), nullable=False),
        Column("predicted", Float, nullable=False),  # a value, or the number of a class
        Column("probability", Float),
        Column("probabilities", LargeBinary),  # of the classes, float32, little-endian
        *(Column(name, Float) for name in ("low", "high")),  # of a value's interval
        Column("status", String(20), nullable=False),
        Column("file", Text),
        Column("seconds", Float),
    )
    add_table(
        metadata,
        "corrections",
        refer_to_sample(),
        Column("scope", String(200), nullable=False, index=True),
        Column("target", Text, nullable=False),
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
    ("samples", "predictions", "corrections", "training_events", "inspections"),
    define_tables,
)


LEAST_PREFIX = 4


def add_samples(connection: Any, samples: Iterable[Sample]) -> None:
    """Keep samples that are not there yet."""
    from sqlalchemy.dialects import postgresql, sqlite

    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    at, known = now(), {sample.digest: sample for sample in samples}
    if known:
        adding = dialect.insert(define_tables().tables["samples"]).on_conflict_do_nothing()
        # In one order everywhere: two writers never wait for each other.
        ordered = [known[digest] for digest in sorted(known)]
        connection.execute(adding, [{**sample._asdict(), "at": at} for sample in ordered])


def find_sample(store: Store, beginning: str) -> str:
    """Return the digest that begins so.

    Raises
    ------
    InputError
        If it is too short, or if no sample or several begin so.
    """
    wanted = beginning.lower()
    if len(wanted) < LEAST_PREFIX or not set(wanted) <= set("0123456789abcdef"):
        raise InputError(
            "a picture or row is a file that is there, or is named by the first "
            f"{LEAST_PREFIX} or more hexadecimal digits that `digitflow predict` shows, got "
            f"{beginning!r}"
        )
    table = define_tables().tables["samples"]
    query = table.select().with_only_columns(table.c.digest)
    rows = FEEDBACK.select_rows(store, query.where(table.c.digest.startswith(wanted)).limit(2))
    if len(rows) != 1:
        raise InputError(
            f"{'nothing begins' if not rows else 'several pictures or rows begin'} with "
            f"{wanted}" + ("; only what was predicted, and kept, is known" if not rows else "")
        )
    return str(rows[0]["digest"])


def read_contents(store: Store, digests: Iterable[str]) -> dict[str, bytes]:
    """Return the contents of samples by their digests."""
    table, found = define_tables().tables["samples"], {}
    for part in iterate_parts(list(digests)):
        query = table.select().where(table.c.digest.in_(part))
        for row in FEEDBACK.select_rows(store, query):
            found[row["digest"]] = bytes(row["content"])
    return found


def read_images(store: Store, digests: Iterable[str]) -> dict[str, np.ndarray]:
    """Return the images (28, 28), uint8, of pictures by their digests."""
    found = read_contents(store, digests)
    return {digest: open_image(content) for digest, content in found.items()}
