"""The history, which is the truth: what was registered, how it was judged, who is champion.

MLflow mirrors it. Each table only grows; a version that is freed is the one exception.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal, TypeVar

from pydantic import ValidationError

from digitflow.errors import ChampionMoved, DamagedArtifact, InputError, list_some
from digitflow.gate.verdict import Verdict
from digitflow.registry.versions import DEFAULT_MODELS, MIRROR_FILE, Champion, Registration
from digitflow.store.artifacts import Store
from digitflow.store.databases import Database, add_table
from digitflow.store.references import Record
from digitflow.store.runs import name_user, now
from digitflow.store.sqlite_files import Fault

FILE = "registry/history.db"
CHAMPION, PREVIOUS, CHALLENGER = "champion", "previous", "challenger"


@lru_cache
def define_tables() -> Any:
    """Return SQLAlchemy's description of the tables."""
    from sqlalchemy import Column, Integer, MetaData, String, Text, UniqueConstraint

    metadata = MetaData()
    add_table(
        metadata,
        "promotions",
        Column("model", String(200), nullable=False),
        Column("predecessor", Integer, nullable=False),
        *(Column(name, String(200), nullable=False) for name in ("version", "kind", "at")),
        *(Column(name, Text, nullable=False) for name in ("who", "why", "run", "champion")),
        Column("verdict", Text),
        # One follower of each entry, one first entry of each model.
        UniqueConstraint("model", "predecessor"),
    )
    names = ("model", "run", "at", "challenger_digest", "test_digest", "outcome")
    add_table(
        metadata,
        "judgements",
        *(Column(name, String(200), nullable=False, index=name == "model") for name in names),
        Column("version", String(200)),
        Column("champion_entry", Integer),
        Column("verdict", Text, nullable=False),
    )
    add_table(
        metadata,
        "versions",
        Column("model", String(200), nullable=False, index=True),
        *(Column(name, String(200), nullable=False) for name in ("version", "kind")),
        Column("record", Text, nullable=False),
    )
    return metadata


HISTORY = Database("the history", FILE, ("promotions", "judgements", "versions"), define_tables)


Kept = TypeVar("Kept", bound=Record)
Kind = Literal["bootstrap", "promote", "rollback", "rescore"]


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
        version, judged on other test samples).
    at, who, why : str
        UTC, ISO 8601; user@host; a sentence.
    verdict : Verdict or None
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
    verdict: Verdict | None
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
    verdict: Verdict


def require(store: Store) -> None:
    """Refuse to take a history that was lost for one that never began.

    MLflow's file is never made before the history's tables.

    Raises
    ------
    DamagedArtifact
        If its file is gone or without tables, and MLflow's beside it is there.
    """
    if not (store.root / MIRROR_FILE).exists() or HISTORY.has_tables(store):
        return
    said = "is missing" if HISTORY.is_missing(store) else "has no tables"
    path = HISTORY.find_file(store)
    if path is None:
        raise DamagedArtifact(
            f"the history {HISTORY.describe_place(store)} {said}, but "
            f"{store.root / MIRROR_FILE}, which mirrors it, is there. Name the database that "
            "has it, or restore that one."
        )
    fault = Fault("missing", f"{said}, but {store.root / MIRROR_FILE}, its mirror, is there")
    raise DamagedArtifact(fault.describe("the history", path))


def read_last(store: Store, model: str) -> Entry | None:
    """Return the entry that says who is champion; None before the first promotion."""
    query = "SELECT * FROM promotions WHERE model = :model ORDER BY id DESC LIMIT 1"
    found = HISTORY.read_rows(store, query, model=model)
    return _read_entry(store, found[0]) if found else None


def find_champion(store: Store, model: str | None = None) -> Champion:
    """Return the champion of a model; else of `digits`, else of `digits-sample`.

    Raises
    ------
    InputError
        If there is none.
    DamagedArtifact
        If the history was lost.
    """
    require(store)
    names = DEFAULT_MODELS if model is None else (model,)
    for name in names:
        if (last := read_last(store, name)) is not None:
            return last.champion
    known = HISTORY.read_rows(store, "SELECT DISTINCT model FROM promotions ORDER BY model")
    others = f"There is one of: {list_some(row['model'] for row in known)}. " if known else ""
    raise InputError(
        f"there is no champion of {' or '.join(names)} in {store.place}. {others}"
        "`digitflow train` makes one."
    )


def list_entries(store: Store, model: str) -> list[Entry]:
    """Return a model's entries, the newest first."""
    query = "SELECT * FROM promotions WHERE model = :model ORDER BY id DESC"
    return [_read_entry(store, row) for row in HISTORY.read_rows(store, query, model=model)]


def find_before(entries: list[Entry]) -> Entry | None:
    """Return by which entry another version was champion before the present one."""
    others = (entry for entry in entries if entry.version != entries[0].version)
    return next(others, None)


