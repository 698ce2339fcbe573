"""MLflow mirrors the history: versions with their files, and aliases, for all who read MLflow.

It is imported and opened where something is registered, promoted or freed, not to read.
"""

import json
import logging
import os
import platform
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from zipfile import ZipFile

from digitflow.errors import StorageError
from digitflow.gate.verdict import Verdict
from digitflow.models.bundle import ModelBundle, Signature
from digitflow.models.types import list_types
from digitflow.registry.versions import (
    MIRROR_FILE,
    MODEL_FILE,
    Registration,
    TrainingFacts,
    list_files,
)
from digitflow.store import sqlite_files
from digitflow.store.artifacts import Store, storage_errors
from digitflow.store.databases import read_patience, write_first_line
from digitflow.store.lineage import installed_version
from digitflow.store.sqlite_files import Fault

TITLE = "the registry"
TAG = "digitflow."
DIGEST_TAG = f"{TAG}model_digest"
ARTIFACTS = "registry/artifacts"
MODEL_FOLDER, BUNDLE_FOLDER = "model", "bundle"


def put_bundle(
    client: Any, store: Store, run_id: str, bundle: ModelBundle, signature: Signature
) -> None:
    """Keep every file of a bundle, with the page that tells MLflow how to load it."""
    files = {name: store.path_of(ref) for name, ref in list_files(bundle).items()}
    model = files.pop(MODEL_FILE)
    with TemporaryDirectory() as folder:
        page = Path(folder) / "MLmodel"
        _write_page(page, run_id, model, bundle.model.trusted, signature)
        put_files(client, store, run_id, {MODEL_FILE: model, page.name: page}, MODEL_FOLDER)
        about = Path(folder) / "bundle.json"
        about.write_text(bundle.model_dump_json(indent=2), encoding="utf-8")
        put_files(client, store, run_id, files | {about.name: about}, BUNDLE_FOLDER)


def put_files(
    client: Any, store: Store, run_id: str, files: Mapping[str, Path], place: str = ""
) -> None:
    """Keep copies of files, by their names, in a folder of an MLflow run."""
    if (kept := find_folder(store, run_id)) is None:
        # MLflow takes the names that files have.
        with TemporaryDirectory() as folder:
            for name, file in files.items():
                shutil.copyfile(file, Path(folder) / name)
            client.log_artifacts(run_id, folder, place or None)
        return
    for name, file in files.items():
        target = kept / place / name
        with store.temporary_path() as copy, storage_errors(target):
            shutil.copyfile(file, copy)
            target.parent.mkdir(parents=True, exist_ok=True)
            copy.replace(target)


def download_file(
    client: Any, store: Store, model: str, version: str, name: str
) -> bytes | None:
    """Return a file of a version's bundle as MLflow keeps it, None if it has none."""
    from mlflow.exceptions import MlflowException

    place = f"{MODEL_FOLDER if name == MODEL_FILE else BUNDLE_FOLDER}/{name}"
    try:
        run_id = client.get_model_version(model, version).run_id
        if (kept := find_folder(store, run_id)) is not None:
            return (kept / place).read_bytes()
        with TemporaryDirectory() as folder:
            path = client.download_artifacts(run_id, place, folder)
            return Path(path).read_bytes()
    except (MlflowException, OSError):
        return None


def list_sizes(store: Store, run_id: str) -> list[int]:
    """Return the sizes in bytes of an MLflow run's files; none where a server keeps them."""
    folder = find_folder(store, run_id)
    paths = () if folder is None else folder.rglob("*")
    return [path.stat().st_size for path in paths if path.is_file()]


class MirroredVersion(NamedTuple):
    """Which version the files of an MLflow run are."""

    model: str
    version: str
    registered_at: str


def list_mirrored(client: Any) -> tuple[dict[str, str], dict[str, MirroredVersion]]:
    """Return {model: the champion's version}, and {id of an MLflow run: its version}."""
    champions, found = {}, {}
    for registered in client.search_registered_models():
        model = registered.name
        if "champion" in registered.aliases:
            champions[model] = str(registered.aliases["champion"])
        for each in list_versions(client, model):
            at = datetime.fromtimestamp(each.creation_timestamp / 1000, UTC)
            said = at.isoformat(timespec="seconds")
            found[each.run_id] = MirroredVersion(model, str(each.version), said)
    return champions, found


