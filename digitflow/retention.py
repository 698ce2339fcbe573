"""Free what nothing needs any more; what can be computed again is all that goes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from digitflow.artifacts import Store
from digitflow.errors import StorageError, list_some
from digitflow.registry import list_versions
from digitflow.runs import GC_LOCK, list_runs, read_events

FOLDERS = ("arrays", "models", "figures", "quarantine", "results")


def collect_garbage(store: Store, keep_runs: int, dry_run: bool = False) -> dict[str, Any]:
    """Remove files that no registered version and none of the newest runs refers to.

    Parameters
    ----------
    keep_runs : int
        How many of the newest runs keep their arrays, models and cached results. The
        record and the report of every run stay.
    dry_run : bool
        Only count.

    Returns
    -------
    dict
        files, bytes, by_folder {folder: bytes}, dry_run.

    Raises
    ------
    StorageError
        If a run is going on: what it will need next can't be known.
    """
    # A run that starts waits for this lock once; one that goes on is seen here.
    with store.lock(GC_LOCK):
        _refuse_while_running(store)
        needed = _find_needed(store, keep_runs)
        doomed = [path for path in _list_files(store) if _name(store, path) not in needed]
        freed = dict.fromkeys(FOLDERS, 0)
        for path in doomed:
            name = _name(store, path)
            freed[name.split("/")[0]] += path.stat().st_size
            if not dry_run:
                store.remove(name)
                store.remove(f"stats/{name.replace('/', '-')}.json")
        if not dry_run:
            store.sweep_temporary()
    return {
        "files": len(doomed),
        "bytes": sum(freed.values()),
        "by_folder": freed,
        "dry_run": dry_run,
    }


def _refuse_while_running(store: Store) -> None:
    running = [run["run"] for run in list_runs(store) if run.get("status") == "running"]
    if running:
        raise StorageError(
            f"a run is going on ({list_some(running)}); try again when it has ended"
        )


def _find_needed(store: Store, keep_runs: int) -> set[str]:
    needed = {version.model_path for version in list_versions(store)}
    for run in list_runs(store)[:keep_runs]:
        for event in read_events(store, run["run"]):
            needed.update(output["path"] for output in event.get("outputs", ()))
            if "key" in event:
                needed.add(f"results/{event['key']}")
    return needed


def _list_files(store: Store) -> Iterator[Path]:
    for folder in FOLDERS:
        yield from (path for path in sorted((store.root / folder).glob("*")) if path.is_file())


def _name(store: Store, path: Path) -> str:
    return path.relative_to(store.root).as_posix()
