"""Removing versions that nobody needs; the history of what was decided stays."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from digitflow.errors import StorageError, list_some
from digitflow.registry import history, mlflow
from digitflow.registry.champion import open_registry
from digitflow.registry.listing import list_models
from digitflow.registry.versions import Registration, list_files
from digitflow.store.artifacts import Store
from digitflow.store.runs import GC_LOCK, list_runs, read_events


@dataclass
class Freed:
    """What was removed, or would be, and which versions stay.

    Attributes
    ----------
    versions : list of str
        "model version".
    files, bytes : int
        Of those that MLflow kept of them, where they are the store's own.
    kept : list of Registration
        Of all models.
    """

    versions: list[str] = field(default_factory=list)
    files: int = 0
    bytes: int = 0
    kept: list[Registration] = field(default_factory=list)


def free_versions(store: Store, keep_versions: int, dry_run: bool) -> Freed:
    """Remove all versions but the newest, of each model.

    Whoever is champion, was it before, or has an alias stays too; so does what was
    registered by others.

    Parameters
    ----------
    keep_versions : int
        How many of the newest stay.
    dry_run : bool
        Only say what would go.
    """
    freed = Freed()
    for model in list_models(store):
        with open_registry(store, model) as client:
            _free_model(client, store, model, keep_versions, dry_run, freed)
    return freed


def _free_model(
    client: Any, store: Store, model: str, keep_versions: int, dry_run: bool, freed: Freed
) -> None:
    registered = history.list_registrations(store, model)
    aliases = {*mlflow.list_aliases(client, model).values()}
    newest = {found.version for found in registered[:keep_versions]}
    freed.kept += (
        kept := [f for f in registered if f.aliases or f.version in newest | aliases]
    )
    doomed = {found.version for found in registered if found not in kept}
    freed.versions += (f"{model} {found.version}" for found in registered if found not in kept)
    mirrored = mlflow.list_versions(client, model)
    used = {v.run_id for v in mirrored if str(v.version) not in doomed}
    for version in mirrored:
        if str(version.version) in doomed and not dry_run:
            client.delete_model_version(model, str(version.version))
    # Also of registrations that were killed half-way.
    for run_id in mlflow.list_runs(client, model):
        if run_id not in used:
            sizes = mlflow.list_sizes(store, run_id)
            freed.files += len(sizes)
            freed.bytes += sum(sizes)
            if not dry_run:
                mlflow.delete_run(client, store, run_id)
    for number in () if dry_run else sorted(doomed):
        history.remove_version(store, model, number)


MONITOR = "monitor"
# A search that has ended is a result; its database only serves one that was cut off.
FOLDERS = ("arrays", "models", "figures", "quarantine", "results", "searches")


def collect_garbage(
    store: Store, keep_runs: int, keep_versions: int, dry_run: bool = False
) -> dict[str, Any]:
    """Remove versions, and files that no kept version and none of the newest runs needs.

    Never the champion or who was champion before it, nor what their bundle is made of
    and was judged on; nor a version that an alias names.

    Parameters
    ----------
    keep_runs : int
        How many of the newest runs of each job keep their arrays, models and cached
        results. The records and reports of trainings and studies stay; those of older looks
        of the monitor go, since its history is in the database.
    keep_versions : int
        How many of the newest versions of each model stay.
    dry_run : bool
        Only count.

    Returns
    -------
    dict
        files, bytes, by_folder {folder: bytes}, versions ["model version", ...], dry_run.

    Raises
    ------
    StorageError
        If a run is going on: what it will need next can't be known.
    """
    # A run that starts waits for this lock once; one that goes on is seen here.
    with store.lock(GC_LOCK):
        refuse_while_running(store)
        freed = free_versions(store, keep_versions, dry_run)
        needed = _find_needed(store, keep_runs, freed.kept)
        doomed = [path for path in _list_files(store) if _name(store, path) not in needed]
        by_folder = dict.fromkeys(FOLDERS, 0) | {"registry": freed.bytes}
        for path in doomed:
            name = _name(store, path)
            by_folder[name.split("/")[0]] += path.stat().st_size
            if not dry_run:
                store.remove(name)
                store.remove(f"stats/{name.replace('/', '-')}.json")
        if not dry_run:
            for run in list_runs(store, MONITOR)[keep_runs:]:
                store.remove(f"runs/{run['run']}")
            store.sweep_temporary()
    return {
        "files": len(doomed) + freed.files,
        "bytes": sum(by_folder.values()),
        "by_folder": by_folder,
        "versions": freed.versions,
        "dry_run": dry_run,
    }


def refuse_while_running(store: Store) -> None:
    """Raise `StorageError` if a run is going on: what it needs next can't be known."""
    running = [run["run"] for run in list_runs(store) if run.get("status") == "running"]
    if running:
        raise StorageError(
            f"a run is going on ({list_some(running)}); try again when it has ended"
        )


def _find_needed(store: Store, keep_runs: int, kept: list[Registration]) -> set[str]:
    needed = {path for found in kept for path in list_paths(found)}
    for run in _list_newest(store, keep_runs):
        for event in read_events(store, run["run"]):
            needed.update(output["path"] for output in event.get("outputs", ()))
            if "key" in event:
                needed.add(f"results/{event['key']}")
    return needed


def _list_newest(store: Store, count: int) -> Iterator[dict[str, Any]]:
    """Yield the newest runs of each job: the monitor's many crowd out no training."""
    seen: Counter[str] = Counter()
    for run in list_runs(store):
        seen[run.get("job", "train")] += 1
        if seen[run.get("job", "train")] <= count:
            yield run


def list_paths(found: Registration) -> Iterator[str]:
    """Yield what a version is made of, and what it would be judged on again."""
    yield from (ref.path for ref in list_files(found.bundle).values())
    for part in (found.facts.test, found.facts.feedback):
        if part is not None:
            refs = (part.samples, part.targets, part.writers, part.series)
            yield from (ref.path for ref in (*refs, *part.slices.values()) if ref is not None)


def _list_files(store: Store) -> Iterator[Path]:
    for folder in FOLDERS:
        yield from (path for path in sorted((store.root / folder).glob("*")) if path.is_file())


def _name(store: Store, path: Path) -> str:
    return path.relative_to(store.root).as_posix()