def list_folders(store: Store) -> list[Path]:
    """Return the folders of all MLflow runs' files; none where a server keeps them."""
    return [] if is_remote() else sorted((store.root / ARTIFACTS).glob("*/artifacts"))


def read_pages(folder: Path) -> tuple[ModelBundle, Verdict, TrainingFacts] | None:
    """Return what the pages beside a version's files say; None unless all are there."""
    try:
        bundle = (folder / BUNDLE_FOLDER / "bundle.json").read_bytes()
        facts = json.loads((folder / "facts.json").read_bytes())
        facts["config"] = (folder / "config.yaml").read_text(encoding="utf-8")
        return (
            ModelBundle.model_validate_json(bundle),
            Verdict.model_validate_json((folder / "verdict.json").read_bytes()),
            TrainingFacts.model_validate_json(json.dumps(facts)),
        )
    except (OSError, ValueError):  # pydantic's error is one too
        return None


def skip_version(client: Any, model: str) -> None:
    """Use a version's number up, so that the next version has the next one."""
    if find_registered(client, model) is None:
        client.create_registered_model(model)
    version = client.create_model_version(model, "none").version
    client.delete_model_version(model, str(version))


def find_folder(store: Store, run_id: str) -> Path | None:
    """Return where the files of an MLflow run are; None where a server keeps them."""
    return None if is_remote() else store.root / ARTIFACTS / run_id / "artifacts"


def _write_page(
    page: Path, run_id: str, model: Path, trusted: Sequence[str], signature: Signature
) -> None:
    """Write MLflow's page on a model. We never read it: anybody could change it."""
    from mlflow.models import Model

    with ZipFile(model) as archive:
        types, _, _ = list_types(archive, trusted)
    about = Model(artifact_path=MODEL_FOLDER, run_id=run_id, signature=_describe(signature))
    about.add_flavor(
        "python_function",
        loader_module="mlflow.sklearn",
        model_path=MODEL_FILE,
        predict_fn=signature.method,
        python_version=platform.python_version(),
    )
    about.add_flavor(
        "sklearn",
        pickled_model=MODEL_FILE,
        # By its metadata: nothing here needs what its import, and skops', takes seconds for.
        sklearn_version=installed_version("scikit-learn"),
        serialization_format="skops",
        skops_trusted_types=types,
    )
    about.save(str(page))


def _describe(signature: Signature) -> Any:
    """Return MLflow's description of what a model takes and gives."""
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema, TensorSpec

    def describe_array(dtype: str, shape: tuple[int, ...]) -> Any:
        return Schema([TensorSpec(np.dtype(dtype), shape)])

    columns: list[Any] = [
        ColSpec("string" if np.dtype(dtype).kind == "U" else "double", name, required=False)
        for name, dtype in signature.columns
    ]
    inputs = Schema(columns) if columns else describe_array(*signature.inputs)
    return ModelSignature(inputs=inputs, outputs=describe_array(*signature.outputs))


TRACKING_VARIABLE = "MLFLOW_TRACKING_URI"
_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_CONFIGURE_LOGGING": "false",
    # A server that doesn't answer is reported after seconds, not minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
}


def is_remote() -> bool:
    """Tell whether the environment names a registry other than the store's own file."""
    return bool(os.environ.get(TRACKING_VARIABLE))


def is_missing(store: Store) -> bool:
    """Tell whether the registry is the store's own file, and not there yet."""
    return not is_remote() and not (store.root / MIRROR_FILE).exists()


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
    # What it logs with a traceback it raises too.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    path = store.root / MIRROR_FILE
    uri = os.environ.get(TRACKING_VARIABLE) or _database_uri(path)
    if not is_remote():
        _initialise_database(store)
        # MLflow would fill an empty file, try a locked one for minutes, and advise to
        # upgrade what is newer than itself.
        if (fault := find_fault(store, read_patience())) is not None:
            raise StorageError(fault.describe(TITLE, path))
    try:
        yield MlflowClient(uri, uri)
    except (MlflowException, SQLAlchemyError) as exc:
        raise _explain(exc, path) from exc


def find_fault(store: Store, seconds: float, thorough: bool = False) -> Fault | None:
    """Return what is wrong with the registry's file; None where a server keeps it."""
    if is_remote():
        return None
    return sqlite_files.find_fault(store.root / MIRROR_FILE, seconds, thorough, _check_file)


