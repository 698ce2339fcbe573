"""Judge the challenger, and promote it when the verdict says so."""

from collections.abc import Sequence

import yaml
from pydantic import BaseModel, ConfigDict

from digitflow import gates, registry
from digitflow.artifacts import ModelRef, digest_json
from digitflow.config import GateLimits, TrainConfig
from digitflow.data.sets import PreparedData
from digitflow.evaluation.leaderboard import Entry, Winner, choose_winner
from digitflow.evaluation.scoring import TestResult, TestScore
from digitflow.features.catalogue import recipe_module
from digitflow.gates import Verdict
from digitflow.lineage import digest_modules, find_libraries
from digitflow.models.catalogue import estimator_module
from digitflow.registry import Champion, Facts
from tasks.caching import plain_task
from tasks.context import current_run


class Decision(BaseModel):
    """The verdict, the score it rests on, and who is champion now."""

    model_config = ConfigDict(frozen=True)

    verdict: Verdict
    result: TestResult
    champion: Champion | None


@plain_task(run_name="prepare the registry")
def prepare_registry() -> None:
    """Make the registry's database on the first run of all, beside other work."""
    run = current_run()
    if registry.is_missing(run.store):
        run.workers.run(registry.initialise, run.store.root)


@plain_task(run_name="find the champion")
def find_champion(model: str) -> Champion | None:
    """Return the registered champion, or None before the first promotion."""
    return registry.read_champion(current_run().store, model)


@plain_task(run_name="gate")
def judge_challenger(
    challenger: TestScore,
    champion: Champion | None,
    champion_score: TestScore | None,
    limits: GateLimits,
) -> Verdict:
    """Compare challenger and champion on the same frozen test images."""
    version = None if champion is None else champion.version
    return gates.judge(challenger, champion_score, limits, version)


@plain_task(run_name="keep the champion")
def keep_champion(champion: Champion | None, score: TestScore | None) -> Champion | None:
    """Return the champion; if it was judged on new test images, note its score on those."""
    if champion is None or score is None or champion.score.test_digest == score.test_digest:
        return champion
    return registry.record_score(current_run().store, champion, score)


@plain_task(run_name="promote")
def promote_challenger(
    model: str, challenger: ModelRef, verdict: Verdict, making: Facts
) -> Champion:
    """Make the challenger champion; `ChampionMoved` if somebody else was faster."""
    return registry.promote(current_run().store, model, challenger, verdict, making)


def describe_making(config: TrainConfig, entries: Sequence[Entry], data: PreparedData) -> Facts:
    """Return all that a version is known by: run, config, data, code, figures."""
    modules = list_code(config)
    return Facts(
        run=current_run().log.run,
        config=write_config(config),
        seed=config.seed,
        data={name: part.images.digest for name, part in data.parts().items()},
        code=digest_json(modules),
        libraries=find_libraries(modules),
        metrics=_list_metrics(choose_winner(entries)),
    )


def list_code(config: TrainConfig) -> dict[str, str]:
    """Return {module: digest} of the code behind a config's models."""
    chosen = {
        module
        for candidate in config.candidates
        for module in (estimator_module(candidate.estimator), recipe_module(candidate.recipe))
    }
    return digest_modules("tasks.split", "tasks.augment", "tasks.train", *sorted(chosen))


def write_config(config: TrainConfig) -> str:
    """Return the whole config, defaults included, as YAML."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def _list_metrics(winner: Winner) -> dict[str, float]:
    metrics = winner.evaluation.metrics
    figures = ("accuracy", "precision", "recall", "f1", "log_loss", "brier", "ece")
    return {f"validation_{name}": float(getattr(metrics, name)) for name in figures} | {
        "fit_seconds": winner.fitted.fit_seconds,
        "latency_ms": winner.evaluation.latency_ms,
        "bytes": float(winner.fitted.model.bytes),
    }