def find_earlier(entries: list[Entry]) -> Entry | None:
    """Return by which entry the version was champion that going back leads to.

    Each time one further: whoever was gone back from is out of the line, until a verdict or
    a person makes it champion again.
    """
    line: list[Entry] = []
    for entry in reversed(entries):
        known = [each.version for each in line]
        if entry.kind in ("rollback", "rescore") and entry.version in known:
            del line[known.index(entry.version) :]
        line.append(entry)
    return line[-2] if len(line) > 1 else None


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
            return _read_entry(store, {"id": number, **values})
        last = read_last(store, champion.name)
    raise ChampionMoved(
        f"version {champion.version} was to follow entry {predecessor} of the history of "
        f"{champion.name}, and the champion is {last.champion if last else 'none'} by now. "
        "Judge it again."
    )


def add_judgement(store: Store, model: str, version: str, verdict: Verdict, run: str) -> None:
    """Note a verdict, whatever it is; it counts as a look at the test samples."""
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
    query = "SELECT * FROM judgements WHERE model = :model ORDER BY id DESC"
    return [
        Judgement(**row | {"verdict": _read_record(store, Verdict, row["verdict"])})
        for row in HISTORY.read_rows(store, query, model=model)
    ]


def list_challengers(store: Store, model: str, test_digest: str) -> set[str]:
    """Return the digests of the models that were judged on these test samples."""
    query = (
        "SELECT DISTINCT challenger_digest FROM judgements "
        "WHERE model = :model AND test_digest = :test"
    )
    found = HISTORY.read_rows(store, query, model=model, test=test_digest)
    return {row["challenger_digest"] for row in found}


def is_repeated(store: Store, model: str, verdict: Verdict) -> bool:
    """Tell whether the last two judgements on a challenger say the same.

    The same outcome, on the same test samples, against the same champion.
    """
    require(store)
    query = (
        "SELECT test_digest, champion_entry, outcome FROM judgements "
        "WHERE model = :model AND challenger_digest = :digest ORDER BY id DESC LIMIT 2"
    )
    digest = verdict.comparison.challenger_digest
    last = HISTORY.read_rows(store, query, model=model, digest=digest)
    return len(last) == 2 and last[0] == last[1]


def add_registration(store: Store, found: Registration, rescored: bool = False) -> None:
    """Note a version, or a newer score of one that is there already."""
    values = {
        "model": found.model,
        "version": found.version,
        "kind": "rescore" if rescored else "register",
        "record": found.model_dump_json(exclude={"aliases"}),
    }
    HISTORY.insert_rows(store, "versions", [values])


def list_registrations(store: Store, model: str) -> list[Registration]:
    """Return a model's versions as they were noted last, the newest first."""
    query = (
        "SELECT version, record FROM versions WHERE id IN "
        "(SELECT max(id) FROM versions WHERE model = :model GROUP BY version)"
    )
    rows = HISTORY.read_rows(store, query, model=model)
    named = find_aliases(store, model)
    found = [
        _read_record(store, Registration, row["record"]).model_copy(
            update={
                "aliases": tuple(sorted(a for a, v in named.items() if v == row["version"]))
            }
        )
        for row in rows
    ]
    return sorted(found, key=lambda version: int(version.version), reverse=True)


def find_aliases(store: Store, model: str) -> dict[str, str]:
    """Return {alias: version}: the champion, who was it before, the newest challenger."""
    entries, named = list_entries(store, model), {}
    if entries:
        named[CHAMPION] = entries[0].version
        if (before := find_before(entries)) is not None:
            named[PREVIOUS] = before.version
    query = (
        "SELECT version FROM versions WHERE model = :model AND kind = 'register' "
        "ORDER BY id DESC LIMIT 1"
    )
    for row in HISTORY.read_rows(store, query, model=model):
        named[CHALLENGER] = row["version"]
    return named


def remove_version(store: Store, model: str, version: str) -> None:
    """Forget a version that was freed; its judgements and promotions stay."""
    table = define_tables().tables["versions"]
    with HISTORY.removing(store, table.name) as connection:
        of_it = (table.c.model == model) & (table.c.version == version)
        connection.execute(table.delete().where(of_it))


def list_models(store: Store) -> list[str]:
    """Return the models of which something is registered."""
    query = "SELECT model FROM versions UNION SELECT model FROM promotions ORDER BY model"
    return [row["model"] for row in HISTORY.read_rows(store, query)]


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
        "champion": champion.model_dump_json(),
    }


def _read_entry(store: Store, row: Mapping[str, Any]) -> Entry:
    verdict = row["verdict"]
    champion = _read_record(store, Champion, row["champion"])
    read = {
        "verdict": None if verdict is None else _read_record(store, Verdict, verdict),
        "champion": champion.model_copy(update={"entry": row["id"]}),
    }
    return Entry(**{**row, **read})


def _read_record(store: Store, kind: type[Kept], text: str) -> Kept:
    """Read what a column holds as JSON; another digitflow may have known other fields."""
    try:
        return kind.model_validate_json(text)
    except ValidationError as exc:
        first = exc.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise InputError(
            f"the history {HISTORY.describe_place(store)} holds what another digitflow wrote "
            f"({kind.__name__}: {place}: {first['msg']}). Nothing in it was changed. Use the "
            "digitflow that wrote it, or start a new folder."
        ) from exc