def _check_file(connection: sqlite3.Connection) -> Fault | None:
    folder = "store/db_migrations/versions"
    return sqlite_files.compare_revision(connection, "mlflow", folder, "MLflow")


def upgrade(store: Store) -> None:
    """Let MLflow bring a file that an older one wrote up to date.

    Raises
    ------
    StorageError
        If it could not.
    """
    uri = _database_uri(store.root / MIRROR_FILE)
    command = [sys.executable, "-m", "mlflow", "db", "upgrade", uri]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise StorageError(f"{TITLE} {store.root / MIRROR_FILE} was not upgraded: {last}")


def _explain(exc: Exception, path: Path) -> StorageError:
    """Return what an error of MLflow's means, for its file or for a server."""
    if not is_remote() and (fault := sqlite_files.read_error(exc)) is not None:
        return StorageError(fault.describe(TITLE, path))
    where = f"named by {TRACKING_VARIABLE}" if is_remote() else path
    return StorageError(f"{TITLE} {where} can't be used: {write_first_line(exc)}")


def _initialise_database(store: Store) -> None:
    """Make the SQLite file once: under a lock, and visible only when it is whole."""
    path = store.root / MIRROR_FILE
    if path.exists():
        return
    from mlflow import MlflowClient

    with store.lock("registry"), store.temporary_path(".db") as unfinished:
        if path.exists():
            return
        uri = _database_uri(unfinished)
        with _unsynchronised(unfinished):
            MlflowClient(uri, uri).search_registered_models()
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.replace(path)


@contextmanager
def _unsynchronised(path: Path) -> Iterator[None]:
    """Let SQLite not wait for the disk at each of MLflow's hundred steps to a first database.

    That takes seconds, for a file that nobody uses before it is whole.
    """
    from sqlalchemy import Engine, event

    def hurry(connection: Any, _record: Any) -> None:
        if not isinstance(connection, sqlite3.Connection):
            return  # another thread's, of a history on a server
        _, _, file = connection.execute("PRAGMA database_list").fetchone()
        if Path(file) == path.resolve():
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("PRAGMA journal_mode = MEMORY")

    event.listen(Engine, "connect", hurry)
    try:
        yield
    finally:
        event.remove(Engine, "connect", hurry)


def _database_uri(path: Path) -> str:
    return f"sqlite:///{path.resolve()}"


_MOST_RUNS = 10_000


def find_registered(client: Any, model: str) -> Any | None:
    """Return MLflow's registered model, None if there is none of that name."""
    found = client.search_registered_models(f"name='{model}'")
    return found[0] if found else None


def list_versions(client: Any, model: str) -> list[Any]:
    """Return the versions of a model that are ours, the newest first."""
    found = client.search_model_versions(f"name='{model}'")
    versions = list(found)
    while found.token:
        found = client.search_model_versions(f"name='{model}'", page_token=found.token)
        versions += found
    ours = [version for version in versions if DIGEST_TAG in version.tags]
    return sorted(ours, key=lambda version: int(version.version), reverse=True)


def list_aliases(client: Any, model: str) -> dict[str, str]:
    """Return {alias: version} of a model; nothing where it is not registered."""
    registered = find_registered(client, model)
    aliases = {} if registered is None else registered.aliases
    return {alias: str(version) for alias, version in aliases.items()}


def set_alias(client: Any, model: str, alias: str, version: str) -> None:
    """Let an alias name a version.

    Of two that add it at the same moment, the database refuses one, who then finds it there.
    """
    while True:
        try:
            client.set_registered_model_alias(model, alias, version)
        except Exception as exc:
            if not _is_conflict(exc) or alias not in list_aliases(client, model):
                raise
        else:
            return


def _is_conflict(error: BaseException | None) -> bool:
    """Tell whether a database refused a row because of another with the same key."""
    from sqlalchemy.exc import IntegrityError

    while error is not None and not isinstance(error, IntegrityError):
        error = error.__cause__ or error.__context__
    return error is not None


