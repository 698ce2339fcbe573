"""Corrections: what people say of samples: the digit of a picture, the true value of a row.

A sample that was corrected belongs for ever either to training or to the gate, by its
digest: what a model learnt from never judges it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from digitflow.feedback.tables import (
    FEEDBACK,
    Sample,
    add_samples,
    define_tables,
    iterate_parts,
    name_images,
    read_contents,
)
from digitflow.store.artifacts import Store
from digitflow.store.references import Record
from digitflow.store.runs import now

Role = Literal["training", "gate"]
# In the place of a role: the row takes back the same person's last word on the sample.
WITHDRAWN = "withdrawn"
# One sample of so many judges; the others are learnt from.
JUDGING = 3
DIGITS = "digits of any model"
"""The scope of pictures. No model's name has blanks."""


class Correction(Record):
    """What somebody said of a sample.

    Attributes
    ----------
    id : int
        Grows from correction to correction.
    sample : str
        Digest of the 28 x 28 image, or of the row's cells.
    scope : str
        Whom it tells something: see `find_scope`.
    target : str
        The digit, 0 to 9; of a row the class, or the value.
    role : str
        "training" or "gate".
    who, source, at : str
        user@host; where it came from: a command, a file; UTC, ISO 8601.
    """

    id: int
    sample: str
    scope: str
    target: str
    role: Role
    who: str
    source: str
    at: str


@dataclass(frozen=True)
class Corrected:
    """Samples of one role with the target on which everybody agrees.

    Attributes
    ----------
    samples : tuple of Sample
        In the order of the first corrections.
    targets : tuple of str
    last : int
        The id of the last correction there was, of any role; 0 without any.
    """

    samples: tuple[Sample, ...]
    targets: tuple[str, ...]
    last: int


def find_scope(model: str, workload: str) -> str:
    """Return which corrections a model learns from, and is judged by.

    A picture shows its digit to every model of digits; what a row is worth depends on what a
    model predicts.

    Parameters
    ----------
    workload : "digits" or "table"
    """
    return DIGITS if workload == "digits" else model


def choose_role(digest: str) -> Role:
    """Return what a sample is for, by its digest alone: a third judges."""
    return "gate" if int(digest[:8], 16) % JUDGING == 0 else "training"


def add_corrections(
    store: Store, images: Sequence[np.ndarray], digits: Sequence[int], who: str, source: str
) -> int:
    """Keep the digits that somebody saw in images (28, 28), uint8; see `add_targets`."""
    targets = [str(int(digit)) for digit in digits]
    return add_targets(store, DIGITS, name_images(images), targets, who, source)


def add_targets(
    store: Store,
    scope: str,
    samples: Sequence[Sample],
    targets: Sequence[str],
    who: str,
    source: str,
) -> int:
    """Keep what somebody said of samples; return how many corrections are new.

    What repeats the same person's latest word on a sample is not kept again.

    Parameters
    ----------
    scope : str
        See `find_scope`.
    targets : sequence of str
        As in `Correction`, one for each sample.

    Raises
    ------
    StorageError
        If the database can't be written.
    """
    FEEDBACK.require_tables(store)
    table, rows, at = define_tables().tables["corrections"], [], now()
    with FEEDBACK.connect(store) as connection:
        add_samples(connection, samples)
        digests = [sample.digest for sample in samples]
        given = _list_latest(connection, scope, who, digests)
        for digest, target in zip(digests, targets, strict=True):
            if given.get(digest) == target:
                continue
            given[digest] = target
            rows.append(
                {
                    "sample": digest, "scope": scope, "target": target,
                    "role": choose_role(digest), "who": who, "source": source, "at": at,
                }
            )  # fmt: skip
        if rows:
            connection.execute(table.insert(), rows)
        connection.commit()
    return len(rows)


def _list_latest(
    connection: Any, scope: str, who: str, digests: Sequence[str]
) -> dict[str, str]:
    """Return somebody's latest words on these samples, where there are any."""
    table = define_tables().tables["corrections"]
    given: dict[str, str] = {}
    for part in iterate_parts(digests):
        query = table.select().where(
            table.c.who == who, table.c.scope == scope, table.c.sample.in_(part)
        )
        rows = connection.execute(query.order_by(table.c.id)).mappings()
        given |= {row["sample"]: row["target"] for row in _drop_withdrawn(rows)}
    return given


def withdraw_correction(store: Store, digest: str, who: str, scope: str = DIGITS) -> bool:
    """Take back somebody's last word on a sample; what they said before it holds again.

    Nothing is removed: the withdrawal is noted, as the correction was.

    Returns
    -------
    bool
        Whether there was one.

    Raises
    ------
    StorageError
        If the database can't be written.
    """
    said = [
        row for row in list_corrections(store, scope) if (row.sample, row.who) == (digest, who)
    ]
    if not said:
        return False
    taken = said[-1].model_dump(exclude={"id"}) | {"role": WITHDRAWN, "at": now()}
    FEEDBACK.insert_rows(store, "corrections", [taken])
    return True


def list_corrections(store: Store, scope: str | None = None) -> list[Correction]:
    """Return the corrections that were not withdrawn, the first one first.

    Parameters
    ----------
    scope : str, optional
        Only these; else all.
    """
    rows = FEEDBACK.read_rows(store, "SELECT * FROM corrections ORDER BY id")
    found = (Correction(**row) for row in _drop_withdrawn(rows))
    return [each for each in found if scope in (None, each.scope)]


def _drop_withdrawn(rows: Iterable[Any]) -> list[Any]:
    """Leave out rows that take back a word, and those that they take back."""
    standing: dict[int, Any] = {}
    last: dict[tuple[str, str, str], list[int]] = {}
    for row in rows:
        own = last.setdefault((row["scope"], row["sample"], row["who"]), [])
        if row["role"] != WITHDRAWN:
            standing[row["id"]] = row
            own.append(row["id"])
        elif own:
            del standing[own.pop()]
    return list(standing.values())


def list_conflicts(store: Store, scope: str | None = None) -> dict[str, list[Correction]]:
    """Return the samples that people disagree on, with the latest correction of each."""
    return {
        given[0].sample: given
        for given in _group(list_corrections(store, scope))
        if len({correction.target for correction in given}) > 1
    }


def read_corrected(store: Store, role: Role, scope: str = DIGITS) -> Corrected:
    """Return the samples of a role on which everybody agrees; others are held back."""
    corrections = list_corrections(store, scope)
    agreed = {
        given[0].sample: given[0].target
        for given in _group(corrections)
        if len({correction.target for correction in given}) == 1 and given[0].role == role
    }
    contents = read_contents(store, agreed)
    return Corrected(
        samples=tuple(Sample(digest, contents[digest]) for digest in agreed),
        targets=tuple(agreed.values()),
        last=corrections[-1].id if corrections else 0,
    )


def _group(corrections: Iterable[Correction]) -> list[list[Correction]]:
    """Return for each sample the latest correction of each person."""
    last: dict[tuple[str, str], dict[str, Correction]] = {}
    for correction in corrections:
        key = (correction.scope, correction.sample)
        last.setdefault(key, {})[correction.who] = correction
    return [list(given.values()) for given in last.values()]
