"""MLflow mirrors the history: versions and aliases, for all who read MLflow."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from digitflow.registry.mlflow_client import is_remote
from digitflow.registry.mlflow_files import (
    ARTIFACTS,
    MODEL_FOLDER,
    find_folder,
    put_bundle,
    put_files,
)
from digitflow.registry.versions import (
    Registration,
)
from digitflow.store.artifacts import Store

TAG = "digitflow."
DIGEST_TAG = f"{TAG}model_digest"


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


def skip_version(client: Any, model: str) -> None:
    """Use a version's number up, so that the next version has the next one."""
    if find_registered(client, model) is None:
        client.create_registered_model(model)
    version = client.create_model_version(model, "none").version
    client.delete_model_version(model, str(version))


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
