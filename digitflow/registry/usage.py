"""Where a folder's disk space goes: by place, by what it is kept for, by task."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from digitflow.registry import history
from digitflow.registry.cleanup import (
    find_runs_files,
    list_databases,
    list_freeable,
    list_paths,
)
from digitflow.store.artifacts import Store
from digitflow.store.blobs import BLOB_FOLDERS
from digitflow.store.runs import list_runs, read_events
from digitflow.store.sqlite_files import SIDE_FILES

LARGEST = 10


def measure_usage(store: Store, keep_runs: int) -> dict[str, Any]:
    """Return what takes how many bytes.

    Parameters
    ----------
    keep_runs : int
        Of how many of the newest runs of each job `digitflow gc` keeps the files.

    Returns
    -------
    dict
        total; copies, of a bucket's files on this machine, beside the total; folders
        {name: bytes}; databases {file: bytes}; kept_for {reason: bytes}, of the files that are
        freed once nothing needs them, each counted for its first reason; largest [{bytes, run,
        task, path}], what tasks made, the run that came first.
    """
    sizes = store.measure()
    folders = {name: size for name, size in sizes.items() if name}
    databases = {store.name_of(path): _measure_database(path) for path in list_databases(store)}
    return {
        "total": sum(sizes.values()),
        "copies": store.blobs.measure_copies(),
        "folders": dict(sorted(folders.items(), key=lambda pair: -pair[1])),
        "databases": databases,
        "kept_for": _count_reasons(store, keep_runs),
        "largest": sorted(_list_made(store), key=lambda made: -made["bytes"])[:LARGEST],
    }


def _count_reasons(store: Store, keep_runs: int) -> dict[str, int]:
    """Say for which reason each file is there that could be freed."""
    registered = [
        found
        for model in history.list_models(store)
        for found in history.list_registrations(store, model)
    ]
    named = {history.CHAMPION, history.PREVIOUS}
    reasons = {
        "champions": {p for f in registered if named & {*f.aliases} for p in list_paths(f)},
        "other versions": {path for found in registered for path in list_paths(found)},
        "the newest runs": find_runs_files(store, keep_runs),
    }
    counted = dict.fromkeys([*reasons, "nothing (digitflow gc)"], 0)
    for name, size in list_freeable(store):
        first = next((reason for reason, names in reasons.items() if name in names), None)
        counted[first or "nothing (digitflow gc)"] += size
    return counted


def _list_made(store: Store) -> Iterator[dict[str, Any]]:
    """Yield what tasks made and is still there, each file once, by the run that made it."""
    there = {file.name for folder in BLOB_FOLDERS for file in store.list_files(folder)}
    seen = set()
    for run in reversed(list_runs(store)):
        for event in read_events(store, run["run"]):
            for output in event.get("outputs", ()):
                path = output["path"]
                if path in there and path not in seen:
                    seen.add(path)
                    task = f"{event['task']}: {output['name']}"
                    size = output["bytes"]
                    yield {"bytes": size, "run": run["run"], "task": task, "path": path}


def _measure_database(path: Path) -> int:
    files = (path, *(Path(f"{path}{side}") for side in SIDE_FILES))
    return sum(file.stat().st_size for file in files if file.exists())
