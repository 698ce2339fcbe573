"""Look for what is wrong: the installation, the store, the registry, the server."""

import os
import platform
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from importlib.metadata import requires
from pathlib import Path
from typing import TYPE_CHECKING, Any

from digitflow.cli.clustering import check_cluster
from digitflow.errors import DigitflowError, list_some
from digitflow.formatting import format_bytes
from digitflow.store.artifacts import Store
from digitflow.store.lineage import installed_version
from digitflow.store.runs import WAITING, list_runs, read_events

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

LITTLE_SPACE = 2 << 30
# A worker takes a run within seconds; one that is so late is taken by nobody.
LATE = timedelta(minutes=5)
RECENT = timedelta(days=1)
NETWORK_FILE_SYSTEMS = {
    "9p", "afpfs", "afs", "beegfs", "ceph", "cifs", "davfs", "fuse.glusterfs", "fuse.rclone",
    "fuse.s3fs", "fuse.sshfs", "glusterfs", "gpfs", "lustre", "nfs", "nfs4", "smb2", "smb3",
    "smbfs", "webdav",
}  # fmt: skip
# A worker starts a run's process within seconds.
STUCK = timedelta(seconds=15)

Finding = dict[str, str]


def examine(store: Store, verify: bool) -> list[Finding]:
    """Return findings {level: ok|warning|error, what, found}; fixes what is only behind.

    Parameters
    ----------
    verify : bool
        Hash every stored file that a run has noted.
    """
    checks = [
        _check_python(),
        *_check_libraries(),
        _check_store(store),
        *_check_disk(store),
        *(databases := list(_check_databases(store))),
        *([] if _is_bad(databases) else _check_registry(store)),
        _check_runs(store),
        *_check_waiting(store),
        *_check_server(store),
        *check_cluster(),
    ]
    return [*checks, _verify_files(store)] if verify else checks


def _finding(level: str, what: str, found: str) -> Finding:
    return {"level": level, "what": what, "found": found}


def _check_python() -> Finding:
    return _finding("ok", "python", platform.python_version())


def _check_libraries() -> Iterator[Finding]:
    """Compare what is installed with the bounds that are known to work."""
    from packaging.requirements import Requirement

    wrong = []
    for line in requires("digitflow") or ():
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        version = installed_version(requirement.name)
        if version == "not installed" or not requirement.specifier.contains(version):
            wrong.append(f"{requirement.name} {version} (wanted {requirement.specifier})")
    if wrong:
        yield _finding("error", "libraries", f"{list_some(wrong)}; install again with make")
    else:
        yield _finding("ok", "libraries", "all within the tested bounds")


def _check_store(store: Store) -> Finding:
    try:
        store.check_writable()
    except DigitflowError as exc:
        return _finding("error", "store", str(exc))
    free = shutil.disk_usage(store.root).free
    level = "warning" if free < LITTLE_SPACE else "ok"
    found = f"{store.root} is writable, {format_bytes(free)} free"
    if store.bucket:
        copies = format_bytes(store.blobs.measure_copies())
        found = f"{store.bucket} is writable; copies in {found}, {copies} taken"
    return _finding(level, "store", found)


def _check_disk(store: Store) -> Iterator[Finding]:
    """Warn of a folder on another machine's disk: its locks may not hold."""
    import psutil

    mounts = {mount.mountpoint: mount.fstype for mount in psutil.disk_partitions(all=True)}
    kind = find_file_system(store.root.resolve(), mounts)
    if kind in NETWORK_FILE_SYSTEMS:
        found = (
            f"{store.root} lies on a network file system ({kind}): locks and SQLite are not "
            "safe there when several machines write. Keep the folder on a local disk, or let "
            "one machine alone use it"
        )
        yield _finding("warning", "store", found)


def find_file_system(path: Path, mounts: Mapping[str, str]) -> str:
    """Return the kind of file system that a path is on, by {where it is mounted: kind}."""
    for folder in (path, *path.parents):
        if str(folder) in mounts:
            return mounts[str(folder)]
    return "unknown"


def _check_databases(store: Store) -> Iterator[Finding]:
    """Read each of the four databases as a whole, and begin to write."""
    from digitflow.service.databases import LOOK_SECONDS, list_databases

    for database in list_databases(store):
        what, path = "database", database.path
        if path is None:
            found = f"{database.title} is on a server, named by {database.named_by}"
            yield _finding("ok", what, found)
        elif (fault := database.find_fault(LOOK_SECONDS, True)) is not None:
            yield _finding("error", what, fault.describe(database.title, path))
        else:
            size = format_bytes(path.stat().st_size) if path.exists() else "not there yet"
            yield _finding("ok", what, f"{database.title} {path}, {size}")


def _is_bad(findings: Sequence[Finding]) -> bool:
    return any(finding["level"] == "error" for finding in findings)


