"""Removing versions that nobody needs; the history of what was decided stays."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from digitflow.registry import history, mlflow, mlflow_files
from digitflow.registry.champion import align_aliases, find_before, open_registry
from digitflow.registry.listing import list_models
from digitflow.registry.versions import Registration, read_registration
from digitflow.store.artifacts import Store


@dataclass
class Freed:
    """What was removed, or would be, and which versions stay.

    Attributes
    ----------
    versions : list of str
        "model version".
    files, bytes : int
        Of those that MLflow kept of them, where they are the store's own.
    kept : list of Registration
        Of all models.
    """

    versions: list[str] = field(default_factory=list)
    files: int = 0
    bytes: int = 0
    kept: list[Registration] = field(default_factory=list)


def free_versions(store: Store, keep_versions: int, dry_run: bool) -> Freed:
    """Remove all versions but the newest, of each model.

    Whoever is champion, was it before, or has an alias stays too; so does what was
    registered by others.

    Parameters
    ----------
    keep_versions : int
        How many of the newest stay.
    dry_run : bool
        Only say what would go.
    """
    freed = Freed()
    for model in list_models(store):
        with open_registry(store, model) as client:
            align_aliases(client, store, model)
            _free_model(client, store, model, keep_versions, dry_run, freed)
    return freed


def _free_model(
    client: Any, store: Store, model: str, keep_versions: int, dry_run: bool, freed: Freed
) -> None:
    versions = mlflow.list_versions(client, model)
    registered = mlflow.find_registered(client, model)
    aliases = {} if registered is None else registered.aliases
    newest = (str(version.version) for version in versions[:keep_versions])
    kept = {*newest, *map(str, aliases.values()), *_list_champions(store, model)}
    used = {version.run_id for version in versions if str(version.version) in kept}
    for version in versions:
        if str(version.version) in kept:
            freed.kept.append(read_registration(version, aliases))
            continue
        freed.versions.append(f"{model} {version.version}")
        if not dry_run:
            mlflow.delete_version(client, version)
    # Also of registrations that were killed half-way.
    for run_id in mlflow.list_runs(client, store, model):
        if run_id not in used:
            sizes = mlflow_files.list_sizes(store, run_id)
            freed.files += len(sizes)
            freed.bytes += sum(sizes)
            if not dry_run:
                mlflow.delete_run(client, store, run_id)


def _list_champions(store: Store, model: str) -> Iterator[str]:
    """Yield who is champion and who was it before."""
    entries = history.list_entries(store, model)
    if entries:
        yield entries[0].version
        before = find_before(entries)
        if before is not None:
            yield before.version
