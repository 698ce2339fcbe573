"""The history's entries and judgements: what they say, adding one, listing them."""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

from digitflow.errors import ChampionMoved
from digitflow.gate.verdict import Verdict
from digitflow.registry.pointer import Champion
from digitflow.store.artifacts import Store
from digitflow.store.databases import Database, refuse_changes
from digitflow.store.references import Record
from digitflow.store.runs import name_user, now

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


Kind = Literal["bootstrap", "promote", "rollback", "rescore", "adopt"]


class Entry(Record):
    """One step in the chain of a model's champions.

    Attributes
    ----------
    id : int
        Grows from entry to entry.
    predecessor : int
        The entry it follows; 0 for the first of a model.
    kind : str
        "bootstrap" and "promote" by a verdict, "rollback" by a person, "rescore" (the same
        version, judged on other test images), "adopt" (it was champion before there was
        a history).
    at, who, why : str
        UTC, ISO 8601; user@host; a sentence.
    verdict : dict or None
        None where no verdict led here.
    champion : Champion
        Who is champion from here on.
    """

    id: int
    model: str
    predecessor: int
    version: str
    kind: Kind
    at: str
    who: str
    why: str
    run: str
    verdict: dict[str, Any] | None
    champion: Champion


class Judgement(Record):
    """One verdict on one challenger, whatever it was."""

    id: int
    model: str
    run: str
    at: str
    challenger_digest: str
    version: str | None
    champion_entry: int | None
    test_digest: str
    outcome: str
    verdict: dict[str, Any]


def read_last(store: Store, model: str) -> Entry | None:
    """Return the entry that says who is champion; None before the first promotion."""
    entries = list_entries(store, model, limit=1)
    return entries[0] if entries else None


def list_entries(store: Store, model: str, limit: int | None = None) -> list[Entry]:
    """Return a model's entries, the newest first."""
    table = define_tables().tables["promotions"]
    query = table.select().where(table.c.model == model).order_by(table.c.id.desc())
    return [_read_entry(row) for row in HISTORY.select_rows(store, query.limit(limit))]


def append_entry(
    store: Store,
    champion: Champion,
    predecessor: int,
    kind: Kind,
    why: str,
    verdict: Verdict | None = None,
) -> Entry:
    """Make a version champion, if the last entry is the one that this follows.

    Parameters
    ----------
    champion : Champion
        Its `entry` can't be known before, and is set here.
    predecessor : int
        Id of the last entry; 0 where there is none.

    Raises
    ------
    ChampionMoved
        If another entry is the last one by now; nothing is written.
    """
    values = _write_entry(champion, kind, why, verdict) | {"predecessor": predecessor}
    last = read_last(store, champion.name)
    # Who reads the same last entry as we did and is quicker takes our place in the chain.
    if (0 if last is None else last.id) == predecessor:
        number = HISTORY.insert_rows(store, "promotions", [values])
        if number is not None:
            return _read_entry({"id": number, **values})
        last = read_last(store, champion.name)
    raise ChampionMoved(
        f"version {champion.version} was to follow entry {predecessor} of the history of "
        f"{champion.name}, and the champion is {_describe(last)} by now. Judge it again."
    )


def adopt_champions(store: Store, champions: Sequence[Champion], why: str) -> None:
    """Begin a model's history with whom others say was champion, the present one last.

    Nothing happens if it has begun already.
    """
    rows = [_write_entry(champion, "adopt", why, None) for champion in champions]
    rows[0]["predecessor"] = 0
    HISTORY.insert_rows(store, "promotions", rows, link="predecessor")


def add_judgement(store: Store, model: str, version: str, verdict: Verdict, run: str) -> None:
    """Note a verdict, whatever it is."""
    comparison = verdict.comparison
    values = {
        "model": model,
        "run": run,
        "at": now(),
        "challenger_digest": comparison.challenger_digest,
        "version": version,
        "champion_entry": comparison.champion_entry,
        "test_digest": comparison.test_digest,
        "outcome": verdict.outcome,
        "verdict": verdict.model_dump_json(),
    }
    HISTORY.insert_rows(store, "judgements", [values])


def list_judgements(store: Store, model: str) -> list[Judgement]:
    """Return every judgement on a model's challengers, the newest first."""
    table = define_tables().tables["judgements"]
    query = table.select().where(table.c.model == model).order_by(table.c.id.desc())
    found = HISTORY.select_rows(store, query)
    return [Judgement(**row | {"verdict": json.loads(row["verdict"])}) for row in found]


def list_challengers(store: Store, model: str, test_digest: str) -> set[str]:
    """Return the digests of the models that were judged on these test images."""
    table = define_tables().tables["judgements"]
    query = table.select().with_only_columns(table.c.challenger_digest)
    query = query.where(table.c.model == model, table.c.test_digest == test_digest)
    return {row["challenger_digest"] for row in HISTORY.select_rows(store, query)}


def is_repeated(store: Store, model: str, verdict: Verdict) -> bool:
    """Tell whether the last two judgements on a challenger say the same.

    The same outcome, on the same test images, against the same champion.
    """
    table = define_tables().tables["judgements"]
    query = table.select().with_only_columns(
        table.c.test_digest, table.c.champion_entry, table.c.outcome
    )
    digest = verdict.comparison.challenger_digest
    query = query.where(table.c.model == model, table.c.challenger_digest == digest)
    last = HISTORY.select_rows(store, query.order_by(table.c.id.desc()).limit(2))
    return len(last) == 2 and last[0] == last[1]


def list_models(store: Store) -> list[str]:
    """Return the models that have a history."""
    table = define_tables().tables["promotions"]
    query = table.select().with_only_columns(table.c.model).distinct()
    return sorted(row["model"] for row in HISTORY.select_rows(store, query))


def _write_entry(
    champion: Champion, kind: Kind, why: str, verdict: Verdict | None
) -> dict[str, Any]:
    return {
        "model": champion.name,
        "version": champion.version,
        "kind": kind,
        "at": now(),
        "who": name_user(),
        "why": why,
        "run": champion.run,
        "verdict": None if verdict is None else verdict.model_dump_json(),
        "champion": champion.model_dump_json(exclude={"entry"}),
    }


def _read_entry(row: Mapping[str, Any]) -> Entry:
    verdict, champion = row["verdict"], json.loads(row["champion"])
    return Entry(
        **{
            **row,
            "verdict": None if verdict is None else json.loads(verdict),
            "champion": champion | {"entry": row["id"]},
        }
    )


def _describe(last: Entry | None) -> str:
    return "none" if last is None else f"version {last.version} (entry {last.id})"
