"""What the registry knows, for lists, for judging again, and for whoever asks why."""

import logging

from digitflow.errors import InputError, list_some
from digitflow.gate.verdict import Verdict
from digitflow.registry import history, mlflow
from digitflow.registry.champion import mend, require_history
from digitflow.registry.history import Entry, Judgement
from digitflow.registry.pointer import DEFAULT_MODELS, list_pointers
from digitflow.registry.versions import Registration, Version, read_registration, read_version
from digitflow.store.artifacts import Store

logger = logging.getLogger(__name__)


def list_versions(store: Store, model: str | None = None) -> list[Version]:
    """Return what digitflow registered, of one model or of all, the newest first.

    Raises
    ------
    DamagedArtifact
        If a pointer names a champion and the history's file is gone.
    """
    if _is_empty(store):
        return []
    for known in history.list_models(store):
        if model in (None, known):
            for behind in mend(store, known):
                logger.warning("%s: mended", behind)
    with mlflow.open_client(store) as client:
        return [
            read_version(version, registered.aliases)
            for registered in mlflow.list_registered(client)
            if model in (None, registered.name)
            for version in mlflow.list_versions(client, registered.name)
        ]


def find_registration(store: Store, model: str, version: str) -> Registration:
    """Return all that a version carries; its number or an alias.

    Raises
    ------
    InputError
        If there is no such version.
    """
    if _is_empty(store):
        raise InputError(f"{model} has no version {version!r}: nothing is registered yet")
    with mlflow.open_client(store) as client:
        found = mlflow.find_version(client, model, version)
        registered = mlflow.find_registered(client, model)
        return read_registration(found, {} if registered is None else registered.aliases)


def is_repeated(store: Store, model: str, verdict: Verdict) -> bool:
    """Tell whether the last two judgements on a challenger say the same."""
    require_history(store, model)
    return history.is_repeated(store, model, verdict)


def list_history(store: Store, model: str) -> list[Entry]:
    """Return who was champion when, and why, the newest first."""
    require_history(store, model)
    return history.list_entries(store, model)


def list_judgements(store: Store, model: str) -> list[Judgement]:
    """Return every verdict on a model's challengers, the newest first."""
    return history.list_judgements(store, model)


def count_looks(store: Store, model: str, test_digest: str, challenger_digest: str) -> int:
    """Return how many challengers have been judged on some test images, with this one."""
    return len(history.list_challengers(store, model, test_digest) | {challenger_digest})


def list_models(store: Store) -> list[str]:
    """Return the names of the registered models, without asking MLflow where none can be."""
    if _is_empty(store):
        return []
    with mlflow.open_client(store) as client:
        return [registered.name for registered in mlflow.list_registered(client)]


def choose_model(store: Store, name: str | None) -> str:
    """Return the named model; else `digits`, else `digits-sample`, whichever is registered.

    Raises
    ------
    InputError
        If none of them is.
    """
    known = list_models(store)
    names = DEFAULT_MODELS if name is None else (name,)
    for model in names:
        if model in known:
            return model
    others = f"Registered: {list_some(known)}" if known else "`digitflow train` makes one"
    raise InputError(f"{' or '.join(names)} is not registered in {store.root}. {others}.")


def _is_empty(store: Store) -> bool:
    """Tell whether nothing was registered yet; a history that was lost is an error."""
    for model in list_pointers(store):
        require_history(store, model)
    return mlflow.is_missing(store)
