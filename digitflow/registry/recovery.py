"""A history or a registry that was lost, made again of what the other one and the runs know."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from digitflow.errors import DigitflowError, list_some
from digitflow.formatting import format_count
from digitflow.gate.verdict import Verdict
from digitflow.models.bundle import ModelBundle
from digitflow.registry import history, mlflow, mlflow_client, mlflow_files
from digitflow.registry.champion import align_aliases, list_missing
from digitflow.registry.history import HISTORY
from digitflow.registry.mlflow import MirroredVersion
from digitflow.registry.versions import Champion, Registration, TrainingFacts, write_pages
from digitflow.store.artifacts import Store
from digitflow.store.runs import list_runs

LOST_WORDS = "read back: who did it and why is lost"
_NOBODY = "unknown"

Rows = Mapping[str, list[dict[str, Any]]]


def rebuild_history(store: Store, salvaged: Rows) -> list[str]:
    """Make a history that is gone again; return what it holds now, in sentences.

    Its own rows, as far as they could be read, come first. What they lack of versions and
    verdicts comes from the pages that MLflow keeps with each version; who was champion when,
    from those verdicts (each names the champion it was reached against), from the records of
    runs, and from MLflow's alias.

    Parameters
    ----------
    salvaged : dict of str to list of dict
        Rows of its tables, by table.
    """
    HISTORY.initialise(store)
    HISTORY.fill(store, {name: salvaged.get(name, []) for name in ("judgements", "versions")})
    aliases, kept = _read_mirror(store)
    known = {(row["model"], row["version"]) for row in salvaged.get("versions", ())}
    for found in kept:
        if (found.model, found.version) not in known:
            _add_version(store, found)
    _add_newest_last(store, {found.model for found in kept})
    _add_promotions(store, salvaged.get("promotions", []), aliases)
    return list(_describe_history(store, salvaged))


def _add_version(store: Store, found: Registration) -> None:
    """Note a version and the verdict on it, as they were when it was registered."""
    history.add_registration(store, found)
    judged = {(row.version, row.outcome) for row in history.list_judgements(store, found.model)}
    if (found.version, found.verdict.outcome) not in judged:
        run = found.facts.run
        history.add_judgement(store, found.model, found.version, found.verdict, run)


def _add_newest_last(store: Store, models: Iterable[str]) -> None:
    """Let the newest version be noted last: that one is the challenger."""
    for model in models:
        newest, *_ = history.list_registrations(store, model)
        if history.CHALLENGER not in newest.aliases:
            history.add_registration(store, newest)


def _add_promotions(
    store: Store, salvaged: Sequence[Mapping[str, Any]], aliases: Mapping[str, str]
) -> None:
    """Write the chain of each model's champions, one entry following the other."""
    rows = {row["id"]: dict(row) for row in salvaged}
    names = {*history.list_models(store), *(row["model"] for row in salvaged)}
    versions = {name: _find_versions(store, name) for name in sorted(names)}
    for model, known in versions.items():
        for champion in _find_champions(store, model, known):
            rows.setdefault(champion.entry, _describe_entry(champion, known, rows))
    for model, known in versions.items():
        for found in _find_promoted(known, rows):
            champion = found.make_champion(found.score, found.registered_at)
            champion = champion.model_copy(update={"entry": _find_gap(found, rows)})
            if champion.entry:
                rows[champion.entry] = _describe_entry(champion, known, rows)
        _follow_alias(known, aliases.get(model), rows)
    before: dict[str, int] = {}
    for number, row in sorted(rows.items()):
        # One that was lost between two leaves no gap: its number tells.
        row["predecessor"] = before.get(row["model"], 0)
        before[row["model"]] = number
    HISTORY.fill(store, {"promotions": [rows[number] for number in sorted(rows)]})


def _find_versions(store: Store, model: str) -> dict[str, Registration]:
    return {found.version: found for found in history.list_registrations(store, model)[::-1]}


def _find_promoted(
    known: Mapping[str, Registration], rows: Mapping[int, Mapping[str, Any]]
) -> list[Registration]:
    """Return the versions whose verdict made them champion, and of which no entry is known."""
    entries = {(row["model"], row["version"]) for row in rows.values()}
    return [
        found
        for found in known.values()
        if found.verdict.promoted and (found.model, found.version) not in entries
    ]


def _find_gap(found: Registration, rows: Mapping[int, Any]) -> int:
    """Return the number that is missing where a version would have followed; 0 if none is."""
    first = (found.verdict.comparison.champion_entry or 0) + 1
    return next((n for n in range(first, max(rows, default=0)) if n not in rows), 0)


def _follow_alias(
    known: Mapping[str, Registration], version: str | None, rows: dict[int, dict[str, Any]]
) -> None:
    """Let the version that MLflow calls champion be the last one of its model."""
    if version is None or version not in known:
        return
    found = known[version]
    mine = [number for number, row in rows.items() if row["model"] == found.model]
    if mine and rows[max(mine)]["version"] == version:
        return
    champion = found.make_champion(found.score, found.registered_at)
    number = max(rows, default=0) + 1
    champion = champion.model_copy(update={"entry": number})
    rows[number] = _describe_entry(champion, known, rows)


