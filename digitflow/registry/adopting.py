"""A registry that is older than histories: its aliases are believed, once."""

import logging
from typing import Any

from digitflow.config.data import BuiltinSource
from digitflow.models import golden
from digitflow.models.bundle import ModelBundle
from digitflow.registry import history, mlflow
from digitflow.registry.pointer import Champion
from digitflow.registry.restoring import restore_file
from digitflow.registry.versions import (
    MODEL_FILE,
    make_champion,
    read_bundle_tag,
    read_model,
    read_version,
)
from digitflow.store.artifacts import Store

logger = logging.getLogger(__name__)


def adopt(store: Store, model: str) -> bool:
    """Begin a model's history with what MLflow's aliases say; False if they say nothing.

    Raises
    ------
    InputError
        If the alias is on a version that is not digitflow's.
    DamagedArtifact
        If the champion's file is gone.
    """
    if mlflow.is_missing(store):
        return False
    with mlflow.open_client(store) as client:
        previous = mlflow.find_alias(client, model, mlflow.PREVIOUS)
        champion = mlflow.find_alias(client, model, mlflow.CHAMPION)
        if champion is None:
            return False
        known = [champion] if previous is None else [previous, champion]
        champions = [_describe_champion(client, store, version) for version in known]
    history.adopt_champions(store, champions, "MLflow's aliases, older than this history")
    logger.warning("the history of %s begins with what MLflow's aliases said", model)
    return True


def _describe_champion(client: Any, store: Store, version: Any) -> Champion:
    bundle = _complete_release(client, store, version)
    listed = read_version(version, {})
    return make_champion(version, bundle, listed.score, listed.registered_at)


def _complete_release(client: Any, store: Store, version: Any) -> ModelBundle:
    """Return a version's bundle; one without golden predictions is to repeat today's."""
    if (bundle := read_bundle_tag(version)) is not None:
        return bundle
    from digitflow.data.sets import store_set
    from digitflow.data.sources import builtin

    model = read_model(version)
    if not store.path_of(model).is_file():
        restore_file(client, store, version, MODEL_FILE, model)
    images = store_set(store, builtin.load(BuiltinSource()).train)
    recorded = golden.record_golden(store, model, images)
    return ModelBundle(model=model, reject_option=None, golden=recorded)
