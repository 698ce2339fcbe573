"""A training on paper: the config that it is asked for, its code, what its version carries."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from digitflow.augment.distortions import require_known
from digitflow.config.digits import DigitsConfig
from digitflow.config.reading import AnyConfig, load_config, parse_config
from digitflow.config.table import RegressionConfig
from digitflow.config.training import TrainConfig
from digitflow.data.sets import PreparedData
from digitflow.errors import InputError
from digitflow.evaluation.evidence import EvidenceRefs
from digitflow.evaluation.scoring import Entry, Winner, choose_winner
from digitflow.models.building import list_chosen
from digitflow.models.bundle import ModelBundle, describe_signature
from digitflow.project.code import Code, trace_code
from digitflow.registry.versions import COMMAND_LINE, TrainingFacts
from digitflow.store.references import digest_json
from digitflow.store.runs import RunLog

# What makes a model beside the estimators and recipes that a config names.
_CODE = (
    "digitflow.data.splits",
    "digitflow.augment.copies",
    "digitflow.models.fitting",
    "digitflow.models.blending",
)


def resolve_config(config: str | Mapping[str, object] | AnyConfig) -> AnyConfig:
    """Return the config itself, read from its file or form; unknown names stop here.

    Raises
    ------
    InputError
        If the file, a key, a value, or the name of an estimator, a recipe, a module or an
        alteration of the gate is wrong.
    """
    if isinstance(config, str):
        config = load_config(Path(config))
    elif isinstance(config, Mapping):
        config = parse_config(dict(config))
    list_chosen(config)
    if (alterations := config.gate.find_alterations()) is not None:
        require_known(tuple(alterations.floors))
    return config


def resolve_studied(
    config: str | Mapping[str, object] | AnyConfig,
) -> DigitsConfig | RegressionConfig:
    """Do as `resolve_config`, of a config that studies can be made of.

    Raises
    ------
    InputError
        Also if there are none of its kind.
    """
    found = resolve_config(config)
    if isinstance(found, DigitsConfig | RegressionConfig):
        return found
    raise InputError(
        f"there are studies of digits (workload: digits) and of regressions (workload: table, "
        f"task: regression); the config of the model {found.model} is about a {found.task}"
    )


def describe_training(
    log: RunLog,
    config: TrainConfig,
    entries: Sequence[Entry],
    data: PreparedData,
    bundle: ModelBundle,
    refs: EvidenceRefs,
) -> TrainingFacts:
    """Return all that a version is known by: run, config, data, code, figures."""
    code = list_code(config)
    return TrainingFacts(
        run=log.run,
        deployment=log.record.get("deployment", COMMAND_LINE),
        config=write_config(config),
        seed=config.seed,
        data={name: part.samples.digest for name, part in data.parts().items()},
        code=digest_json(code.modules),
        libraries=code.libraries,
        metrics=_list_metrics(choose_winner(entries)),
        signature=describe_signature(log.store, bundle.golden),
        test=refs.test.samples,
        feedback=None if refs.feedback is None else refs.feedback.samples,
        costs=refs.costs,
        trusted=bundle.model.trusted,
    )


def list_code(config: TrainConfig) -> Code:
    """Return the code behind a config's models."""
    return trace_code([*_CODE, *list_chosen(config)])


def write_config(config: TrainConfig) -> str:
    """Return the whole config, defaults included, as YAML."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def _list_metrics(winner: Winner) -> dict[str, float]:
    figures = winner.evaluation.metrics.list_figures()
    return {f"validation_{name.replace(' ', '_')}": figures[name] for name in figures} | {
        "fit_seconds": winner.fitted.fit_seconds,
        "latency_ms": winner.evaluation.latency_ms,
        "bytes": float(winner.fitted.model.bytes),
    }
