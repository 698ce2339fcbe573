"""Removing versions that nobody needs; the history of what was decided stays."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from digitflow.errors import StorageError, list_some
from digitflow.models.checking import CHECKED
from digitflow.registry import history, mlflow, mlflow_files
from digitflow.registry.champion import open_registry
from digitflow.registry.listing import list_models
from digitflow.registry.versions import Registration, list_files
from digitflow.store.artifacts import Store
from digitflow.store.blobs import StoredFile
from digitflow.store.references import FileRef
from digitflow.store.runs import GC_LOCK, list_runs, read_events
from digitflow.store.server_locks import DATABASE_VARIABLE
from digitflow.store.sqlite_files import count_free_bytes, shrink


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


Order = Literal["newest", "best"]


def free_versions(
    store: Store, keep_versions: int, dry_run: bool, order: Order = "newest"
) -> Freed:
    """Remove all versions but the newest, or the best, of each model.

    Whoever is champion, was it before, or has an alias stays too; so does what was
    registered by others.

    Parameters
    ----------
    keep_versions : int
        How many stay.
    dry_run : bool
        Only say what would go.
    order : str
        Which stay: the newest, or those with the best score on their test samples.
    """
    freed = Freed()
    for model in list_models(store):
        with open_registry(store, model) as client:
            _free_model(client, store, model, keep_versions, dry_run, freed, order)
    return freed


def _free_model(
    client: Any,
    store: Store,
    model: str,
    keep_versions: int,
    dry_run: bool,
    freed: Freed,
    order: Order,
) -> None:
    registered = history.list_registrations(store, model)
    if order == "best":
        registered = sorted(registered, key=_rank)
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
            sizes = mlflow_files.list_sizes(store, run_id)
            freed.files += len(sizes)
            freed.bytes += sum(sizes)
            if not dry_run:
                mlflow.delete_run(client, store, run_id)
    for number in () if dry_run else sorted(doomed):
        history.remove_version(store, model, number)


def _rank(found: Registration) -> float:
    """Return what the better version has less of."""
    score = found.score
    return -score.value if score.higher_is_better else score.value


MONITOR = "monitor"
# For how long whoever writes to a database is waited for, to give its room back.
SHRINK_SECONDS = 5.0
# A search or a fit that has ended is a result; these only serve one that was cut off.
FOLDERS = ("arrays", "models", "figures", "quarantine", "results", "searches", "checkpoints")


def collect_garbage(
    store: Store,
    keep_runs: int,
    keep_versions: int,
    dry_run: bool = False,
    order: Order = "newest",
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
        How many of the newest versions of each model stay, or of the best.
    dry_run : bool
        Only count.
    order : str
        Which versions stay.

    Returns
    -------
    dict
        files, bytes, by_folder {folder: bytes, "databases": the room that SQLite's files did
        not use}, versions ["model version", ...], dry_run.

    Raises
    ------
    StorageError
        If a run is going on: what it will need next can't be known.
    """
    # A run that starts waits for this lock once; one that goes on is seen here.
    with store.lock(GC_LOCK):
        refuse_while_running(store)
        freed = free_versions(store, keep_versions, dry_run, order)
        needed = _find_needed(store, keep_runs, freed.kept)
        doomed = [file for file in list_freeable(store) if file.name not in needed]
        by_folder = dict.fromkeys(FOLDERS, 0) | {"registry": freed.bytes}
        for name, size in doomed:
            by_folder[name.split("/")[0]] += size
            if not dry_run:
                store.remove(name)
        if not dry_run:
            for run in list_runs(store, MONITOR)[keep_runs:]:
                store.remove(f"runs/{run['run']}")
            store.sweep_temporary()
            # Of candidates that nobody has any more, mostly; the others are built once again.
            store.remove(CHECKED)
        give_back = count_free_bytes if dry_run else shrink
        by_folder["databases"] = sum(
            give_back(p, SHRINK_SECONDS) for p in list_databases(store)
        )
    return {
        "files": len(doomed) + freed.files,
        "bytes": sum(by_folder.values()),
        "by_folder": by_folder,
        "versions": freed.versions,
        "dry_run": dry_run,
    }


def collect_within(
    store: Store, budget: int, keep_runs: int, keep_versions: int, dry_run: bool = False
) -> dict[str, Any]:
    """Free as little as brings the whole folder under a size, and keep the best.

    First goes what `collect_garbage` frees; then the files of older runs, one run less at a
    time; then versions, those with the worst scores first. Champions, those before them, what
    an alias names, records, reports and what people said stay, whatever the size.

    Parameters
    ----------
    budget : int
        Bytes.
    keep_runs, keep_versions : int
        How many stay at most.

    Returns
    -------
    dict
        As `collect_garbage`, with left (bytes that the folder takes then) and budget.
    """
    steps = [(runs, keep_versions) for runs in range(keep_runs, -1, -1)]
    steps += [(0, versions) for versions in range(keep_versions - 1, -1, -1)]
    total = measure_store(store)

    def fits(step: tuple[int, int]) -> bool:
        planned = collect_garbage(store, *step, dry_run=True, order="best")
        return bool(total - planned["bytes"] <= budget)

    # What a step frees, the next one frees too.
    chosen = steps[min(bisect_left(steps, True, key=fits), len(steps) - 1)]
    freed = collect_garbage(store, *chosen, dry_run=dry_run, order="best")
    left = total - freed["bytes"] if dry_run else measure_store(store)
    return {**freed, "left": left, "budget": budget}


def measure_store(store: Store) -> int:
    """Return the bytes that all of a store takes; copies of a bucket's files don't count."""
    return sum(store.measure().values())


def list_databases(store: Store) -> list[Path]:
    """Return the SQLite files of a store, whoever made them."""
    return sorted(store.root.glob("*/*.db"))


def refuse_while_running(store: Store) -> None:
    """Raise `StorageError` if a run is going on: what it needs next can't be known."""
    running = [run for run in list_runs(store) if run.get("status") == "running"]
    if running:
        names = [f"{run['run']} on {run.get('host', 'this machine')}" for run in running]
        seen = all(store.sees_locks_of(run.get("home", "")) for run in running)
        unsure = (
            ""
            if seen
            else f". Whether one of another home lives is known with "
            f"{DATABASE_VARIABLE} on PostgreSQL alone, or there"
        )
        raise StorageError(
            f"a run is going on ({list_some(names)}); try again when it has ended{unsure}"
        )


def _find_needed(store: Store, keep_runs: int, kept: list[Registration]) -> set[str]:
    needed = {path for found in kept for path in list_paths(found)}
    return needed | find_runs_files(store, keep_runs)


def find_runs_files(store: Store, keep_runs: int) -> set[str]:
    """Return the names of the files that the newest runs of each job made or used."""
    needed: set[str] = set()
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
    """Yield the names of what a version is made of, and would be judged on again."""
    yield from (ref.path for ref in list_refs(found))


def list_refs(found: Registration) -> Iterator[FileRef]:
    """Yield what a version is made of, and what it would be judged on again."""
    yield from list_files(found.bundle).values()
    for part in (found.facts.test, found.facts.feedback):
        if part is not None:
            refs = (part.samples, part.targets, part.writers, part.series)
            yield from (ref for ref in (*refs, *part.slices.values()) if ref is not None)


def list_freeable(store: Store) -> Iterator[StoredFile]:
    """Yield the files that are freed once nothing needs them."""
    for folder in FOLDERS:
        yield from store.list_files(folder)
