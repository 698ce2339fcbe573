"""Files of a bundle that are gone from the store come back from MLflow's copies."""

import io
import logging
from typing import Any

import numpy as np

from digitflow.models.bundle import ModelBundle
from digitflow.registry import mlflow
from digitflow.registry.pointer import Champion
from digitflow.registry.versions import list_files
from digitflow.store.artifacts import Store
from digitflow.store.references import ArrayRef, FileRef, digest_array, digest_bytes

logger = logging.getLogger(__name__)


def list_missing(store: Store, bundle: ModelBundle) -> dict[str, FileRef]:
    """Return {name: reference} of the bundle's files that are not in the store."""
    files = list_files(bundle).items()
    return {name: ref for name, ref in files if not store.path_of(ref).is_file()}


def restore_bundle(store: Store, champion: Champion) -> None:
    """Bring back what is missing of a champion's bundle, or warn."""
    missing = list_missing(store, champion.bundle)
    if not missing:
        return
    with mlflow.open_client(store) as client:
        version = mlflow.find_version(client, champion.name, champion.version)
        for name, ref in missing.items():
            restore_file(client, store, version, name, ref)


def restore_file(client: Any, store: Store, version: Any, name: str, ref: FileRef) -> None:
    """Bring one file back, if MLflow has a copy whose digest is right; or warn."""
    path = store.path_of(ref)
    content = mlflow.download_file(client, store, version, name)
    if content is not None and _put_back(store, content, ref):
        logger.warning("%s was missing; brought back from MLflow", path)
    else:
        logger.warning("%s is missing, and MLflow has no copy of it", path)


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
