"""What follows the history: the pointer file and MLflow's aliases."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from digitflow.errors import DamagedArtifact
from digitflow.registry import history, mlflow
from digitflow.registry.adopting import adopt
from digitflow.registry.history import HISTORY, Entry
from digitflow.registry.pointer import (
    Champion,
    Pointer,
    pointer_path,
    read_pointer,
    remove_pointer,
    write_pointer,
)
from digitflow.registry.restoring import list_missing, restore_bundle
from digitflow.store.artifacts import Store

logger = logging.getLogger(__name__)


def is_missing(store: Store) -> bool:
    """Tell whether one of the databases is a file of the store, and not there yet."""
    return HISTORY.is_missing(store) or mlflow.is_missing(store)


def initialise(store: Store) -> None:
    """Make the databases, so that nobody needs to wait for them later."""
    HISTORY.initialise(store)
    with mlflow.open_client(store):
        pass


def read_champion(store: Store, model: str) -> Champion | None:
    """Return the champion of a registered model, or None before the first promotion.

    The pointer file answers if the history is a file, unchanged since.

    Raises
    ------
    DamagedArtifact
        If the pointer names a champion and the history's file is gone.
    InputError
        If an older registry has its alias on a version that is not digitflow's.
    """
    pointer = _peek(store, model)
    if pointer is not None and _is_current(store, pointer):
        return pointer.champion
    require_history(store, model)
    if HISTORY.is_missing(store) and mlflow.is_missing(store):
        return None
    with lock_model(store, model):
        # Read again: who held the lock may have promoted, and brought it in line.
        pointed = _read_pointed(store, model)
        champion = follow(store, model)
    if pointed != champion:
        said, true = (describe(found) for found in (pointed, champion))
        logger.warning(
            "the pointer of %s named %s, the history says %s: mended", model, said, true
        )
    return champion


def mend(store: Store, model: str) -> list[str]:
    """Bring pointer, files and aliases in line; return what was behind, in sentences."""
    with open_registry(store, model) as client:
        pointed = _read_pointed(store, model)
        champion = follow(store, model)
        behind = align_aliases(client, store, model)
    if pointed != champion:
        said, true = describe(pointed), describe(champion)
        behind.append(f"the pointer of {model} named {said}, the history says {true}")
    return behind


@contextmanager
def lock_model(store: Store, model: str) -> Iterator[None]:
    """Let one process at a time change a model's versions; it saves work, and no more.

    Who is champion is safe without it: the history takes one follower of an entry.
    """
    with store.lock(f"registry-{model}"):
        yield


@contextmanager
def open_registry(store: Store, model: str) -> Iterator[Any]:
    """Yield MLflow's client, with the model's lock held.

    Raises
    ------
    DamagedArtifact
        If MLflow's file or the history's is gone, and the other one knows of champions.
    """
    require_history(store, model)
    if mlflow.is_missing(store) and history.list_models(store):
        raise DamagedArtifact(
            f"the registry {store.root / mlflow.DATABASE} is missing, but there is a "
            f"history of champions in it. Put it back, or set "
            f"{mlflow.TRACKING_VARIABLE} if it is elsewhere."
        )
    with lock_model(store, model), mlflow.open_client(store) as client:
        yield client


def require_history(store: Store, model: str) -> None:
    """Refuse to take a history that was lost for one that never began."""
    if not HISTORY.is_missing(store):
        return
    pointer = _peek(store, model)
    if pointer is not None:
        raise DamagedArtifact(
            f"the history {HISTORY.describe_place(store)} is missing, but "
            f"{describe(pointer.champion)} of {model} was champion in it. Put it back. To go "
            f"on from MLflow's aliases, or without a champion where there are none, remove "
            f"{pointer_path(store, model)}."
        )


def follow(store: Store, model: str) -> Champion | None:
    """Return the history's champion; bring its files and the pointer in line. Locked."""
    if history.read_last(store, model) is None and not adopt(store, model):
        remove_pointer(store, model)
        return None
    return point(store, model)


def point(store: Store, model: str) -> Champion | None:
    """Let the pointer name the history's champion, whoever else writes at the same time."""
    while True:
        # Looked at before the history: a change in between is then seen, here or later.
        database = HISTORY.stat(store)
        last = history.read_last(store, model)
        if last is None:
            return None
        restore_bundle(store, last.champion)
        write_pointer(store, Pointer(champion=last.champion, database=database))
        if HISTORY.stat(store) == database:
            return last.champion


def align_aliases(client: Any, store: Store, model: str) -> list[str]:
    """Let MLflow's aliases follow the history; return what was behind, in sentences."""
    moved = []
    while entries := history.list_entries(store, model):
        registered = mlflow.find_registered(client, model)
        aliases = {} if registered is None else registered.aliases
        before = find_before(entries)
        wanted = {mlflow.CHAMPION: entries[0]}
        if before is not None:
            wanted[mlflow.PREVIOUS] = before
        for alias, entry in wanted.items():
            said = aliases.get(alias)
            if str(said) != entry.version:
                mlflow.set_alias(client, model, alias, entry.version)
                moved.append(f"the alias {alias} of {model} was on {said}, not {entry.version}")
        if history.read_last(store, model) == entries[0]:
            break
    return moved


def settle(client: Any, store: Store, model: str) -> Champion:
    """Let the pointer and the aliases follow what was just written."""
    champion = point(store, model)
    if champion is None:
        raise DamagedArtifact(f"the history of {model} lost its last entry")
    align_aliases(client, store, model)
    return champion


def find_before(entries: list[Entry]) -> Entry | None:
    """Return by which entry another version was champion before the present one."""
    others = (entry for entry in entries if entry.version != entries[0].version)
    return next(others, None)


def describe(champion: Champion | None) -> str:
    """Name a champion in a sentence."""
    if champion is None:
        return "none"
    return f"version {champion.version} (entry {champion.entry})"


def _peek(store: Store, model: str) -> Pointer | None:
    with suppress(DamagedArtifact):
        return read_pointer(store, model)
    return None


def _read_pointed(store: Store, model: str) -> Champion | None:
    """Return whom the pointer names; one that can't be read names nobody, with a warning."""
    try:
        pointer = read_pointer(store, model)
    except DamagedArtifact as exc:
        logger.warning("%s", exc)
        return None
    return None if pointer is None else pointer.champion


def _is_current(store: Store, pointer: Pointer) -> bool:
    database = HISTORY.stat(store)
    unchanged = database is not None and database == pointer.database
    return unchanged and not list_missing(store, pointer.champion.bundle)