def _check_registry(store: Store) -> Iterator[Finding]:
    from digitflow.registry.champion import mend
    from digitflow.registry.listing import list_history, list_models

    try:
        models = list_models(store)
        for model in models:
            yield from (
                _finding("warning", "registry", f"{was}: fixed") for was in mend(store, model)
            )
            yield _check_champion(store, model)
            yield _check_history(model, list_history(store, model))
    except DigitflowError as exc:
        yield _finding("error", "registry", str(exc))
    else:
        if not models:
            yield _finding("ok", "registry", "nothing is registered yet")
    yield from _check_places()


def _check_champion(store: Store, model: str) -> Finding:
    """Hash every file of a champion's bundle."""
    from digitflow.registry.champion import read_champion
    from digitflow.registry.versions import list_files

    champion = read_champion(store, model)
    if champion is None:
        return _finding("warning", "registry", f"{model} has no champion")
    for ref in list_files(champion.bundle).values():
        store.verify(ref)
    made = champion.libraries
    others = [
        f"{name} {made[name]}, here {installed_version(name)}"
        for name in sorted(made)
        if name != "python" and made[name] != installed_version(name)
    ]
    if others:
        found = (
            f"{model}: version {champion.version} was made with {list_some(others)}. It "
            "predicts only while it repeats its golden predictions; a training makes it anew"
        )
        return _finding("warning", "registry", found)
    return _finding("ok", "registry", f"{model}: version {champion.version}, its files intact")


def _check_history(model: str, entries: Sequence[Any]) -> Finding:
    """Follow the chain of champions from the last entry to the first."""
    followed = [*(entry.id for entry in entries[1:]), 0]
    broken = [
        e.id for e, before in zip(entries, followed, strict=False) if e.predecessor != before
    ]
    if broken:
        found = f"{model}: entries {list_some(broken)} do not follow the entry before"
        return _finding("error", "history", found)
    return _finding("ok", "history", f"{model}: {len(entries)} entries, one chain")


def _check_places() -> Iterator[Finding]:
    """Warn where promotions go to a shared registry, and their history stays here."""
    from digitflow.registry.mlflow_client import TRACKING_VARIABLE
    from digitflow.store.server_locks import DATABASE_VARIABLE

    if os.environ.get(TRACKING_VARIABLE) and not os.environ.get(DATABASE_VARIABLE):
        yield _finding(
            "warning",
            "history",
            f"{TRACKING_VARIABLE} is set and {DATABASE_VARIABLE} is not: a promotion "
            "from another machine is not in this history. Name one database for all of them",
        )


def _check_runs(store: Store) -> Finding:
    states = [str(run.get("status")) for run in list_runs(store)]
    counts = ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states)))
    return _finding("ok", "runs", counts or "none yet")


def _check_waiting(store: Store) -> Iterator[Finding]:
    """Tell of runs that a person has not answered for a day."""
    for run in list_runs(store):
        if run.get("status") == WAITING and _is_old(str(run.get("finished"))):
            found = (
                f"{run['run']} has been waiting for a person since {run['finished']}: answer "
                "it in Prefect's UI (the run's page, Resume), or cancel it there"
            )
            yield _finding("warning", "runs", found)


def _is_old(moment: str) -> bool:
    """Tell whether a moment, ISO 8601, lies more than a day back."""
    with suppress(ValueError):
        return datetime.now(UTC) - datetime.fromisoformat(moment) > RECENT
    return False


def _end_orphans(store: Store) -> Iterator[Finding]:
    """End what outlived the command, or the service, that had started it."""
    from digitflow.service.control import find_orphans
    from digitflow.service.processes import end_processes

    orphans = find_orphans(store)
    if not orphans:
        return
    left = end_processes(orphans)
    named = list_some(f"process {orphan.pid}" for orphan in orphans)
    if left:
        named = f"{list_some(one.pid for one in left)} can't be ended: end it yourself"
        yield _finding("error", "orphans", named)
    else:
        yield _finding("warning", "orphans", f"nobody had ended {named}: ended")


def _check_server(store: Store) -> Iterator[Finding]:
    from digitflow.service.environment import find_running_server, is_supervised

    yield from _end_orphans(store)
    if named := os.environ.get("PREFECT_API_URL"):
        yield _check_named(named)
    elif (url := find_running_server(store)) is not None:
        yield _finding("ok", "server", f"answers at {url}")
        yield from _check_service(url)
    elif is_supervised(store):
        found = "was started and doesn't answer: digitflow down, digitflow up"
        yield _finding("error", "server", found)
    else:
        found = "none is running; digitflow up starts one, runs do without"
        yield _finding("ok", "server", found)


def _check_named(url: str) -> Finding:
    from digitflow.service.environment import ServerRefused, require_server

    try:
        require_server(url)
    except ServerRefused as exc:
        return _finding("error", "server", str(exc))
    return _finding("ok", "server", f"{url}, named by PREFECT_API_URL, answers")


