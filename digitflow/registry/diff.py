"""In what two registered versions differ: their configs, their figures, their verdicts."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from digitflow.registry.listing import find_registration
from digitflow.registry.versions import Registration
from digitflow.store.artifacts import Store


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
    heads = (found.version.model_dump(include=_HEAD) for found in pair)
    return {
        **dict(zip(("first", "second"), heads, strict=True)),
        "config": _compare(*(dict(_flatten(yaml.safe_load(f.facts.config))) for f in pair)),
        "facts": _compare(*(dict(_flatten(_list_facts(found))) for found in pair)),
        "checks": _compare(*(_list_checks(found.verdict) for found in pair)),
    }


_HEAD = {"version", "run", "outcome", "reason"}


def _list_facts(found: Registration) -> dict[str, Any]:
    """Return what a version was made of and how well it did, by name."""
    kept = {"data", "code", "libraries", "metrics", "costs"}
    return found.facts.model_dump(mode="json", include=kept) | {
        "test_accuracy": found.version.accuracy,
        "test_images": found.version.score.test_digest,
    }


def _list_checks(verdict: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return {check and what it looked at: its answer, and the sentence of it}."""
    return {
        f"{check['id']} on {check['slice']}": {
            "verdict": check["verdict"],
            "detail": check["detail"],
        }
        for check in verdict.get("checks", ())
        if "slice" in check  # of an older form otherwise
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
