"""Is the challenger better than the champion, or only lucky?

Non-inferior is asked of every challenger; superior on the test samples, superior on the
feedback, or equal and cheaper are three reasons of which one is enough.
"""

from math import isfinite, isnan

from digitflow.config.gate import BetterLimits, ClassificationLimits
from digitflow.errors import InputError
from digitflow.evaluation.comparison import (
    HitDifference,
    compare_set,
    describe_hits,
    exact_mcnemar,
    needed_wins,
)
from digitflow.evaluation.evidence import Costs, Evidence, ScoredSet
from digitflow.formatting import format_points, format_share
from digitflow.gate.check import Answer, Check

# Latencies of one and the same model differ by so much between two measurements.
SLACK = 1.05


def check_cheaper(
    name: str,
    ours: Costs | None,
    theirs: Costs | None,
    objection: str | None,
    rules: BetterLimits,
) -> Check:
    """Ask whether median latency or bytes fell by `cheaper`, and the other did not rise.

    Parameters
    ----------
    name : str
        Of the answer, such as "better.cheaper".
    ours, theirs : Costs or None
        Of challenger and champion; None where they were not measured.
    objection : str or None
        Why the two don't count as equally good; None where they do.

    Raises
    ------
    InputError
        If a cost is no positive number.
    """
    if ours is None or theirs is None:
        return Check(
            id=name,
            slice="cost",
            verdict="insufficient",
            detail="the costs of both models were not measured",
            blocks=False,
        )
    for costs in (ours, theirs):
        _require_positive(costs)
    latency, size = ours.latency_ms / theirs.latency_ms, ours.bytes / theirs.bytes
    cheap = (latency <= 1 - rules.cheaper and size <= 1) or (
        size <= 1 - rules.cheaper and latency <= SLACK
    )
    detail = f"latency {_write_change(latency)}, file {_write_change(size)}: "
    detail += _conclude(cheap, objection, rules)
    verdict: Answer = "pass" if cheap and objection is None else "fail"
    if latency <= size:
        figures = "latency", ours.latency_ms, theirs.latency_ms
    else:
        figures = "bytes", ours.bytes, theirs.bytes
    return _compare_figures(name, *figures, rules.cheaper, verdict, detail)


def _conclude(cheap: bool, objection: str | None, rules: BetterLimits) -> str:
    if not cheap:
        return f"not cheaper by {format_share(rules.cheaper)}"
    return "equal and cheaper" if objection is None else f"cheaper, but {objection}"


def _require_positive(costs: Costs) -> None:
    for name in ("latency_ms", "bytes"):
        cost = getattr(costs, name)
        if not (isfinite(cost) and cost > 0):
            raise InputError(f"{name} must be a positive number to compare costs, got {cost}")


def _write_change(ratio: float) -> str:
    return f"{100 * (ratio - 1) + 0.0:+.0f} %"


def _compare_figures(
    name: str,
    where: str,
    ours: float,
    theirs: float,
    cheaper: float,
    verdict: Answer,
    detail: str,
) -> Check:
    return Check(
        id=name,
        slice=where,
        challenger=ours,
        champion=theirs,
        delta=ours - theirs,
        limit=theirs * (1 - cheaper),
        verdict=verdict,
        detail=detail,
        blocks=False,
    )


def run(evidence: Evidence, limits: ClassificationLimits, seed: int) -> list[Check]:
    """Compare with the champion; nothing where there is none."""
    if evidence.test.champion is None:
        return []
    rules = limits.better
    found = compare_set(evidence.test, rules, seed)
    checks = [_check_non_inferior(found, rules), _check_superior("superior", found, rules)]
    if evidence.feedback is not None:
        checks.append(_check_feedback(evidence.feedback, rules, seed))
    objection = _question_equality(found, rules)
    costs = evidence.costs, evidence.champion_costs
    return [*checks, check_cheaper("better.cheaper", *costs, objection, rules)]


def _check_non_inferior(found: HitDifference, rules: BetterLimits) -> Check:
    margin = f"the margin of {100 * rules.margin:.2f}"
    verdict: Answer
    if isnan(found.lower):
        verdict, word = "insufficient", _describe_few(found)
    elif found.lower > -rules.margin:
        verdict, word = "pass", f"not worse by more than {margin}"
    else:
        verdict, word = "fail", f"it may be worse by more than {margin}"
    detail = f"{describe_hits(found, 'test samples')}, at worst {_write_bound(found)}: {word}"
    return Check.compare(
        "better.non_inferior", "test", found, verdict, detail, limit=-rules.margin
    )


def _check_superior(name: str, found: HitDifference, rules: BetterLimits) -> Check:
    samples = "test samples" if name == "superior" else "feedback samples"
    p = exact_mcnemar(found.wins, found.losses)
    verdict: Answer
    if isnan(found.lower):
        verdict, word = "insufficient", _describe_few(found)
    elif p <= rules.significance and found.lower > 0:
        verdict, word = "pass", f"better beyond chance (p = {p:.2g})"
    else:
        verdict, word = "fail", _describe_shortfall(found, p, rules.significance)
    detail = f"{describe_hits(found, samples)}: {word}"
    where = "test" if name == "superior" else "feedback"
    return Check.compare(
        f"better.{name}", where, found, verdict, detail, p=p, limit=0.0, blocks=False
    )


def _check_feedback(feedback: ScoredSet, rules: BetterLimits, seed: int) -> Check:
    if len(feedback.targets):
        return _check_superior("feedback", compare_set(feedback, rules, seed), rules)
    return Check(
        id="better.feedback",
        slice="feedback",
        n=0,
        verdict="insufficient",
        detail="the feedback holds no samples",
        blocks=False,
    )


def _describe_shortfall(found: HitDifference, p: float, significance: float) -> str:
    if found.wins == found.losses:
        return "a tie, and a tie keeps the champion"
    if found.wins < found.losses:
        return "not better but worse"
    if p <= significance:
        return (
            f"more than chance sample by sample (p = {p:.2g}), but drawn again, by writer "
            f"where known, the gain may be {_write_bound(found)}"
        )
    differ = found.wins + found.losses
    needed = needed_wins(differ, significance)
    if needed is None:
        return f"{differ} samples that differ are too few to tell from chance (p = {p:.2g})"
    return f"may be chance (p = {p:.2g}): of {differ:,} samples that differ it takes {needed:,}"


def _describe_few(found: HitDifference) -> str:
    return f"{found.clusters} writers or samples are too few to say how far chance goes"


def _question_equality(found: HitDifference, rules: BetterLimits) -> str | None:
    """Return why the two can't be called equal; None where they can.

    A bootstrap can't show losses that never occurred: n samples without one still leave
    room for a share of 1 - significance ** (1 / n), which must be within the margin.
    """
    if not found.lower > -rules.margin:
        return "the accuracies are not shown to be equal"
    if exact_mcnemar(found.losses, found.wins) <= rules.significance:
        return "it is significantly worse, if within the margin"
    unseen = 1 - rules.significance ** (1 / found.n)
    if unseen > rules.margin:
        return (
            f"{found.n:,} samples can't show two models equal within "
            f"{100 * rules.margin:.2f} points, only within {100 * unseen:.2f}"
        )
    return None


def _write_bound(found: HitDifference) -> str:
    return format_points(found.lower)
