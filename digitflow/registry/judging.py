"""Judge a challenger, and what follows from the verdict; in a run, or again by hand."""

from pathlib import Path

from digitflow.config.gate import GateLimits
from digitflow.config.reading import load_config, parse_yaml
from digitflow.data.sets import SampleSet
from digitflow.errors import InputError
from digitflow.evaluation.collecting import Ask, AskHere, Baseline, Challenger, collect_evidence
from digitflow.evaluation.evidence import EvidenceRefs, TestScore, load_evidence
from digitflow.evaluation.scoring import digest_test_set
from digitflow.gate import verdict as gates
from digitflow.gate.verdict import Comparison, Verdict
from digitflow.models.bundle import ModelBundle
from digitflow.registry import history, listing, promotion
from digitflow.registry.champion import read_champion
from digitflow.registry.versions import Champion, Registration, TrainingFacts
from digitflow.store.artifacts import Store
from digitflow.store.runs import read_run
from digitflow.workers.local import count_cores


def to_baseline(champion: Champion | None) -> Baseline | None:
    """Return the champion as whom a challenger is judged against; None where there is none."""
    if champion is None:
        return None
    return Baseline(version=champion.version, bundle=champion.bundle, entry=champion.entry)


def judge_challenger(
    store: Store,
    model: str,
    refs: EvidenceRefs,
    baseline: Baseline | None,
    limits: GateLimits,
    seed: int,
) -> Verdict:
    """Turn the evidence into a verdict."""
    comparison = describe_comparison(store, model, refs.test.challenger.score, baseline)
    return gates.judge(load_evidence(store, refs), comparison, limits, seed)


def require_comparable(champion: Champion | None, test: SampleSet, limits: GateLimits) -> None:
    """Stop where the champion was judged on other test samples and nobody accepted that.

    Raises
    ------
    TestSetChanged
        It says how to accept the new samples.
    """
    if champion is not None and not limits.accept_new_test:
        gates.require_same_test(champion.score.test_digest, digest_test_set(test))


def check_test_samples(store: Store, model: str, test: SampleSet, limits: GateLimits) -> None:
    """Stop before anything is trained where the gate could not compare in the end.

    Raises
    ------
    TestSetChanged
        It says how to accept the new samples.
    """
    require_comparable(read_champion(store, model), test, limits)


def find_frozen(store: Store, model: str, limits: GateLimits) -> SampleSet | None:
    """Return the test samples that a model's champion was judged on.

    None where there is no champion, or it may be judged again on others.
    """
    champion = read_champion(store, model)
    if champion is None or limits.accept_new_test:
        return None
    return listing.find_registration(store, model, champion.version).facts.test


def register_challenger(
    store: Store, model: str, bundle: ModelBundle, verdict: Verdict, facts: TrainingFacts
) -> str:
    """Register a challenger with its verdict, whatever that is; return its version."""
    version = promotion.register(store, model, bundle, verdict, facts)
    history.add_judgement(store, model, version, verdict, facts.run)
    return version


def keep_champion(store: Store, champion: Champion | None, verdict: Verdict) -> Champion | None:
    """Return the champion; if it was judged on new test samples, note its score on those."""
    score = verdict.champion
    if champion is None or score is None or champion.score.test_digest == score.test_digest:
        return champion
    return promotion.record_score(store, champion, score)


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
        If the champion was judged on other test samples by now than this version was: a
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
    version = found.version
    history.add_judgement(store, name, version, verdict, found.facts.run)
    if verdict.promoted:
        promotion.promote(store, name, version, verdict, why)
    return verdict


def judge_version(
    store: Store,
    model: str,
    challenger: str,
    against: str | None = None,
    limits: GateLimits | None = None,
    ask: Ask | None = None,
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
    ask : Ask, optional
        How the evidence is asked for; in this process unless another way is named.

    Raises
    ------
    InputError
        If there is no such version, or it does not say what it was judged on.
    DamagedArtifact
        If a model or the test samples are missing or changed.
    """
    found = listing.find_registration(store, model, find_version(store, model, challenger))
    config = parse_yaml(found.facts.config, f"the config of version {found.version}")
    limits, baseline = limits or config.gate, _find_baseline(store, model, against)
    asked = _open_challenger(found)
    ask = ask or AskHere(store, count_cores())
    refs = collect_evidence(ask, asked, baseline, limits, config.seed)
    return judge_challenger(store, model, refs, baseline, limits, config.seed)


def _open_challenger(found: Registration) -> Challenger:
    costs = found.facts.costs
    seconds = None if costs is None else costs.fit_cpu_seconds
    return Challenger(found.bundle, found.facts.test, found.facts.feedback, seconds)


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
        return Baseline(version=found.version, bundle=found.bundle)
    return to_baseline(read_champion(store, model))


def describe_comparison(
    store: Store, model: str, challenger: TestScore, baseline: Baseline | None
) -> Comparison:
    """Say who is judged against whom, and how often these test samples were looked at."""
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