def _find_champions(
    store: Store, model: str, versions: Mapping[str, Registration]
) -> list[Champion]:
    """Return who is known to have been champion, by entries; what runs noted is whole."""
    found: dict[int, Champion] = {}
    for run in list_runs(store, "train"):
        if run.get("model") == model and run.get("champion"):
            champion = Champion.model_validate(run["champion"])
            found[champion.entry] = champion
    for judged in history.list_judgements(store, model):
        verdict, number = judged.verdict, judged.champion_entry
        named = versions.get(str(verdict.comparison.champion_version))
        if number and number not in found and named and verdict.champion is not None:
            champion = named.make_champion(verdict.champion, named.registered_at)
            found[number] = champion.model_copy(update={"entry": number})
    return [found[number] for number in sorted(found)]


def _describe_entry(
    champion: Champion,
    versions: Mapping[str, Registration],
    rows: Mapping[int, Mapping[str, Any]],
) -> dict[str, Any]:
    """Return the row of an entry that was lost, from who was champion by it."""
    before = [row for n, row in sorted(rows.items()) if n < champion.entry]
    chain = [row["version"] for row in before if row["model"] == champion.name]
    registered = versions.get(champion.version)
    verdict = None if registered is None else registered.verdict
    kind: history.Kind = "rollback"
    if chain and chain[-1] == champion.version:
        kind = "rescore"
    elif verdict is not None and verdict.promoted and champion.version not in chain:
        kind = "bootstrap" if verdict.outcome == "bootstrap" else "promote"
    is_by_verdict = verdict is not None and kind in ("bootstrap", "promote")
    return {
        "id": champion.entry,
        "model": champion.name,
        "version": champion.version,
        "kind": kind,
        "at": champion.promoted_at,
        "who": _NOBODY,
        "why": verdict.reason if verdict is not None and is_by_verdict else LOST_WORDS,
        "run": champion.run,
        "champion": champion.model_dump_json(),
        "verdict": verdict.model_dump_json() if verdict and is_by_verdict else None,
    }


def _read_mirror(store: Store) -> tuple[dict[str, str], list[Registration]]:
    """Return {model: the version that MLflow's alias names}, and what it keeps of versions."""
    aliases: dict[str, str] = {}
    named = {str(run.get("run")): _name_by_run(run) for run in list_runs(store, "train")}
    by_folder: dict[str, MirroredVersion] = {}
    try:
        if not mlflow_client.is_missing(store):
            with mlflow_client.open_client(store) as client:
                aliases, by_folder = mlflow.list_mirrored(client)
    except DigitflowError:
        pass  # it is damaged too: its files and the runs' records are left
    found = []
    for folder in mlflow_files.list_folders(store):
        pages = mlflow_files.read_pages(folder)
        if pages is None:
            continue
        bundle, verdict, facts = pages
        known = by_folder.get(folder.parent.name) or named.get(facts.run)
        if known is not None and known.version.isdigit():
            found.append(_make_registration(known, bundle, verdict, facts))
    return aliases, sorted(found, key=lambda each: (each.model, int(each.version)))


def _name_by_run(run: Mapping[str, Any]) -> MirroredVersion:
    names = (str(run.get(name)) for name in ("model", "version", "finished"))
    return MirroredVersion(*names)


def _make_registration(
    known: MirroredVersion, bundle: ModelBundle, verdict: Verdict, facts: TrainingFacts
) -> Registration:
    return Registration(
        model=known.model,
        version=known.version,
        registered_at=known.registered_at,
        bundle=bundle,
        score=verdict.challenger,
        facts=facts,
        verdict=verdict,
    )


def _describe_history(store: Store, salvaged: Rows) -> Iterable[str]:
    for model in history.list_models(store):
        entries = history.list_entries(store, model)
        versions = history.list_registrations(store, model)
        champion = f"its champion is {entries[0].champion}" if entries else "it has no champion"
        yield (
            f"{model}: {format_count(len(entries), 'entry', 'entries')} and "
            f"{format_count(len(versions), 'version')}, {champion}"
        )
        own = {row["id"] for row in salvaged.get("promotions", ())}
        if again := [entry.id for entry in entries if entry.id not in own]:
            yield (
                f"{model}: who made entries {list_some(sorted(again))}, and when, is as far as "
                "verdicts, MLflow and the runs' records tell; rollbacks among them may be lost"
            )


def rebuild_mirror(store: Store) -> list[str]:
    """Fill MLflow's file, which is new, with all that the history knows; say what it holds.

    Versions keep their numbers, and the files that are there. What MLflow alone knew, such
    as aliases, tags and runs that people made in it, is not in it any more.
    """
    folders = {
        pages[0].model.digest: folder
        for folder in mlflow_files.list_folders(store)
        if (pages := mlflow_files.read_pages(folder)) is not None
    }
    said = []
    with mlflow_client.open_client(store) as client:
        for model in history.list_models(store):
            said += _mirror_model(client, store, model, folders)
            align_aliases(client, store, model)
    return said


def _mirror_model(
    client: Any, store: Store, model: str, folders: Mapping[str, Path]
) -> list[str]:
    found = {int(each.version): each for each in history.list_registrations(store, model)}
    gone = []
    for number in range(1, max(found, default=0) + 1):
        each = found.get(number)
        kept = None if each is None else folders.get(each.bundle.model.digest)
        if each is None or (kept is None and list_missing(store, each.bundle)):
            gone += [] if each is None else [str(number)]
            # A number that was freed is never given again.
            mlflow.skip_version(client, model)
            continue
        with TemporaryDirectory() as folder:
            pages = write_pages(Path(folder), each.verdict, each.facts)
            mlflow.mirror_version(client, store, each, pages, kept)
    said = [f"{model}: {format_count(len(found) - len(gone), 'version')} from the history"]
    if gone:
        said.append(f"{model}: the files of versions {list_some(gone)} are lost")
    return said
