"""Look for what is wrong: the installation, the store, the registry, the server."""

import os
import platform
import shutil
from collections.abc import Iterator, Sequence
from importlib.metadata import requires
from typing import Any

from digitflow.errors import DigitflowError, list_some
from digitflow.formatting import format_bytes
from digitflow.registry.pointer import list_pointers
from digitflow.store.artifacts import Store
from digitflow.store.lineage import installed_version
from digitflow.store.runs import list_runs, read_events

LITTLE_SPACE = 2 << 30

Finding = dict[str, str]


def examine(store: Store, verify: bool) -> list[Finding]:
    """Return findings {level: ok|warning|error, what, found}; mends what is only behind.

    Parameters
    ----------
    verify : bool
        Hash every stored file that a run has noted.
    """
    checks = [
        _check_python(),
        *_check_libraries(),
        _check_store(store),
        *_check_registry(store),
        _check_runs(store),
        *_check_server(store),
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
        yield _finding("ok", "libraries", "all within the bounds that were tested")


def _check_store(store: Store) -> Finding:
    try:
        store.check_writable()
    except DigitflowError as exc:
        return _finding("error", "store", str(exc))
    free = shutil.disk_usage(store.root).free
    level = "warning" if free < LITTLE_SPACE else "ok"
    return _finding(level, "store", f"{store.root} is writable, {format_bytes(free)} free")


def _check_registry(store: Store) -> Iterator[Finding]:
    from digitflow.registry.champion import mend
    from digitflow.registry.listing import list_history, list_models

    try:
        models = sorted({*list_models(store), *list_pointers(store)})
        for model in models:
            yield from (
                _finding("warning", "registry", f"{was}: mended") for was in mend(store, model)
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
    return _finding("ok", "registry", f"{model}: version {champion.version}, its files intact")


def _check_history(model: str, entries: Sequence[Any]) -> Finding:
    """Follow the chain of champions from the last entry to the first."""
    followed = [*(entry.id for entry in entries[1:]), 0]
    broken = [
        e.id for e, before in zip(entries, followed, strict=False) if e.predecessor != before
    ]
    if broken:
        found = f"{model}: entries {list_some(broken)} do not follow the one before"
        return _finding("error", "history", found)
    return _finding("ok", "history", f"{model}: {len(entries)} entries, one chain")


def _check_places() -> Iterator[Finding]:
    """Warn where promotions go to a shared registry, and their history stays here."""
    from digitflow.registry.mlflow import TRACKING_VARIABLE
    from digitflow.store.databases import DATABASE_VARIABLE

    if os.environ.get(TRACKING_VARIABLE) and not os.environ.get(DATABASE_VARIABLE):
        yield _finding(
            "warning",
            "history",
            f"{TRACKING_VARIABLE} is set and {DATABASE_VARIABLE} is not: who promotes there "
            "from elsewhere has a history of their own. Name one database for all of them",
        )


def _check_runs(store: Store) -> Finding:
    states = [str(run.get("status")) for run in list_runs(store)]
    counts = ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states)))
    return _finding("ok", "runs", counts or "none yet")


def _check_server(store: Store) -> Iterator[Finding]:
    from digitflow.service.environment import find_running_server, is_supervised
    from digitflow.service.server_api import is_there

    if named := os.environ.get("PREFECT_API_URL"):
        answers = is_there(named, "/health")
        found = f"{named}, named by PREFECT_API_URL, " + (
            "answers" if answers else "doesn't answer"
        )
        yield _finding("ok" if answers else "error", "server", found)
    elif (url := find_running_server(store)) is not None:
        yield _finding("ok", "server", f"answers at {url}")
        yield from _check_service(url)
    elif is_supervised(store):
        yield _finding("error", "server", "was started and doesn't answer: make down, make up")
    else:
        yield _finding("ok", "server", "none is running; make up starts one, runs do without")


def _check_service(url: str) -> Iterator[Finding]:
    from digitflow.service.health import check_service
    from digitflow.service.server_api import ServerRefused

    try:
        yield from (_finding(*fact) for fact in check_service(url))
    except ServerRefused as exc:
        yield _finding("error", "server", str(exc))


def _verify_files(store: Store) -> Finding:
    """Hash what the runs noted; a damaged file goes, so that the next run makes it again."""
    refs = dict(_list_noted(store))
    damaged = []
    for path, ref in refs.items():
        if (store.root / path).is_file():
            try:
                store.verify(ref)
            except DigitflowError:
                damaged.append(path)
    if damaged:
        found = f"{len(damaged)} of {len(refs)} were changed and are dropped: "
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