def mirror_version(
    client: Any,
    store: Store,
    found: Registration,
    pages: Mapping[str, Path],
    kept: Path | None = None,
) -> str:
    """Register what the history is about to note; return the version's number.

    A version of the same model file is brought up to date; its bundle stays.

    Parameters
    ----------
    pages : dict of str to Path
        Files on how it came to be, by name.
    kept : Path, optional
        Where its files are, of an MLflow run that is forgotten; they become the new run's.
    """
    score, digest = found.score, found.bundle.model.digest
    tested = {f"test_{score.metric}": score.value, "test_samples": float(score.n)}
    metrics = found.facts.metrics | tested
    versions = list_versions(client, found.model)
    known = next((each for each in versions if each.tags[DIGEST_TAG] == digest), None)
    if known is None:
        known = create_version(client, store, found, pages, metrics, kept)
    else:
        for name, value in _write_tags(found).items():
            client.set_model_version_tag(known.name, str(known.version), name, value)
        _log_metrics(client, known.run_id, metrics)
        put_files(client, store, known.run_id, pages)
    # Whoever registered it may have been killed before this.
    client.set_terminated(known.run_id)
    return str(known.version)


def create_version(
    client: Any,
    store: Store,
    found: Registration,
    pages: Mapping[str, Path],
    metrics: Mapping[str, float],
    kept: Path | None = None,
) -> Any:
    """Log a run with its figures and files and, when all is there, register a version.

    MLflow's own `mlflow.sklearn.load_model("models:/NAME@champion")` reads it too.
    """
    from mlflow.entities import Param

    model, bundle, facts = found.model, found.bundle, found.facts
    if find_registered(client, model) is None:
        client.create_registered_model(model)
    run = _start_run(client, store, model, bundle.model.digest).info
    params = {"seed": str(facts.seed), "code": facts.code, **facts.data}
    client.log_batch(run.run_id, params=[Param(*pair) for pair in params.items()])
    _log_metrics(client, run.run_id, metrics)
    if kept is None:
        put_files(client, store, run.run_id, pages)
        put_bundle(client, store, run.run_id, bundle, facts.signature)
    elif (folder := find_folder(store, run.run_id)) is not None:
        kept.parent.replace(folder.parent)
    source = f"{run.artifact_uri}/{MODEL_FOLDER}"
    return client.create_model_version(model, source, run.run_id, tags=_write_tags(found))


def _write_tags(found: Registration) -> dict[str, str]:
    """Return what MLflow's pages show of a version beside its files."""
    tags = {
        "model_digest": found.bundle.model.digest,
        "outcome": found.verdict.outcome,
        "reason": found.verdict.reason,
        "run": found.facts.run,
        "deployment": found.facts.deployment,
    }
    return {f"{TAG}{name}": value for name, value in tags.items()}


def list_runs(client: Any, model: str) -> list[str]:
    """Return the ids of a model's MLflow runs that are ours, of whatever came of them.

    Here a model has an experiment for each place that the folder has been in.
    """
    experiments = [
        experiment.experiment_id
        for experiment in client.search_experiments(filter_string=f"name LIKE '{model}%'")
        if experiment.name == model
        or (experiment.name.startswith(f"{model} in ") and not is_remote())
    ]
    filtered = f"tags.`{DIGEST_TAG}` != ''"
    found = client.search_runs(experiments, filtered, max_results=_MOST_RUNS)
    return [run.info.run_id for run in found]


def delete_run(client: Any, store: Store, run_id: str) -> None:
    """Remove a run and the files of it; a server keeps those until its own `mlflow gc`."""
    if not is_remote():
        store.remove(f"{ARTIFACTS}/{run_id}")
    client.delete_run(run_id)


def _log_metrics(client: Any, run_id: str, metrics: Mapping[str, float]) -> None:
    from mlflow.entities import Metric

    # MLflow shows the latest of a name.
    moment = int(time.time() * 1000)
    logged = [Metric(name, value, moment, 0) for name, value in metrics.items()]
    client.log_batch(run_id, metrics=logged)


def _start_run(client: Any, store: Store, model: str, digest: str) -> Any:
    """Return a new run; what a killed process left running for this file is marked so."""
    experiment = _find_experiment(client, store, model)
    left = client.search_runs(
        [experiment], f"tags.`{DIGEST_TAG}` = '{digest}' and attributes.status = 'RUNNING'"
    )
    for run in left:
        client.set_terminated(run.info.run_id, "KILLED")
    return client.create_run(experiment, tags={DIGEST_TAG: digest})


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
