"""Judge the challenger, register it, and promote it when the verdict says so."""

from collections.abc import Sequence

import yaml

from digitflow.catalogue import ESTIMATORS, RECIPES
from digitflow.config.gate import GateLimits
from digitflow.config.training import TrainConfig
from digitflow.data.sets import ImageSet, PreparedData
from digitflow.errors import DamagedArtifact
from digitflow.evaluation.evidence import EvidenceRefs, load_evidence
from digitflow.evaluation.leaderboard import Entry, Winner, choose_winner
from digitflow.evaluation.scoring import digest_test_set
from digitflow.gate import verdict as gates
from digitflow.gate.verdict import Verdict
from digitflow.models.bundle import ModelBundle
from digitflow.registry import listing, promotion
from digitflow.registry.champion import initialise, is_missing, read_champion
from digitflow.registry.judging import Baseline, describe_comparison
from digitflow.registry.pointer import Champion, read_pointer
from digitflow.registry.versions import TrainingFacts
from digitflow.store.lineage import digest_modules, find_libraries
from digitflow.store.references import Record, digest_json
from tasks.caching import plain_task
from tasks.context import current_run


class Decision(Record):
    """The verdict, what it rests on, and who is champion now.

    `version` is the challenger's in the registry; None where it is the champion itself.
    """

    verdict: Verdict
    refs: EvidenceRefs
    champion: Champion | None
    version: str | None = None


@plain_task(run_name="prepare the registry")
def prepare_registry() -> None:
    """Make the registry's databases on the first run of all, beside other work."""
    run = current_run()
    if is_missing(run.store):
        run.workers.run(initialise, run.store)


@plain_task(run_name="find the champion")
def find_champion(model: str) -> Champion | None:
    """Return the registered champion, or None before the first promotion."""
    return read_champion(current_run().store, model)


def require_comparable(champion: Champion | None, test: ImageSet, limits: GateLimits) -> None:
    """Stop where the champion was judged on other test images and nobody accepted that.

    Raises
    ------
    TestSetChanged
        It says how to accept the new images.
    """
    if champion is not None and not limits.accept_new_test:
        gates.require_same_test(champion.score.test_digest, digest_test_set(test))


@plain_task(run_name="look at the champion's test images")
def check_test_images(model: str, test: ImageSet, limits: GateLimits) -> None:
    """Stop before anything is trained where the gate could not compare in the end.

    By the pointer file, at no cost; the registry is asked where that says no, as it may be
    behind. Where it is damaged, the gate's own look mends it.

    Raises
    ------
    TestSetChanged
        It says how to accept the new images.
    """
    store = current_run().store
    try:
        pointer = read_pointer(store, model)
    except DamagedArtifact:
        return
    if pointer is not None and pointer.champion.score.test_digest != digest_test_set(test):
        require_comparable(read_champion(store, model), test, limits)


@plain_task(run_name="gate")
def judge_challenger(
    config: TrainConfig, refs: EvidenceRefs, champion: Champion | None
) -> Verdict:
    """Turn the evidence into a verdict."""
    store, score = current_run().store, refs.test.challenger.score
    baseline = Baseline.from_champion(champion)
    comparison = describe_comparison(store, config.model, score, baseline)
    return gates.judge(load_evidence(store, refs), comparison, config.gate, config.seed)


@plain_task(run_name="register")
def register_challenger(
    model: str, bundle: ModelBundle, verdict: Verdict, making: TrainingFacts
) -> str:
    """Register the challenger with its verdict, whatever that is; return its version."""
    store = current_run().store
    version = promotion.register(store, model, bundle, verdict, making)
    promotion.record_judgement(store, model, version, verdict, making.run)
    return version


@plain_task(run_name="look for the same verdict")
def is_repeated(model: str, verdict: Verdict) -> bool:
    """Tell whether the challenger was judged before, against the same champion, like this."""
    return listing.is_repeated(current_run().store, model, verdict)


@plain_task(run_name="keep the champion")
def keep_champion(champion: Champion | None, verdict: Verdict) -> Champion | None:
    """Return the champion; if it was judged on new test images, note its score on those."""
    score = verdict.champion
    if champion is None or score is None or champion.score.test_digest == score.test_digest:
        return champion
    return promotion.record_score(current_run().store, champion, score)


@plain_task(run_name="promote")
def promote_challenger(model: str, version: str, verdict: Verdict, why: str) -> Champion:
    """Make the challenger champion; `ChampionMoved` if somebody else was faster."""
    run = current_run()
    return promotion.promote(run.store, model, version, verdict, why, run.log.run)


@plain_task(run_name="file the report")
def file_report(model: str, version: str) -> None:
    """Add the run's report to what the registered version carries."""
    run = current_run()
    report = run.store.root / "reports" / run.log.run / "index.html"
    promotion.attach_report(run.store, model, version, report)


def describe_training(
    config: TrainConfig, entries: Sequence[Entry], data: PreparedData, refs: EvidenceRefs
) -> TrainingFacts:
    """Return all that a version is known by: run, config, data, code, figures."""
    modules = list_code(config)
    return TrainingFacts(
        run=current_run().log.run,
        deployment=current_run().log.record["deployment"],
        config=write_config(config),
        seed=config.seed,
        data={name: part.images.digest for name, part in data.parts().items()},
        code=digest_json(modules),
        libraries=find_libraries(modules),
        metrics=_list_metrics(choose_winner(entries)),
        test=refs.test.images,
        feedback=None if refs.feedback is None else refs.feedback.images,
        costs=refs.costs,
    )


def list_code(config: TrainConfig) -> dict[str, str]:
    """Return {module: digest} of the code behind a config's models."""
    chosen = {
        module
        for candidate in config.candidates
        for module in (ESTIMATORS.module(candidate.estimator), RECIPES.module(candidate.recipe))
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
