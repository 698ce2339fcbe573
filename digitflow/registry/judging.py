"""Judge registered versions outside of a run: dry runs of the gate, and comparisons."""

from dataclasses import dataclass
from pathlib import Path

from digitflow.config.gate import GateLimits
from digitflow.config.reading import load_config, parse_yaml
from digitflow.data.sets import ImageSet
from digitflow.errors import InputError
from digitflow.evaluation import robustness
from digitflow.evaluation.costs import measure_costs
from digitflow.evaluation.evidence import EvidenceRefs, ScoredRefs, Share, load_evidence
from digitflow.evaluation.scoring import TestScore, score_on_test
from digitflow.gate import verdict as gates
from digitflow.gate.verdict import Comparison, Verdict
from digitflow.models.bundle import ModelBundle
from digitflow.models.golden import check_golden
from digitflow.registry import listing, promotion
from digitflow.registry.champion import read_champion
from digitflow.registry.pointer import Champion
from digitflow.registry.versions import Registration
from digitflow.store.artifacts import Store
from digitflow.store.references import ModelRef
from digitflow.store.runs import read_run
from digitflow.workers import count_cores


@dataclass(frozen=True)
class Baseline:
    """Whom a challenger is judged against: a champion, or any other version.

    `entry` is the history's by which it is champion, None for any other version.
    """

    version: str
    bundle: ModelBundle
    entry: int | None = None

    @classmethod
    def from_champion(cls, champion: Champion | None) -> "Baseline | None":
        """Return the champion as an baseline, None where there is none."""
        if champion is None:
            return None
        return cls(champion.version, champion.bundle, champion.entry)


def judge_again(
    store: Store,
    model: str | None,
    challenger: str,
    against: str | None,
    config: Path | None,
    dry: bool,
    why: str,
) -> Verdict:
    """Judge a version and, unless it is a dry run, act on the verdict as a run would.

    Parameters
    ----------
    model : str, optional
        Registered model; else `digits`, else `digits-sample`.
    config : Path, optional
        Where the limits are; else those of the challenger's own config.
    why : str
        For the history; empty takes the verdict's reason.

    Raises
    ------
    ChampionMoved
        If somebody else promoted meanwhile.
    TestSetChanged
        If the champion was judged on other test images by now than this version was: a
        dry run may compare the two on the old ones, a promotion may not.
    """
    name = listing.choose_model(store, model)
    limits = None if config is None else load_config(config).gate
    verdict = judge_version(store, name, challenger, against, limits)
    if dry or verdict.outcome == "unchanged":
        return verdict
    champion = read_champion(store, name)
    if champion is not None:
        gates.require_same_test(champion.score.test_digest, verdict.comparison.test_digest)
    found = listing.find_registration(store, name, find_version(store, name, challenger))
    version = found.version.version
    promotion.record_judgement(store, name, version, verdict, found.version.run)
    if verdict.promoted:
        promotion.promote(store, name, version, verdict, why)
    return verdict


def judge_version(
    store: Store,
    model: str,
    challenger: str,
    against: str | None = None,
    limits: GateLimits | None = None,
) -> Verdict:
    """Judge a registered version again; nothing is registered, promoted or counted.

    Parameters
    ----------
    challenger : str
        A version's number, an alias, or the name of the run that made it.
    against : str, optional
        A version's number or alias; without one the champion, where there is any.
    limits : GateLimits, optional
        Without them those of the challenger's own config.

    Raises
    ------
    InputError
        If there is no such version, or it does not say what it was judged on.
    DamagedArtifact
        If a model or the test images are missing or changed.
    """
    found = listing.find_registration(store, model, find_version(store, model, challenger))
    config = parse_yaml(found.facts.config, f"the config of version {found.version.version}")
    limits, baseline = limits or config.gate, _find_baseline(store, model, against)
    refs = _collect_evidence_refs(store, found, baseline, limits, config.seed)
    comparison = describe_comparison(store, model, refs.test.challenger.score, baseline)
    return gates.judge(load_evidence(store, refs), comparison, limits, config.seed)


def find_version(store: Store, model: str, name: str) -> str:
    """Return a version's number or alias; a run's name stands for the version it made.

    Raises
    ------
    InputError
        If it is a run of another model, or one that registered nothing.
    """
    if name.isdigit() or "-" not in name:
        return name
    record = read_run(store, name)
    if record.get("model") != model:
        raise InputError(f"the run {name} was of {record.get('model')}, not of {model}")
    champion = record.get("champion") or {}
    version = record.get("version") or champion.get("version")
    if version is None:
        raise InputError(f"the run {name} registered no version: it {record.get('status')}")
    return str(version)


def _find_baseline(store: Store, model: str, against: str | None) -> Baseline | None:
    if against is not None:
        found = listing.find_registration(store, model, find_version(store, model, against))
        return Baseline(found.version.version, _require_bundle(found))
    return Baseline.from_champion(read_champion(store, model))


def _require_bundle(found: Registration) -> ModelBundle:
    if found.bundle is None:
        raise InputError(
            f"version {found.version.version} of {found.version.model} was registered before "
            "versions carried all that judging needs; train again to judge its like"
        )
    return found.bundle


def _collect_evidence_refs(
    store: Store,
    found: Registration,
    baseline: Baseline | None,
    limits: GateLimits,
    seed: int,
) -> EvidenceRefs:
    bundle, test = _require_bundle(found), found.facts.test
    if test is None:
        raise InputError(
            f"version {found.version.version} does not say on what it was judged; train again"
        )
    other = None if baseline is None else baseline.bundle.model
    if other is not None and other.digest == bundle.model.digest:
        return EvidenceRefs(test=_read_both(store, bundle.model, other, test))
    feedback = found.facts.feedback
    loaded = check_golden(store, bundle.model, bundle.golden)
    models = (bundle.model,) if other is None else (bundle.model, other)
    ours, *theirs = measure_costs(store, models, test)
    fit_seconds = None if found.facts.costs is None else found.facts.costs.fit_seconds
    return EvidenceRefs(
        test=_read_both(store, bundle.model, other, test),
        feedback=None if feedback is None else _read_both(store, bundle.model, other, feedback),
        costs=ours.complete(loaded, fit_seconds),
        champion_costs=theirs[0] if theirs else None,
        robustness=_read_altered(store, bundle.model, test, limits, seed),
        loads=loaded,
    )


def _read_both(
    store: Store, challenger: ModelRef, other: ModelRef | None, images: ImageSet
) -> ScoredRefs:
    threads = count_cores()
    return ScoredRefs(
        images=images,
        challenger=score_on_test(store, challenger, images, threads),
        champion=None if other is None else score_on_test(store, other, images, threads),
    )


def _read_altered(
    store: Store, model: ModelRef, test: ImageSet, limits: GateLimits, seed: int
) -> dict[str, Share]:
    if "robustness" not in limits.checks:
        return {}
    rules = limits.robustness
    return robustness.score_altered(
        store, model, test, tuple(rules.floors), rules.images, seed, count_cores()
    )


def describe_comparison(
    store: Store, model: str, challenger: TestScore, baseline: Baseline | None
) -> Comparison:
    """Say who is judged against whom, and how often these test images were looked at."""
    return Comparison(
        test_digest=challenger.test_digest,
        n=challenger.n,
        challenger_digest=challenger.model_digest,
        champion_digest=None if baseline is None else baseline.bundle.model.digest,
        champion_version=None if baseline is None else baseline.version,
        champion_entry=None if baseline is None else baseline.entry,
        looks=listing.count_looks(
            store, model, challenger.test_digest, challenger.model_digest
        ),
    )
