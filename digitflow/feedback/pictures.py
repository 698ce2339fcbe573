"""Pictures as a model sees them, kept once each, known by their digest."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from digitflow.errors import InputError
from digitflow.feedback.tables import FEEDBACK, define_tables, iterate_parts
from digitflow.images.frame import SIDE, digest_image
from digitflow.store.artifacts import Store
from digitflow.store.runs import now

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
