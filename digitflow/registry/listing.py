"""What is registered: lists, a version's own page, in what two versions differ."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from digitflow.errors import InputError, list_some
from digitflow.gate.verdict import Verdict
from digitflow.registry import history
from digitflow.registry.history import Entry
from digitflow.registry.versions import DEFAULT_MODELS, Registration
from digitflow.store.artifacts import Store


def list_versions(store: Store, model: str | None = None) -> list[Registration]:
    """Return what is registered, of one model or of all, the newest first.

    Raises
    ------
    DamagedArtifact
        If the history's file is gone.
    """
    names = list_models(store) if model is None else [model]
    return [found for name in names for found in history.list_registrations(store, name)]


def find_registration(store: Store, model: str, version: str) -> Registration:
    """Return all that a version carries; its number or an alias, also one given in MLflow.

    Raises
    ------
    InputError
        If there is no such version.
    """
    found = list_versions(store, model)
    if not found:
        raise InputError(f"{model} has no version {version!r}: nothing is registered yet")
    aliases = {alias: each.version for each in found for alias in each.aliases}
    if not version.isdigit() and version not in aliases:
        aliases |= _ask_mlflow(store, model)
    for each in found:
        if each.version == aliases.get(version, version):
            return each
    known = list_some([*(each.version for each in found), *sorted(aliases)])
    raise InputError(f"{model} has no version {version!r}; versions and aliases: {known}")


def _ask_mlflow(store: Store, model: str) -> dict[str, str]:
    from digitflow.registry import mlflow, mlflow_client

    with mlflow_client.open_client(store) as client:
        return mlflow.list_aliases(client, model)


def list_history(store: Store, model: str) -> list[Entry]:
    """Return who was champion when, and why, the newest first."""
    history.require(store)
    return history.list_entries(store, model)


def count_looks(store: Store, model: str, test_digest: str, challenger_digest: str) -> int:
    """Return how many challengers have been judged on some test samples, with this one."""
    return len(history.list_challengers(store, model, test_digest) | {challenger_digest})


def list_models(store: Store) -> list[str]:
    """Return the names of the registered models."""
    history.require(store)
    return history.list_models(store)


def choose_model(store: Store, name: str | None) -> str:
    """Return the named model; else `digits`, else `digits-sample`, whichever is registered.

    Raises
    ------
    InputError
        If none of them is.
    """
    known = list_models(store)
    names = DEFAULT_MODELS if name is None else (name,)
    for model in names:
        if model in known:
            return model
    others = f"Registered: {list_some(known)}" if known else "`digitflow train` makes one"
    raise InputError(f"{' or '.join(names)} is not registered in {store.place}. {others}.")


def diff_versions(store: Store, model: str, first: str, second: str) -> dict[str, Any]:
    """Return in what two versions (numbers or aliases) differ, as plain values.

    Returns
    -------
    dict
        first, second : {version, run, outcome, reason}; config, facts, checks : lists of
        {key, first, second}, only of what differs; None stands where one has no such key.

    Raises
    ------
    InputError
        If there is no such version.
    """
    pair = [find_registration(store, model, version) for version in (first, second)]
    heads = ({name: found.summarise()[name] for name in _HEAD} for found in pair)
    return {
        **dict(zip(("first", "second"), heads, strict=True)),
        "config": _compare(*(dict(_flatten(yaml.safe_load(f.facts.config))) for f in pair)),
        "facts": _compare(*(dict(_flatten(_list_facts(found))) for found in pair)),
        "checks": _compare(*(_list_checks(found.verdict) for found in pair)),
    }


_HEAD = ("version", "run", "outcome", "reason")


def _list_facts(found: Registration) -> dict[str, Any]:
    """Return what a version was made of and how well it did, by name."""
    kept = {"data", "code", "libraries", "metrics", "costs"}
    return found.facts.model_dump(mode="json", include=kept) | {
        f"test_{found.score.metric}": found.score.value,
        "test_samples": found.score.test_digest,
    }


def _list_checks(verdict: Verdict) -> dict[str, dict[str, str]]:
    """Return {check and what it looked at: its answer, and the sentence of it}."""
    return {
        f"{check.id} on {check.slice}": {"verdict": check.verdict, "detail": check.detail}
        for check in verdict.checks
    }


def _compare(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what two mappings don't agree on, in the order of the first."""
    keys = dict.fromkeys([*first, *second])
    pairs = ((key, first.get(key), second.get(key)) for key in keys)
    return [
        {"key": key, "first": one, "second": other}
        for key, one, other in pairs
        if one != other and not (one != one and other != other)  # a NaN is not itself
    ]


def _flatten(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted path, plain value); what has a name is found by it, not by its place."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _flatten(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, Sequence) and not isinstance(value, str) and value:
        for place, item in enumerate(value):
            name = item.get("name", place) if isinstance(item, Mapping) else place
            yield from _flatten(item, f"{path}.{name}")
    else:
        yield path, value
