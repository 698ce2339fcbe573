"""Registered versions and who is champion, in MLflow: its alias `champion` is the truth.

The pointer file (see `champions`) follows; whoever finds it behind mends it. MLflow is
imported only when it must be asked, since that takes a second.
"""

import logging
from pathlib import Path
from typing import Any

from digitflow import tracking
from digitflow.artifacts import ModelRef, Store, digest_bytes
from digitflow.champions import Champion as Champion
from digitflow.champions import (
    Pointer,
    list_pointers,
    pointer_path,
    read_pointer,
    remove_pointer,
    stat_database,
    write_pointer,
)
from digitflow.errors import ChampionMoved, DamagedArtifact
from digitflow.evaluation.scoring import TestScore
from digitflow.gates import Verdict
from digitflow.versions import TAG, read_champion_tags, read_version, write_tags
from digitflow.versions import Facts as Facts
from digitflow.versions import Version as Version

logger = logging.getLogger(__name__)

CHAMPION, PREVIOUS = "champion", "previous"


def is_missing(store: Store) -> bool:
    """Tell whether the registry is the store's own file, and not there yet."""
    return not tracking.is_remote() and _stat_registry(store) is None


def initialise(root: Path) -> None:
    """Make the registry's file, so that nobody needs to wait for it later."""
    with tracking.open_client(Store(root)):
        pass


def read_champion(store: Store, model: str) -> Champion | None:
    """Return the champion of a registered model, or None before the first promotion.

    The pointer file answers if the registry is the store's own file, unchanged since.

    Raises
    ------
    DamagedArtifact
        If the pointer names a champion and the registry's file is gone.
    InputError
        If somebody gave the alias to a version that is not digitflow's.
    """
    pointer = _read_pointer_or_warn(store, model)
    if pointer is not None and _is_current(store, pointer):
        return pointer.champion
    if _has_no_registry(store, [model]):
        return None
    with store.lock(f"registry-{model}"), tracking.open_client(store) as client:
        return _mend(client, store, model)


def promote(
    store: Store, model: str, challenger: ModelRef, verdict: Verdict, facts: Facts
) -> Champion:
    """Register a challenger and make it champion, if it was judged against who is that now.

    Killed at any point and called again, it goes on: a version that was registered for
    this file already is used, and the aliases and the pointer follow.

    Parameters
    ----------
    model : str
        Name in the registry.
    challenger : ModelRef
        The model's file in the store.
    verdict : Verdict
        A promotion; it names the champion's version that it was judged against.
    facts : Facts
        How the challenger was made.

    Raises
    ------
    ChampionMoved
        If the champion is another version than the verdict names.
    """
    if not verdict.promoted:
        raise ValueError(f"this verdict is no promotion: {verdict.reason}")
    with store.lock(f"registry-{model}"), tracking.open_client(store) as client:
        champion = _mend(client, store, model)
        if champion is not None and _is_same(champion, verdict.challenger):
            return champion
        _require_unmoved(model, champion, verdict.champion_version)
        version = _register(client, store, model, challenger, verdict, facts, champion)
        if champion is not None:
            _set_alias(client, model, PREVIOUS, champion.version)
        _set_alias(client, model, CHAMPION, version)
        return _point(client, store, model, version)


def record_score(store: Store, champion: Champion, score: TestScore) -> Champion:
    """Note the champion's score on new test images: from now on it is judged on those.

    Raises
    ------
    ChampionMoved
        If another version is champion by now.
    """
    model = champion.name
    with store.lock(f"registry-{model}"), tracking.open_client(store) as client:
        _require_unmoved(model, _mend(client, store, model), champion.version)
        tag = f"{TAG}score"
        client.set_model_version_tag(model, champion.version, tag, score.model_dump_json())
        return _point(client, store, model, champion.version)


def list_versions(store: Store, model: str | None = None) -> list[Version]:
    """Return what digitflow registered, of one model or of all, the newest first.

    Raises
    ------
    DamagedArtifact
        If a pointer names a champion and the registry's file is gone.
    """
    if _has_no_registry(store, list_pointers(store)):
        return []
    with tracking.open_client(store) as client:
        return [
            read_version(version, registered.aliases)
            for registered in tracking.list_registered(client)
            if model in (None, registered.name)
            for version in tracking.list_versions(client, registered.name)
        ]


