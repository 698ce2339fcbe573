"""The second half of the main job: from a challenger to a verdict that is acted on."""

from digitflow.config.training import TrainConfig
from digitflow.data.sets import ImageSet, PreparedData
from digitflow.errors import ChampionMoved
from digitflow.evaluation.evidence import EvidenceRefs, ScoredRefs
from digitflow.evaluation.leaderboard import Entry
from digitflow.gate.verdict import Verdict
from digitflow.models.bundle import ModelBundle
from digitflow.models.fitting import FittedModel
from digitflow.registry.pointer import Champion
from digitflow.store.references import ModelRef
from flows.approval import ask_person
from flows.run import call, collect_evidence
from tasks.caching import collect
from tasks.evaluate import score_on_test
from tasks.evidence import check_loading, measure_costs, score_altered
from tasks.gate import (
    Decision,
    describe_training,
    find_champion,
    judge_challenger,
    keep_champion,
    promote_challenger,
    register_challenger,
    require_comparable,
)
from tasks.ingest import fingerprint_source, ingest_digits
from tasks.validate import validate_feedback

JUDGING_ATTEMPTS = 3


def judge_and_promote(
    config: TrainConfig,
    entries: list[Entry],
    fitted: FittedModel,
    bundle: ModelBundle,
    data: PreparedData,
    judging: ImageSet | None,
) -> Decision:
    """Judge on the frozen test images; again if the champion changed meanwhile.

    `judging` are corrections that nothing learnt from; the config may name others.
    """
    feedback = ingest_feedback(config) or judging
    for _ in range(JUDGING_ATTEMPTS):
        champion = call(find_champion, config.model)
        require_comparable(champion, data.splits.test, config.gate)
        refs = collect_evidence_refs(
            config, bundle, fitted, champion, data.splits.test, feedback
        )
        verdict = call(judge_challenger, config, refs, champion)
        if verdict.outcome == "unchanged":
            return Decision(verdict=verdict, refs=refs, champion=champion)
        verdict, why = ask_if_wanted(config, verdict, bundle, champion)
        making = describe_training(config, entries, data, refs)
        version = call(register_challenger, config.model, bundle, verdict, making)
        try:
            champion = act_on(verdict, config.model, version, champion, why)
        except ChampionMoved:
            continue
        return Decision(verdict=verdict, refs=refs, champion=champion, version=version)
    raise ChampionMoved(
        f"other runs promoted {config.model} {JUDGING_ATTEMPTS} times meanwhile"
    )


def ask_if_wanted(
    config: TrainConfig, verdict: Verdict, bundle: ModelBundle, champion: Champion | None
) -> tuple[Verdict, str]:
    """Let a person decline a promotion before it is written down, where the config says so."""
    if not verdict.promoted or config.gate.approval is None:
        return verdict, ""
    comparison = f"{bundle.model.digest}-{'none' if champion is None else champion.version}"
    return ask_person(verdict, config.gate.approval, comparison)


def act_on(
    verdict: Verdict, model: str, version: str, champion: Champion | None, why: str
) -> Champion | None:
    """Promote the challenger or keep the champion; return who is champion now."""
    if verdict.promoted:
        return call(promote_challenger, model, version, verdict, why)
    return call(keep_champion, champion, verdict)


def collect_evidence_refs(
    config: TrainConfig,
    bundle: ModelBundle,
    fitted: FittedModel,
    champion: Champion | None,
    test: ImageSet,
    feedback: ImageSet | None,
) -> EvidenceRefs:
    """Collect what the gate's checks ask for; nothing more for the champion itself."""
    model, gate = bundle.model, config.gate
    if champion is not None and champion.model.digest == model.digest:
        return EvidenceRefs(test=read_both(model, champion, test, "test"))
    loads = check_loading.submit(bundle)
    altered = (
        score_altered.submit(model, test, gate.robustness, config.seed)
        if "robustness" in gate.checks
        else None
    )
    readings = read_both(model, champion, test, "test")
    corrections = None if feedback is None else read_both(model, champion, feedback, "feedback")
    loaded = collect_evidence(loads)
    robustness = collect_evidence(altered) if altered else None
    # Alone at last: what is timed must not share the machine.
    models = (model,) if champion is None else (model, champion.model)
    ours, *theirs = collect_evidence(measure_costs.submit(models, test)) or [None]
    return EvidenceRefs(
        test=readings,
        feedback=corrections,
        costs=ours and ours.complete(loaded, fitted.fit_seconds),
        champion_costs=theirs[0] if theirs else None,
        robustness=robustness or {},
        loads=loaded,
    )


def read_both(
    challenger: ModelRef, champion: Champion | None, images: ImageSet, name: str
) -> ScoredRefs:
    """Let both models read the same images, each with its own preprocessing."""
    ours = score_on_test.submit("challenger", name, challenger, images)
    theirs = (
        None
        if champion is None
        else score_on_test.submit(
            f"champion version {champion.version}", name, champion.model, images
        )
    )
    return ScoredRefs(
        images=images,
        challenger=collect(ours),
        champion=None if theirs is None else collect(theirs),
    )


def ingest_feedback(config: TrainConfig) -> ImageSet | None:
    """Return the corrections set aside for the gate, where the config names any."""
    source = config.gate.feedback
    if source is None:
        return None
    raw = call(ingest_digits, source, call(fingerprint_source, source))
    return call(validate_feedback, raw)
