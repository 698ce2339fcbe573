"""What a registered version carries: how it was made and judged, as tags and as files."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from digitflow.data.sets import ImageSet
from digitflow.errors import InputError
from digitflow.evaluation.evidence import Costs
from digitflow.evaluation.scoring import TestScore
from digitflow.gate.verdict import Verdict
from digitflow.models.bundle import ModelBundle
from digitflow.registry.pointer import Champion
from digitflow.store.references import FileRef, ModelRef, Record
from digitflow.store.runs import now

TAG = "digitflow."
COMMAND_LINE = "command line"
MODEL_FILE = "model.skops"
# What every model takes and gives: dtype and shape, -1 for any number of images.
SIGNATURE: dict[str, tuple[str, tuple[int, ...]]] = {
    "images": ("uint8", (-1, 28, 28)),
    "probabilities": ("float64", (-1, 10)),
}


class TrainingFacts(Record):
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
        Figures on the validation images, and costs.
    test, feedback : ImageSet or None
        What it was judged on, so that it can be judged again.
    costs : Costs or None
        What it cost when it was judged.
    deployment : str
        Whose run made it: "retrain-on-drift", ..., or "command line".
    """

    run: str
    config: str
    seed: int
    data: dict[str, str]
    code: str
    libraries: dict[str, str]
    metrics: dict[str, float]
    test: ImageSet | None = None
    feedback: ImageSet | None = None
    costs: Costs | None = None
    deployment: str = COMMAND_LINE


class Version(Record):
    """One registered version, as lists show it; `outcome` and `reason` are its verdict's."""

    model: str
    version: str
    aliases: tuple[str, ...]
    accuracy: float
    score: TestScore
    outcome: str
    reason: str
    run: str
    registered_at: str
    model_path: str


class Registration(Record):
    """All that a registered version carries.

    Attributes
    ----------
    version : Version
        As lists show it.
    bundle : ModelBundle or None
        None where it was registered before there were bundles.
    facts : TrainingFacts
        How it was made.
    verdict : dict
        As it was written then.
    """

    version: Version
    bundle: ModelBundle | None
    facts: TrainingFacts
    verdict: dict[str, Any]


def write_tags(bundle: ModelBundle, verdict: Verdict, facts: TrainingFacts) -> dict[str, str]:
    """Return the tags of a version that was judged."""
    tags = {
        "model": bundle.model.model_dump_json(),
        "model_digest": bundle.model.digest,
        "bundle": bundle.model_dump_json(),
        "score": verdict.challenger.model_dump_json(),
        "outcome": verdict.outcome,
        "reason": verdict.reason,
        "verdict": verdict.model_dump_json(),
        "registered_at": now(),
    }
    for name, value in facts.model_dump().items():
        tags[name] = value if isinstance(value, str) else json.dumps(value)
    return {f"{TAG}{name}": value for name, value in tags.items()}


def write_pages(folder: Path, verdict: Verdict, facts: TrainingFacts) -> dict[str, Path]:
    """Write verdict, facts and config as files for whoever looks with MLflow, by name."""
    pages = {
        "verdict.json": verdict.model_dump_json(indent=2),
        "facts.json": facts.model_dump_json(indent=2, exclude={"config"}),
        "config.yaml": facts.config,
    }
    for name, text in pages.items():
        (folder / name).write_text(text, encoding="utf-8")
    return {name: folder / name for name in pages}


def list_files(bundle: ModelBundle) -> dict[str, FileRef]:
    """Return {name: reference} of every file that a bundle is made of."""
    files: dict[str, FileRef] = {
        MODEL_FILE: bundle.model,
        "golden-images.npy": bundle.golden.images,
        "golden-probabilities.npy": bundle.golden.probabilities,
    }
    if bundle.reject_option is not None and bundle.reject_option.detector is not None:
        files["outliers.skops"] = bundle.reject_option.detector
    if bundle.reference is not None:
        files |= {f"reference-{name}.npy": ref for name, ref in bundle.reference}
    return files


def read_version(version: Any, aliases: Mapping[str, Any]) -> Version:
    """Return an MLflow version for lists; `aliases` are its model's, {alias: version}.

    Raises
    ------
    InputError
        If the version is not digitflow's.
    """
    number = str(version.version)
    score = TestScore.model_validate_json(_read_tag(version, "score"))
    # The older name of the tag, of versions that were registered when they were promoted.
    moment = "registered_at" if f"{TAG}registered_at" in version.tags else "promoted_at"
    return Version(
        model=version.name,
        version=number,
        aliases=tuple(sorted(name for name, named in aliases.items() if str(named) == number)),
        accuracy=score.accuracy,
        score=score,
        outcome=_read_tag(version, "outcome"),
        reason=_read_tag(version, "reason"),
        run=_read_tag(version, "run"),
        registered_at=_read_tag(version, moment),
        model_path=read_model(version).path,
    )


def read_registration(version: Any, aliases: Mapping[str, Any]) -> Registration:
    """Return all that an MLflow version carries.

    Raises
    ------
    InputError
        If the version is not digitflow's.
    """
    return Registration(
        version=read_version(version, aliases),
        bundle=read_bundle_tag(version),
        facts=_read_facts(version),
        verdict=json.loads(_read_tag(version, "verdict")),
    )


def read_model(version: Any) -> ModelRef:
    """Return the file of an MLflow version's pipeline."""
    return ModelRef.model_validate_json(_read_tag(version, "model"))


def read_bundle_tag(version: Any) -> ModelBundle | None:
    """Return an MLflow version's bundle; None where it was registered without one."""
    text = version.tags.get(f"{TAG}bundle")
    return None if text is None else ModelBundle.model_validate_json(text)


def make_champion(version: Any, bundle: ModelBundle, score: TestScore, at: str) -> Champion:
    """Return an MLflow version as a champion whose entry is not written yet."""
    facts = _read_facts(version)
    return Champion(
        name=version.name,
        version=str(version.version),
        entry=0,
        bundle=bundle,
        score=score,
        run=facts.run,
        promoted_at=at,
        libraries=facts.libraries,
    )


def _read_facts(version: Any) -> TrainingFacts:
    known = TrainingFacts.model_fields
    plain = {name: _read_tag(version, name) for name in ("run", "config", "code")}
    plain["deployment"] = version.tags.get(f"{TAG}deployment", COMMAND_LINE)
    coded = {
        name: json.loads(version.tags[f"{TAG}{name}"])
        for name in known
        if name not in plain and f"{TAG}{name}" in version.tags
    }
    return TrainingFacts.model_validate(plain | coded)


def _read_tag(version: Any, name: str) -> str:
    try:
        return str(version.tags[f"{TAG}{name}"])
    except KeyError:
        raise InputError(
            f"version {version.version} of {version.name} was not registered by digitflow."
        ) from None