def _read_pointer_or_warn(store: Store, model: str) -> Pointer | None:
    try:
        return read_pointer(store, model)
    except DamagedArtifact as exc:
        logger.warning("%s", exc)
        return None


def _stat_registry(store: Store) -> dict[str, int] | None:
    return None if tracking.is_remote() else stat_database(store.root / tracking.DATABASE)


def _is_current(store: Store, pointer: Pointer) -> bool:
    database = _stat_registry(store)
    unchanged = database is not None and database == pointer.database
    return unchanged and store.path_of(pointer.champion.model).is_file()


def _has_no_registry(store: Store, models: list[str]) -> bool:
    """Tell whether nothing was registered yet; a registry that was lost is an error."""
    if tracking.is_remote() or _stat_registry(store) is not None:
        return False
    for model in models:
        if (pointer := _read_pointer_or_warn(store, model)) is not None:
            raise DamagedArtifact(
                f"the registry {store.root / tracking.DATABASE} is missing, but version "
                f"{pointer.champion.version} of {model} was champion in it. Put it back, or "
                f"set {tracking.TRACKING_VARIABLE} if it is elsewhere. To begin again "
                f"without a champion, remove {pointer_path(store, model)}."
            )
    return True


def _mend(client: Any, store: Store, model: str) -> Champion | None:
    """Return MLflow's champion; bring the pointer and the file in line. Under the lock."""
    # Looked at before the alias: a change in between is then seen by the next reader.
    database = _stat_registry(store)
    version = tracking.find_alias(client, model, CHAMPION)
    champion = None if version is None else read_champion_tags(version)
    pointer = _read_pointer_or_warn(store, model)
    pointed = None if pointer is None else pointer.champion
    if pointed != champion:
        said, true = (c and f"version {c.version}" for c in (pointed, champion))
        logger.warning(
            "the pointer of %s named %s, the registry says %s: mended", model, said, true
        )
    if champion is None:
        remove_pointer(store, model)
        return None
    if not store.path_of(champion.model).is_file():
        _restore_file(client, store, version, champion)
    write_pointer(store, Pointer(champion=champion, database=database))
    return champion


def _restore_file(client: Any, store: Store, version: Any, champion: Champion) -> None:
    name = f"the file of {champion.name} version {champion.version}"
    content = tracking.download_model(client, version)
    if content is None or digest_bytes(content) != champion.model.digest:
        logger.warning("%s is missing, and MLflow has no copy of it", name)
        return
    store.put_bytes(content, "models", ".skops")
    logger.warning("%s was missing; brought back from MLflow", name)


def _is_same(champion: Champion, score: TestScore) -> bool:
    """Tell whether this was promoted already: by us before we were killed, or by a twin."""
    return (champion.model.digest, champion.score.test_digest) == (
        score.model_digest,
        score.test_digest,
    )


def _require_unmoved(model: str, champion: Champion | None, judged: str | None) -> None:
    found = None if champion is None else champion.version
    if found != judged:
        raise ChampionMoved(
            f"the challenger was judged against version {judged} of {model}, and the "
            f"champion is version {found} by now. Judge it again."
        )


def _register(
    client: Any,
    store: Store,
    model: str,
    challenger: ModelRef,
    verdict: Verdict,
    facts: Facts,
    champion: Champion | None,
) -> str:
    tags = write_tags(challenger, verdict, facts)
    newer_than = None if champion is None else champion.version
    version = tracking.find_unused(client, model, challenger.digest, newer_than)
    if version is None:
        score = verdict.challenger
        metrics = facts.metrics | {"test_accuracy": score.accuracy, "test_images": score.n}
        params = {"seed": str(facts.seed), "code": facts.code, **facts.data}
        version = tracking.create_version(
            client, store, model, challenger, params, metrics, tags
        )
    else:
        for name, value in tags.items():
            client.set_model_version_tag(model, str(version.version), name, value)
    return str(version.version)


def _set_alias(client: Any, model: str, alias: str, version: str) -> None:
    client.set_registered_model_alias(model, alias, version)


def _point(client: Any, store: Store, model: str, version: str) -> Champion:
    """Make the pointer follow what this process just wrote; the last step, and atomic."""
    database = _stat_registry(store)
    champion = read_champion_tags(client.get_model_version(model, version))
    write_pointer(store, Pointer(champion=champion, database=database))
    return champion
