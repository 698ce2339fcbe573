"""Who is champion, by the history; its files, and MLflow's aliases, follow."""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from digitflow.errors import DamagedArtifact, InputError
from digitflow.models.bundle import ModelBundle
from digitflow.registry import history, mlflow, mlflow_client, mlflow_files
from digitflow.registry.history import HISTORY
from digitflow.registry.versions import MIRROR_FILE, Champion, list_files
from digitflow.store.artifacts import Store
from digitflow.store.references import ArrayRef, FileRef, digest_array, digest_bytes
from digitflow.store.sqlite_files import Fault

logger = logging.getLogger(__name__)


def read_champion(store: Store, model: str) -> Champion | None:
    """Return the champion of a registered model, or None before the first promotion.

    What is gone of its files comes back from MLflow's copies, or a warning is logged.

    Raises
    ------
    DamagedArtifact
        If the history's file is gone.
    """
    history.require(store)
    last = history.read_last(store, model)
    if last is None:
        return None
    restore_bundle(store, last.champion)
    return last.champion


def mend(store: Store, model: str) -> list[str]:
    """Bring files and aliases in line; return which aliases were behind, in sentences."""
    read_champion(store, model)
    with open_registry(store, model) as client:
        return align_aliases(client, store, model)


@contextmanager
def lock_model(store: Store, model: str) -> Iterator[None]:
    """Let one process at a time change a model's versions; it saves work, and no more.

    Who is champion is safe without it: the history takes one follower of an entry.
    """
    with store.lock(f"registry-{model}"):
        yield


@contextmanager
def open_registry(store: Store, model: str) -> Iterator[Any]:
    """Yield MLflow's client, with the model's lock held and the history there.

    Raises
    ------
    DamagedArtifact
        If MLflow's file or the history's is gone, and the other one knows of champions.
    """
    history.require(store)
    if mlflow_client.is_missing(store) and history.list_models(store):
        if store.bucket:
            raise InputError(
                f"{HISTORY.title} of {store.bucket} has champions that another home "
                "registered: name the MLflow that keeps their versions in "
                f"{mlflow_client.TRACKING_VARIABLE}"
            )
        said = "is missing, but there is a history of champions in it"
        raise DamagedArtifact(
            Fault("missing", said).describe(mlflow_client.TITLE, store.root / MIRROR_FILE)
        )
    HISTORY.require_tables(store)
    with lock_model(store, model), mlflow_client.open_client(store) as client:
        if history.read_last(store, model) is None:
            _require_no_champion(client, store, model)
        yield client


def _require_no_champion(client: Any, store: Store, model: str) -> None:
    """Refuse where MLflow's alias, which is set after the history, names a champion."""
    if (version := mlflow.list_aliases(client, model).get(history.CHAMPION)) is not None:
        raise DamagedArtifact(
            f"MLflow names version {version} of {model} as champion, and the history "
            f"{HISTORY.describe_place(store)} knows of none. Put the history back that it "
            "was promoted in, or have it made again of what MLflow knows (`digitflow doctor "
            "--repair FILE`), or give the model another name in the config."
        )


def align_aliases(client: Any, store: Store, model: str) -> list[str]:
    """Let MLflow's aliases follow the history; return what was behind, in sentences."""
    moved = []
    while True:
        wanted, said = history.find_aliases(store, model), mlflow.list_aliases(client, model)
        for alias, version in wanted.items():
            if str(said.get(alias)) != version:
                mlflow.set_alias(client, model, alias, version)
                was = said.get(alias)
                moved.append(f"the alias {alias} of {model} was on {was}, not {version}")
        if history.find_aliases(store, model) == wanted:
            return moved


def settle(client: Any, store: Store, model: str) -> Champion:
    """Let the aliases follow what was just written, and return who is champion."""
    align_aliases(client, store, model)
    last = history.read_last(store, model)
    if last is None:
        raise DamagedArtifact(f"the history of {model} lost its last entry")
    return last.champion


def list_missing(store: Store, bundle: ModelBundle) -> dict[str, FileRef]:
    """Return {name: reference} of the bundle's files that are not in the store."""
    files = list_files(bundle).items()
    return {name: ref for name, ref in files if not store.has(ref)}


def restore_bundle(store: Store, champion: Champion) -> None:
    """Bring back from MLflow's copies what is missing of a champion's bundle, or warn."""
    missing = list_missing(store, champion.bundle)
    if not missing:
        return
    with mlflow_client.open_client(store) as client:
        for name, ref in missing.items():
            restore_file(client, store, champion, name, ref)


def restore_file(
    client: Any, store: Store, champion: Champion, name: str, ref: FileRef
) -> None:
    """Bring one file back, if MLflow has a copy whose digest is right; or warn."""
    place = store.blobs.describe(ref)
    content = mlflow_files.download_file(client, store, champion.name, champion.version, name)
    if content is not None and _put_back(store, content, ref):
        logger.warning("%s was missing; brought back from MLflow", place)
    else:
        logger.warning("%s is missing, and MLflow has no copy of it", place)


def _put_back(store: Store, content: bytes, ref: FileRef) -> bool:
    if isinstance(ref, ArrayRef):
        return _put_array_back(store, content, ref)
    intact = digest_bytes(content) == ref.digest
    if intact:
        store.put_bytes(content, "models", ".skops")
    return intact


def _put_array_back(store: Store, content: bytes, ref: ArrayRef) -> bool:
    try:
        array = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError):
        return False
    intact = isinstance(array, np.ndarray) and digest_array(array) == ref.digest
    if intact:
        store.put_array(array)
    return intact