def _check_service(url: str) -> Iterator[Finding]:
    from digitflow.service.environment import ServerRefused, open_client

    try:
        with open_client(url) as client:
            yield from check_service(client)
    except ServerRefused as exc:
        yield _finding("error", "server", str(exc))


def check_service(client: "SyncPrefectClient") -> Iterator[Finding]:
    """Yield what is found of the worker, the deployments and how recent runs ended."""
    yield _check_worker(client)
    yield _check_deployments(client)
    yield from _check_late(client)
    yield from _check_stuck(client)
    yield _check_recent(client)


def _check_worker(client: "SyncPrefectClient") -> Finding:
    from digitflow.service.environment import choose_pool

    pool = choose_pool(os.environ)
    workers = client.read_workers_for_work_pool(pool)
    online = [worker.name for worker in workers if worker.status == "ONLINE"]
    if not online:
        found = f"none of the pool {pool} is online, runs wait: digitflow down, digitflow up"
        return _finding("error", "worker", found)
    return _finding("ok", "worker", f"{list_some(online)} online")


def _check_deployments(client: "SyncPrefectClient") -> Finding:
    deployments = client.read_deployments()
    if not deployments:
        found = "there is none: digitflow down, digitflow up"
        return _finding("error", "deployments", found)
    scheduled = sum(any(each.active for each in one.schedules) for one in deployments)
    paused = sorted(one.name for one in deployments if one.paused)
    counted = f"{len(deployments)}, {scheduled} of them with a schedule"
    if paused:
        found = f"{counted}; paused, they start nothing: {list_some(paused)}"
        return _finding("warning", "deployments", found)
    return _finding("ok", "deployments", counted)


def _check_late(client: "SyncPrefectClient") -> Iterator[Finding]:
    """Tell of runs that nobody has taken; Prefect calls those in a full queue late too."""
    from digitflow.service.environment import choose_pool
    from digitflow.service.repairs import find_runs

    moment = datetime.now(UTC) - LATE
    wanted = {"state": {"name": {"any_": ["Late"]}}, "expected_start_time": {"before_": moment}}
    late = find_runs(client, wanted)
    pool = choose_pool(os.environ)
    if client.read_work_pool(pool).is_paused:
        yield _finding("warning", "pool", f"{pool} is paused, its runs wait")
    if late:
        names = list_some([run.name for run in late])
        found = f"{len(late)} wait for their turn or a worker: {names}"
        yield _finding("warning", "late runs", found)


def _check_stuck(client: "SyncPrefectClient") -> Iterator[Finding]:
    """Tell of runs that hold their place, and at which nobody is."""
    from digitflow.service.environment import choose_pool
    from digitflow.service.repairs import find_stuck

    if stuck := find_stuck(client, choose_pool(os.environ), STUCK):
        names = list_some([f"{run.name} ({run.state_name})" for run in stuck])
        found = f"{len(stuck)} have no process: {names}; within minutes they begin again"
        yield _finding("warning", "stuck runs", found)


def _check_recent(client: "SyncPrefectClient") -> Finding:
    from prefect.client.schemas.filters import FlowRunFilter

    from digitflow.service.repairs import find_runs

    recent: dict[str, Any] = {"end_time": {"after_": datetime.now(UTC) - RECENT}}
    ended = client.count_flow_runs(flow_run_filter=FlowRunFilter.model_validate(recent))
    bad = find_runs(client, recent | {"state": {"type": {"any_": ["FAILED", "CRASHED"]}}})
    if bad:
        names = list_some([run.name for run in bad])
        found = f"{len(bad)} of {ended} since yesterday failed: {names}"
        return _finding("warning", "flow runs", found)
    return _finding("ok", "flow runs", f"{ended} ended since yesterday, none failed")


def _verify_files(store: Store) -> Finding:
    """Hash what the runs noted; a damaged file is deleted; the next run makes it again."""
    refs = dict(_list_noted(store))
    damaged = []
    for path, ref in refs.items():
        if store.has(ref):
            try:
                store.rehash(ref)
            except DigitflowError:
                damaged.append(path)
    if damaged:
        found = f"{len(damaged)} of {len(refs)} have changed and were deleted: "
        return _finding("error", "files", found + list_some(damaged))
    return _finding("ok", "files", f"{len(refs)} hashed, none has changed")


def _list_noted(store: Store) -> Iterator[tuple[str, Any]]:
    from digitflow.store.references import ArrayRef, FileRef

    for run in list_runs(store):
        for event in read_events(store, run["run"]):
            for output in event.get("outputs", ()):
                kind = ArrayRef if "dtype" in output else FileRef
                values = {name: output[name] for name in kind.model_fields}
                yield output["path"], kind(**values)
