"""Going back to a former champion."""

from typing import Any

from digitflow.errors import DamagedArtifact, InputError
from digitflow.models import golden
from digitflow.registry import history, mlflow
from digitflow.registry.champion import (
    describe,
    find_before,
    open_registry,
    read_champion,
    settle,
)
from digitflow.registry.history import Entry
from digitflow.registry.pointer import Champion
from digitflow.registry.restoring import restore_file
from digitflow.registry.versions import list_files
from digitflow.store.artifacts import Store
from digitflow.store.runs import now


def rollback(store: Store, model: str, to: str | None = None, why: str = "") -> Champion:
    """Make a former champion champion again, after it was loaded and repeated its readings.

    Parameters
    ----------
    to : str, optional
        A version number or an alias; the default is who was champion before this one.
    why : str
        For the history.

    Raises
    ------
    InputError
        If there is no such former champion.
    DamagedArtifact
        If its files are damaged, also in MLflow, or it reads its golden images otherwise.
    ChampionMoved
        If somebody else promoted meanwhile.
    """
    if read_champion(store, model) is None:
        raise InputError(f"{model} has no champion yet: there is nothing to go back from")
    with open_registry(store, model) as client:
        entries = history.list_entries(store, model)
        target = _choose_former(client, model, entries, to)
        _require_files(client, store, target)
    # Without the lock: it takes seconds, and the history tells if somebody was quicker.
    tried = golden.check_golden(store, target.model, target.bundle.golden)
    if not tried.repeated:
        raise DamagedArtifact(
            f"version {target.version} of {model} does not read its {tried.n} golden images "
            f"as it did ({tried.error or f'{tried.labels_differ} other labels'}). The "
            f"champion stays {describe(entries[0].champion)}."
        )
    champion = target.model_copy(update={"promoted_at": now()})
    with open_registry(store, model) as client:
        said = why or f"back from version {entries[0].version}"
        history.append_entry(store, champion, entries[0].id, "rollback", said)
        return settle(client, store, model)


def _choose_former(client: Any, model: str, entries: list[Entry], to: str | None) -> Champion:
    """Return whom to go back to, as it was champion last."""
    if to is None:
        if (before := find_before(entries)) is None:
            raise InputError(f"version {entries[0].version} is {model}'s only champion so far")
        return before.champion
    version = str(mlflow.find_version(client, model, to).version)
    if version == entries[0].version:
        raise InputError(f"version {version} of {model} is champion already")
    for entry in entries:
        if entry.version == version:
            return entry.champion
    were = ", ".join(dict.fromkeys(entry.version for entry in entries))
    raise InputError(
        f"version {version} of {model} never was champion, and going back is for those that "
        f"were: {were}. `digitflow gate {version}` judges it."
    )


def _require_files(client: Any, store: Store, champion: Champion) -> None:
    """Hash every file of a bundle; what is damaged comes back from MLflow, or it's refused."""
    version = mlflow.find_version(client, champion.name, champion.version)
    for name, ref in list_files(champion.bundle).items():
        try:
            store.verify(ref)
        except DamagedArtifact:
            restore_file(client, store, version, name, ref)
            if not store.path_of(ref).is_file():
                raise DamagedArtifact(
                    f"{store.path_of(ref)}, a file of version {champion.version} of "
                    f"{champion.name}, is damaged or missing, and MLflow has no intact "
                    "copy. The champion stays."
                ) from None
