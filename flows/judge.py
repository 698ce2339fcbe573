"""From a challenger to a verdict that is acted on; and a registered version judged again."""

import logging
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from prefect import flow
from prefect.client.schemas import State
from prefect.futures import PrefectFuture
from prefect.states import Completed

from digitflow.config.gate import RobustnessLimits
from digitflow.config.reading import AnyConfig
from digitflow.config.training import TrainConfig
from digitflow.data.sets import PreparedData, SampleSet
from digitflow.errors import ChampionMoved
from digitflow.evaluation.collecting import Challenger, collect_evidence
from digitflow.evaluation.evidence import Costs, Share, TestResult
from digitflow.evaluation.scoring import Entry
from digitflow.gate.verdict import Verdict
from digitflow.models.bundle import LoadCheck, ModelBundle
from digitflow.registry.judging import judge_version, require_comparable, to_baseline
from digitflow.registry.training import describe_training, resolve_config
from digitflow.registry.versions import Champion, Decision
from digitflow.store.references import ModelRef
from flows.approval import ask_person
from flows.run import TASK_THREADS, name_run, run_job
from tasks.judging import (
    check_loading,
    find_champion,
    judge_challenger,
    keep_champion,
    measure_costs,
    promote_challenger,
    register_challenger,
    score_altered,
    score_on_test,
)
from tasks.publishing import label_flow_run, publish_verdict
from tasks.wiring import RunContext, named, settle

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")
JUDGING_ATTEMPTS = 3
# Two models on test images and feedback, altered images, loading, costs.
TASKS = 7


@flow(name="judge", flow_run_name=partial(name_run, "judge-"), task_runner=TASK_THREADS)
def judge_model(
    config: str | AnyConfig = "configs/digits.yaml",
    challenger: str = "challenger",
    against: str | None = None,
) -> State:
    """Judge a registered version again, by the limits of a config; nothing is promoted.

    Parameters
    ----------
    config : str or TrainConfig
        Path of a config file, or the config itself.
    challenger : str
        A version's number, an alias, or the name of the run that made it.
    against : str, optional
        A version's number or alias; without one the champion, where there is any.
    """
    settings = resolve_config(config)

    def work(run: RunContext) -> Verdict:
        model, limits = settings.model, settings.gate
        verdict = judge_version(run.store, model, challenger, against, limits, AskByTasks())
        run.log.update(found=f"{verdict.outcome}: {verdict.reason}")
        return verdict

    verdict = run_job(work, settings, "judge", TASKS)
    label_flow_run(verdict.outcome, settings.model, verdict.outcome)
    publish_verdict(settings.model, verdict)
    return Completed(message=f"{verdict.outcome}: {verdict.reason}")


def judge_and_promote(
    run: RunContext,
    config: TrainConfig,
    entries: list[Entry],
    bundle: ModelBundle,
    fit_cpu_seconds: float,
    data: PreparedData,
    feedback: SampleSet | None,
) -> Decision:
    """Judge on the frozen test samples; again if the champion changed meanwhile.

    `feedback` are corrections that nothing learnt from.
    """
    test = data.splits.test
    challenger = Challenger(bundle, test, feedback, fit_cpu_seconds)
    for _ in range(JUDGING_ATTEMPTS):
        champion = find_champion(config.model)
        require_comparable(champion, test, config.gate)
        baseline = to_baseline(champion)
        refs = collect_evidence(AskByTasks(), challenger, baseline, config.gate, config.seed)
        verdict = judge_challenger(config.model, refs, baseline, config.gate, config.seed)
        if verdict.outcome == "unchanged":
            return Decision(verdict=verdict, refs=refs, champion=champion)
        verdict, why = ask_if_wanted(config, verdict, bundle, champion)
        facts = describe_training(run.log, config, entries, data, bundle, refs)
        version = register_challenger(config.model, bundle, verdict, facts)
        now = act_on(run, config.model, version, verdict, champion, why)
        if not isinstance(now, ChampionMoved):
            return Decision(verdict=verdict, refs=refs, champion=now, version=version)
    raise ChampionMoved(
        f"other runs promoted {config.model} {JUDGING_ATTEMPTS} times meanwhile"
    )


def act_on(
    run: RunContext,
    model: str,
    version: str,
    verdict: Verdict,
    champion: Champion | None,
    why: str,
) -> Champion | ChampionMoved | None:
    """Promote the challenger or keep the champion; return who is champion now."""
    if verdict.promoted:
        promoting = promote_challenger.submit(model, version, verdict, why, run.log.run)
        return settle(promoting, ChampionMoved)
    return settle(keep_champion.submit(champion, verdict), ChampionMoved)


def ask_if_wanted(
    config: TrainConfig, verdict: Verdict, bundle: ModelBundle, champion: Champion | None
) -> tuple[Verdict, str]:
    """Let a person decline a promotion before it is written down, where the config says so."""
    if not verdict.promoted or config.gate.approval is None:
        return verdict, ""
    comparison = f"{bundle.model.digest}-{'none' if champion is None else champion.version}"
    return ask_person(verdict, config.gate.approval, comparison)


class AskByTasks:
    """Whatever evidence is asked for, a task computes at once, or finds in the cache."""

    def score(
        self, who: str, on: str, model: ModelRef, images: SampleSet
    ) -> Callable[[], TestResult]:
        """Let a model predict for samples."""
        task = named(score_on_test, f"score {who} on the {on} samples")
        return task.submit(model, images).result

    def alter(
        self, model: ModelRef, test: SampleSet, limits: RobustnessLimits, seed: int
    ) -> Callable[[], dict[str, Share] | None]:
        """Let a model read altered test images."""
        names = tuple(limits.floors)
        return partial(
            wait_for_evidence, score_altered.submit(model, test, names, limits.images, seed)
        )

    def load(self, bundle: ModelBundle) -> Callable[[], LoadCheck | None]:
        """Let a fresh process repeat the golden predictions."""
        return partial(wait_for_evidence, check_loading.submit(bundle.model, bundle.golden))

    def time(
        self, models: tuple[ModelRef, ...], test: SampleSet
    ) -> Callable[[], list[Costs] | None]:
        """Measure what models cost."""
        return lambda: wait_for_evidence(measure_costs.submit(models, test))


def wait_for_evidence(future: PrefectFuture[Answer]) -> Answer | None:
    """Wait for a piece of evidence; None where it failed, which no check takes for a pass."""
    result = settle(future, Exception)
    if isinstance(result, Exception):
        logger.warning("evidence is missing: %s", result)
        return None
    return result
