"""What a registered version carries: how it was made and judged, as MLflow's tags."""

import json
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from digitflow.artifacts import ModelRef
from digitflow.champions import Champion
from digitflow.errors import InputError
from digitflow.evaluation.scoring import TestScore
from digitflow.gates import Verdict

TAG = "digitflow."


class Facts(BaseModel):
    """How a challenger was made; every registered version carries all of it.

    Attributes
    ----------
    run : str
        The run's name.
    config : str
        The whole config, YAML.
    seed : int
        The config's seed.
    data, libraries : dict of str to str
        Digests of the data by name; versions of the libraries by name.
    code : str
        Digest of the code.
    metrics : dict of str to float
        Figures on the comparison images, and costs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str
    config: str
    seed: int
    data: dict[str, str]
    code: str
    libraries: dict[str, str]
    metrics: dict[str, float]


class Version(BaseModel):
    """One registered version, as lists show it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    version: str
    aliases: tuple[str, ...]
    accuracy: float
    score: TestScore
    outcome: str
    reason: str
    run: str
    promoted_at: str
    model_path: str


def write_tags(challenger: ModelRef, verdict: Verdict, facts: Facts) -> dict[str, str]:
    """Return the tags of a version that is about to become champion."""
    tags = {
        "model": challenger.model_dump_json(),
        "model_digest": challenger.digest,
        "score": verdict.challenger.model_dump_json(),
        "outcome": verdict.outcome,
        "reason": verdict.reason,
        "verdict": verdict.model_dump_json(),
        "promoted_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    for name, value in facts.model_dump().items():
        tags[name] = value if isinstance(value, str) else json.dumps(value)
    return {f"{TAG}{name}": value for name, value in tags.items()}


def _read_tag(version: Any, name: str) -> str:
    try:
        return str(version.tags[f"{TAG}{name}"])
    except KeyError:
        raise InputError(
            f"version {version.version} of {version.name} was not registered by digitflow. "
            "Give the alias champion to one that was."
        ) from None


def read_champion_tags(version: Any) -> Champion:
    """Return what prediction and the gate need of an MLflow version.

    Raises
    ------
    InputError
        If the version is not digitflow's.
    """
    return Champion(
        name=version.name,
        version=str(version.version),
        model=ModelRef.model_validate_json(_read_tag(version, "model")),
        score=TestScore.model_validate_json(_read_tag(version, "score")),
        run=_read_tag(version, "run"),
        promoted_at=_read_tag(version, "promoted_at"),
    )


def read_version(version: Any, aliases: dict[str, Any]) -> Version:
    """Return an MLflow version for lists; `aliases` are its model's, {alias: version}."""
    champion = read_champion_tags(version)
    return Version(
        model=champion.name,
        version=champion.version,
        aliases=tuple(sorted(a for a, v in aliases.items() if str(v) == champion.version)),
        accuracy=champion.score.accuracy,
        score=champion.score,
        outcome=_read_tag(version, "outcome"),
        reason=_read_tag(version, "reason"),
        run=champion.run,
        promoted_at=champion.promoted_at,
        model_path=champion.model.path,
    )
