"""MLflow, spoken to in one place: opening it, and our records as its runs and versions.

Imported only by the registry's functions that must ask MLflow; it takes a second.
"""

import logging
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from digitflow.artifacts import ModelRef, Store
from digitflow.errors import StorageError
from digitflow.versions import TAG

TRACKING_VARIABLE = "MLFLOW_TRACKING_URI"
DATABASE = "registry/mlflow.db"
ARTIFACTS = "registry/artifacts"
MODEL_FOLDER, MODEL_FILE = "model", "model.skops"
_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_CONFIGURE_LOGGING": "false",
    # A server that doesn't answer is reported after seconds, not minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
}


def is_remote() -> bool:
    """Tell whether the environment names a registry other than the store's own file."""
    return bool(os.environ.get(TRACKING_VARIABLE))


@contextmanager
def open_client(store: Store) -> Iterator[Any]:
    """Yield an `MlflowClient`; what goes wrong with it inside the block is one clear error.

    Raises
    ------
    StorageError
        If the registry can't be reached, read or written.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)  # read by MLflow when it is imported
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    uri = os.environ.get(TRACKING_VARIABLE) or _database_uri(store.root / DATABASE)
    try:
        if not is_remote():
            _initialise_database(store)
        yield MlflowClient(uri, uri)
    except (MlflowException, SQLAlchemyError) as exc:
        where = f"named by {TRACKING_VARIABLE}" if is_remote() else str(store.root / DATABASE)
        raise StorageError(f"the registry {where} can't be used: {_shorten(exc)}") from exc


def _shorten(exc: Exception) -> str:
    """Return the first line, without a password: MLflow adds pages of SQL, and whole URLs."""
    return re.sub(r"//[^/@\s]+@", "//", str(exc).splitlines()[0])


def _initialise_database(store: Store) -> None:
    """Make the SQLite file once: under a lock, and visible only when it is whole."""
    path = store.root / DATABASE
    if path.exists():
        return
    from mlflow import MlflowClient

    with store.lock("registry"), store.temporary_path(".db") as unfinished:
        if path.exists():
            return
        uri = _database_uri(unfinished)
        MlflowClient(uri, uri).search_registered_models()
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.replace(path)


def _database_uri(path: Path) -> str:
    return f"sqlite:///{path.resolve()}"


def find_registered(client: Any, model: str) -> Any | None:
    """Return MLflow's registered model, None if there is none of that name."""
    found = client.search_registered_models(f"name='{model}'")
    return found[0] if found else None


def list_registered(client: Any) -> list[Any]:
    """Return MLflow's registered models by name."""
    return sorted(client.search_registered_models(max_results=1000), key=lambda m: m.name)


def list_versions(client: Any, model: str) -> list[Any]:
    """Return the versions of a model that are ours, the newest first."""
    versions = client.search_model_versions(f"name='{model}'")
    ours = [version for version in versions if f"{TAG}model" in version.tags]
    return sorted(ours, key=lambda version: int(version.version), reverse=True)


def find_alias(client: Any, model: str, alias: str) -> Any | None:
    """Return the version that an alias names, None if it names none."""
    registered = find_registered(client, model)
    version = None if registered is None else registered.aliases.get(alias)
    return None if version is None else client.get_model_version(model, version)


def find_unused(client: Any, model: str, digest: str, champion: str | None) -> Any | None:
    """Return a version of this model file that is newer than the champion's, if any."""
    for version in list_versions(client, model):
        newer = champion is None or int(version.version) > int(champion)
        if newer and version.tags[f"{TAG}model_digest"] == digest:
            return version
    return None


def create_version(
    client: Any,
    store: Store,
    model: str,
    file: ModelRef,
    params: Mapping[str, str],
    metrics: Mapping[str, float],
    tags: Mapping[str, str],
) -> Any:
    """Log a run with its figures and the model's file, and register a version of it.

    MLflow's own `mlflow.sklearn.load_model("models:/NAME@champion")` reads it too.
    """
    from mlflow.entities import Metric, Param

    if find_registered(client, model) is None:
        client.create_registered_model(model)
    run = _start_run(client, store, model, file.digest)
    client.log_batch(
        run.info.run_id,
        metrics=[Metric(name, value, 0, 0) for name, value in metrics.items()],
        params=[Param(name, value) for name, value in params.items()],
    )
    _upload_model(client, run.info.run_id, store.path_of(file))
    source = f"{run.info.artifact_uri}/{MODEL_FOLDER}"
    version = client.create_model_version(model, source, run.info.run_id, tags=dict(tags))
    client.set_terminated(run.info.run_id)
    return version


def _start_run(client: Any, store: Store, model: str, digest: str) -> Any:
    """Return a new run; what a killed process left running for this file is marked so."""
    experiment = _find_experiment(client, store, model)
    tag = f"{TAG}model_digest"
    left = client.search_runs(
        [experiment], f"tags.`{tag}` = '{digest}' and attributes.status = 'RUNNING'"
    )
    for run in left:
        client.set_terminated(run.info.run_id, "KILLED")
    return client.create_run(experiment, tags={tag: digest})


def _find_experiment(client: Any, store: Store, model: str) -> str:
    """Return the experiment of a model, made if need be.

    MLflow keeps absolute paths. In a folder that was moved, the old experiment would write
    to the old place, so the new place gets one of its own.
    """
    location = None if is_remote() else (store.root / ARTIFACTS).resolve().as_uri()
    name = model
    if (found := client.get_experiment_by_name(name)) is not None:
        if location in (None, found.artifact_location):
            return str(found.experiment_id)
        name = f"{model} in {location}"
        if (found := client.get_experiment_by_name(name)) is not None:
            return str(found.experiment_id)
    return str(client.create_experiment(name, location))


def _upload_model(client: Any, run_id: str, file: Path) -> None:
    """Log a model's file, with the page that tells MLflow how to load it."""
    import skops.io
    from mlflow.models import Model
    from sklearn import __version__ as sklearn_version

    page = Model(artifact_path=MODEL_FOLDER, run_id=run_id)
    page.add_flavor("python_function", loader_module="mlflow.sklearn", model_path=MODEL_FILE)
    page.add_flavor(
        "sklearn",
        pickled_model=MODEL_FILE,
        sklearn_version=sklearn_version,
        serialization_format="skops",
        skops_trusted_types=skops.io.get_untrusted_types(file=file),
    )
    with TemporaryDirectory() as folder:
        shutil.copyfile(file, Path(folder) / MODEL_FILE)
        page.save(str(Path(folder) / "MLmodel"))
        client.log_artifacts(run_id, folder, MODEL_FOLDER)


def download_model(client: Any, version: Any) -> bytes | None:
    """Return a version's model file as MLflow keeps it, None if it has none."""
    from mlflow.exceptions import MlflowException

    name = f"{MODEL_FOLDER}/{MODEL_FILE}"
    with TemporaryDirectory() as folder:
        try:
            return Path(client.download_artifacts(version.run_id, name, folder)).read_bytes()
        except (MlflowException, OSError):
            return None
