"""Corrections: the labels that people give to pictures, by command or by an inbox.

A picture that was corrected belongs for ever either to training or to the gate, by its
digest: what a model learnt from never judges it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from digitflow.data.sets import CLASSES
from digitflow.errors import InputError
from digitflow.feedback.tables import (
    FEEDBACK,
    add_pictures,
    define_tables,
    iterate_parts,
    read_pictures,
)
from digitflow.images.files import read_picture
from digitflow.images.frame import SIDE, to_mnist_frame
from digitflow.store.artifacts import Store
from digitflow.store.references import Record
from digitflow.store.runs import now

Role = Literal["training", "gate"]
# In the place of a role: the row takes back the same person's last label of the picture.
WITHDRAWN = "withdrawn"
# One picture of so many judges; the others are learnt from.
JUDGING = 3


class Correction(Record):
    """The label that somebody gave to a picture.

    Attributes
    ----------
    id : int
        Grows from correction to correction.
    picture : str
        Digest of the 28 x 28 image.
    digit : int
        0 to 9.
    role : str
        "training" or "gate".
    who, source, at : str
        user@host; where it came from: a command, a file; UTC, ISO 8601.
    """

    id: int
    picture: str
    digit: int = Field(ge=0, lt=CLASSES)
    role: Role
    who: str
    source: str
    at: str


@dataclass(frozen=True)
class Corrected:
    """Pictures of one role with the label on which everybody agrees.

    Attributes
    ----------
    pictures : tuple of str
        Digests, in the order of the first corrections.
    images : ndarray of shape (n, 28, 28), uint8
    labels : ndarray of shape (n,), uint8
    last : int
        The id of the last correction there was, of any role; 0 without any.
    """

    pictures: tuple[str, ...]
    images: np.ndarray
    labels: np.ndarray
    last: int


def choose_role(digest: str) -> Role:
    """Return what a picture is for, by its digest alone: a third judges."""
    return "gate" if int(digest[:8], 16) % JUDGING == 0 else "training"


def add_corrections(
    store: Store, images: Sequence[np.ndarray], digits: Sequence[int], who: str, source: str
) -> int:
    """Keep the labels that somebody gave to images (28, 28), uint8; return how many are new.

    What repeats the same person's latest label of a picture is not kept again.

    Raises
    ------
    StorageError
        If the database can't be written.
    """
    FEEDBACK.require_tables(store)
    table, rows, at = define_tables().tables["corrections"], [], now()
    with FEEDBACK.connect(store) as connection:
        digests = add_pictures(connection, images)
        given = _list_latest(connection, who, digests)
        for digest, digit in zip(digests, digits, strict=True):
            if given.get(digest) == digit:
                continue
            given[digest] = digit
            role = choose_role(digest)
            rows.append(
                {
                    "picture": digest, "digit": int(digit), "role": role, "who": who,
                    "source": source, "at": at,
                }
            )  # fmt: skip
        if rows:
            connection.execute(table.insert(), rows)
        connection.commit()
    return len(rows)


def _list_latest(connection: Any, who: str, digests: Sequence[str]) -> dict[str, int]:
    """Return somebody's latest labels of these pictures, where there are any."""
    table = define_tables().tables["corrections"]
    given: dict[str, int] = {}
    for part in iterate_parts(digests):
        query = table.select().where(table.c.who == who, table.c.picture.in_(part))
        rows = connection.execute(query.order_by(table.c.id)).mappings()
        given |= {row["picture"]: row["digit"] for row in _drop_withdrawn(rows)}
    return given


def withdraw_correction(store: Store, picture: str, who: str) -> bool:
    """Take back somebody's last label of a picture; what they said before it holds again.

    Nothing is removed: the withdrawal is noted, as the label was.

    Parameters
    ----------
    picture : str
        Digest of the image.

    Returns
    -------
    bool
        Whether there was one.

    Raises
    ------
    StorageError
        If the database can't be written.
    """
    said = [row for row in list_corrections(store) if (row.picture, row.who) == (picture, who)]
    if not said:
        return False
    taken = said[-1].model_dump(exclude={"id"}) | {"role": WITHDRAWN, "at": now()}
    FEEDBACK.insert_rows(store, "corrections", [taken])
    return True


