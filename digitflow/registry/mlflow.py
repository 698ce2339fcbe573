"""Versions and aliases as MLflow keeps them."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from digitflow.errors import InputError, list_some
from digitflow.models.bundle import ModelBundle
from digitflow.registry.mlflow_client import is_remote
from digitflow.registry.mlflow_files import ARTIFACTS, MODEL_FOLDER, put_bundle, put_files
from digitflow.registry.versions import TAG
from digitflow.store.artifacts import Store

CHAMPION, PREVIOUS, CHALLENGER = "champion", "previous", "challenger"
_MOST_RUNS = 10_000
DIGEST_TAG = f"{TAG}model_digest"


def find_registered(client: Any, model: str) -> Any | None:
    """Return MLflow's registered model, None if there is none of that name."""
    found = client.search_registered_models(f"name='{model}'")
    return found[0] if found else None


def list_registered(client: Any) -> list[Any]:
    """Return MLflow's registered models by name."""
    return sorted(client.search_registered_models(max_results=1000), key=lambda m: m.name)


def list_versions(client: Any, model: str) -> list[Any]:
    """Return the versions of a model that are ours, the newest first."""
    found = client.search_model_versions(f"name='{model}'")
    versions = list(found)
    while found.token:
        found = client.search_model_versions(f"name='{model}'", page_token=found.token)
        versions += found
    ours = [version for version in versions if f"{TAG}model" in version.tags]
    return sorted(ours, key=lambda version: int(version.version), reverse=True)


def find_version(client: Any, model: str, name: str) -> Any:
    """Return the version of ours that a number or an alias names.

    Raises
    ------
    InputError
        If there is none.
    """
    registered = find_registered(client, model)
    aliases = {} if registered is None else registered.aliases
    versions = list_versions(client, model)
    for version in versions:
        if str(version.version) == str(aliases.get(name, name)):
            return version
    known = list_some([*(str(version.version) for version in versions), *aliases]) or "none"
    raise InputError(f"{model} has no version {name!r}; versions and aliases: {known}")


def find_alias(client: Any, model: str, alias: str) -> Any | None:
    """Return the version that an alias names, None if it names none."""
    registered = find_registered(client, model)
    version = None if registered is None else registered.aliases.get(alias)
    return None if version is None else client.get_model_version(model, version)


def set_alias(client: Any, model: str, alias: str, version: str) -> None:
    """Let an alias name a version."""
    client.set_registered_model_alias(model, alias, version)


def find_by_digest(client: Any, model: str, digest: str) -> Any | None:
    """Return the newest version of this model file, if any."""
    for version in list_versions(client, model):
        if version.tags.get(DIGEST_TAG) == digest:
            return version
    return None


def create_version(
    client: Any,
    store: Store,
    model: str,
    bundle: ModelBundle,
    params: Mapping[str, str],
    metrics: Mapping[str, float],
    tags: Mapping[str, str],
    pages: Mapping[str, Path],
) -> Any:
    """Log a run with its figures and files and, when all is there, register a version.

    MLflow's own `mlflow.sklearn.load_model("models:/NAME@champion")` reads it too.

    Parameters
    ----------
    pages : dict of str to Path
        Files on how it came to be, by name.
    """
    from mlflow.entities import Param

    if find_registered(client, model) is None:
        client.create_registered_model(model)
    run = _start_run(client, store, model, bundle.model.digest).info
    client.log_batch(run.run_id, params=[Param(*pair) for pair in params.items()])
    _log_metrics(client, run.run_id, metrics)
    put_files(client, store, run.run_id, pages)
    put_bundle(client, store, run.run_id, bundle)
    source = f"{run.artifact_uri}/{MODEL_FOLDER}"
    version = client.create_model_version(model, source, run.run_id, tags=dict(tags))
    client.set_terminated(run.run_id)
    return version


def update_version(
    client: Any,
    store: Store,
    version: Any,
    metrics: Mapping[str, float],
    tags: Mapping[str, str],
    pages: Mapping[str, Path],
) -> None:
    """Bring a version up to date that was judged again; its bundle stays."""
    for name, value in tags.items():
        client.set_model_version_tag(version.name, str(version.version), name, value)
    _log_metrics(client, version.run_id, metrics)
    put_files(client, store, version.run_id, pages)
    # Whoever registered it may have been killed before this.
    client.set_terminated(version.run_id)


def delete_version(client: Any, version: Any) -> None:
    """Remove a version; its run and its files stay until `delete_run`."""
    client.delete_model_version(version.name, str(version.version))


def list_runs(client: Any, store: Store, model: str) -> list[str]:
    """Return the ids of a model's MLflow runs that are ours, of whatever came of them."""
    experiments = _list_experiments(client, store, model)
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
    name, location = model, _locate_files(store)
    if (found := client.get_experiment_by_name(name)) is not None:
        if location in (None, found.artifact_location):
            return str(found.experiment_id)
        name = f"{model} in {location}"
        if (found := client.get_experiment_by_name(name)) is not None:
            return str(found.experiment_id)
    return str(client.create_experiment(name, location))


def _list_experiments(client: Any, store: Store, model: str) -> list[str]:
    """Return a model's experiments, of whatever places the folder has been in."""
    if is_remote():
        found = client.get_experiment_by_name(model)
        return [] if found is None else [str(found.experiment_id)]
    return [
        str(experiment.experiment_id)
        for experiment in client.search_experiments()
        if experiment.name == model or experiment.name.startswith(f"{model} in ")
    ]


def _locate_files(store: Store) -> str | None:
    return None if is_remote() else (store.root / ARTIFACTS).resolve().as_uri()