def list_corrections(store: Store) -> list[Correction]:
    """Return the corrections that were not withdrawn, the first one first."""
    rows = FEEDBACK.read_rows(store, "SELECT * FROM corrections ORDER BY id")
    return [Correction(**row) for row in _drop_withdrawn(rows)]


def _drop_withdrawn(rows: Iterable[Any]) -> list[Any]:
    """Leave out rows that take back a label, and those that they take back."""
    standing: dict[int, Any] = {}
    last: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        own = last.setdefault((row["picture"], row["who"]), [])
        if row["role"] != WITHDRAWN:
            standing[row["id"]] = row
            own.append(row["id"])
        elif own:
            del standing[own.pop()]
    return list(standing.values())


def list_conflicts(store: Store) -> dict[str, list[Correction]]:
    """Return the pictures that people label differently, with the latest label of each."""
    return {
        picture: given
        for picture, given in _group(list_corrections(store)).items()
        if len({correction.digit for correction in given}) > 1
    }


def read_corrected(store: Store, role: Role) -> Corrected:
    """Return the pictures of a role on which everybody agrees; others are held back."""
    corrections = list_corrections(store)
    agreed = {
        picture: given[0].digit
        for picture, given in _group(corrections).items()
        if len({correction.digit for correction in given}) == 1 and given[0].role == role
    }
    images = read_pictures(store, agreed)
    return Corrected(
        pictures=tuple(agreed),
        images=np.stack([images[picture] for picture in agreed])
        if agreed
        else np.empty((0, SIDE, SIDE), np.uint8),
        labels=np.array(list(agreed.values()), np.uint8),
        last=corrections[-1].id if corrections else 0,
    )


def _group(corrections: Iterable[Correction]) -> dict[str, list[Correction]]:
    """Return by picture the latest label of each person."""
    last: dict[str, dict[str, Correction]] = {}
    for correction in corrections:
        last.setdefault(correction.picture, {})[correction.who] = correction
    return {picture: list(given.values()) for picture, given in last.items()}


TAKEN, REFUSED = "taken", "refused"
WHO = "inbox"


class Taken(Record):
    """What was found in an inbox: new corrections, and {file: why it can't be used}."""

    new: int
    seen: int
    refused: dict[str, str]


def take_pictures(store: Store, inbox: Path) -> Taken:
    """Keep the pictures of `inbox`/0 to `inbox`/9, a digit in each, as corrections.

    What is kept moves to `inbox`/taken, what can't be used to `inbox`/refused with the
    reason beside it: nothing is lost, and nothing is read twice. A picture is in the
    database before it moves; one that is cut off between is kept once all the same.

    Raises
    ------
    InputError
        If the inbox is no folder.
    """
    if not inbox.is_dir():
        raise InputError(f"the inbox {inbox} is no folder: make it, with folders 0 to 9 in it")
    new, seen, refused = 0, 0, {}
    for digit, path in _list_pictures(inbox):
        seen += 1
        try:
            image = to_mnist_frame(read_picture(path))
        except (InputError, MemoryError) as exc:
            refused[str(path)] = str(exc)
            moved = _move(path, inbox / REFUSED / str(digit))
            moved.with_name(f"{moved.name}.why.txt").write_text(f"{exc}\n", encoding="utf-8")
            continue
        new += add_corrections(store, [image], [digit], WHO, str(path))
        _move(path, inbox / TAKEN / str(digit))
    return Taken(new=new, seen=seen, refused=refused)


def _list_pictures(inbox: Path) -> Iterator[tuple[int, Path]]:
    for digit in range(CLASSES):
        for path in sorted((inbox / str(digit)).glob("*")):
            # A name with a dot in front is still being written by some programs.
            if path.is_file() and not path.name.startswith("."):
                yield digit, path


def _move(path: Path, folder: Path) -> Path:
    """Move a file into a folder; one of the same name that is there keeps its own."""
    folder.mkdir(parents=True, exist_ok=True)
    target, number = folder / path.name, 1
    while target.exists():
        target = folder / f"{path.stem}-{number}{path.suffix}"
        number += 1
    return path.rename(target)
