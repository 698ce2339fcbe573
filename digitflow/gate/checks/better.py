"""Is the challenger better than the champion, or only lucky?

Non-inferior is asked of every challenger; superior on the test images, superior on the
feedback, or equal and cheaper are three reasons of which one is enough.
"""

from math import isnan
from typing import Any

from digitflow.config.gate import BetterLimits, GateLimits
from digitflow.evaluation.comparison import HitDifference, exact_mcnemar, needed_wins
from digitflow.evaluation.evidence import Evidence, ScoredSet
from digitflow.gate.check import Answer, Check, write_points
from digitflow.gate.checks.cheaper import check_cheaper
from digitflow.gate.paired import compare_set, describe_hits


def run(evidence: Evidence, limits: GateLimits, seed: int) -> list[Check]:
    """Compare with the champion; nothing where there is none."""
    if evidence.test.champion is None:
        return []
    rules = limits.better
    found = compare_set(evidence.test, rules, seed)
    checks = [_check_non_inferior(found, rules), _check_superior("superior", found, rules)]
    if evidence.feedback is not None:
        checks.append(_check_feedback(evidence.feedback, rules, seed))
    objection = _question_equality(found, rules)
    return [*checks, check_cheaper(evidence.costs, evidence.champion_costs, objection, rules)]


def _check_non_inferior(found: HitDifference, rules: BetterLimits) -> Check:
    margin = f"the margin of {100 * rules.margin:.2f}"
    verdict: Answer
    if isnan(found.lower):
        verdict, word = "insufficient", _describe_few(found)
    elif found.lower > -rules.margin:
        verdict, word = "pass", f"not worse by more than {margin}"
    else:
        verdict, word = "fail", f"it may be worse by more than {margin}"
    detail = f"{describe_hits(found, 'test images')}, at worst {_write_bound(found)}: {word}"
    return _make_check("non_inferior", "test", found, verdict, detail, limit=-rules.margin)


def _check_superior(name: str, found: HitDifference, rules: BetterLimits) -> Check:
    images = "test images" if name == "superior" else "feedback images"
    p = exact_mcnemar(found.wins, found.losses)
    verdict: Answer
    if isnan(found.lower):
        verdict, word = "insufficient", _describe_few(found)
    elif p <= rules.significance and found.lower > 0:
        verdict, word = "pass", f"better beyond chance (p = {p:.2g})"
    else:
        verdict, word = "fail", _describe_shortfall(found, p, rules.significance)
    detail = f"{describe_hits(found, images)}: {word}"
    where = "test" if name == "superior" else "feedback"
    return _make_check(name, where, found, verdict, detail, p=p, limit=0.0, blocks=False)


def _check_feedback(feedback: ScoredSet, rules: BetterLimits, seed: int) -> Check:
    if len(feedback.labels):
        return _check_superior("feedback", compare_set(feedback, rules, seed), rules)
    return Check(
        id="better.feedback",
        slice="feedback",
        n=0,
        verdict="insufficient",
        detail="the feedback holds no images",
        blocks=False,
    )


def _describe_shortfall(found: HitDifference, p: float, significance: float) -> str:
    if found.wins == found.losses:
        return "a tie, and a tie keeps the champion"
    if found.wins < found.losses:
        return "not better but worse"
    if p <= significance:
        return (
            f"more than chance image by image (p = {p:.2g}), but drawn again, by writer "
            f"where known, the gain may be {_write_bound(found)}"
        )
    differ = found.wins + found.losses
    needed = needed_wins(differ, significance)
    if needed is None:
        return f"{differ} images that differ are too few to tell from chance (p = {p:.2g})"
    return f"may be chance (p = {p:.2g}): of {differ:,} images that differ it takes {needed:,}"


def _describe_few(found: HitDifference) -> str:
    return f"{found.clusters} writers or images are too few to say how far chance goes"


def _question_equality(found: HitDifference, rules: BetterLimits) -> str | None:
    """Return why the two can't be called equal; None where they can.

    A bootstrap can't show losses that never occurred: n images without one still leave
    room for a share of 1 - significance ** (1 / n), which must be within the margin.
    """
    if not found.lower > -rules.margin:
        return "the accuracies are not shown to be equal"
    if exact_mcnemar(found.losses, found.wins) <= rules.significance:
        return "it is significantly worse, if within the margin"
    unseen = 1 - rules.significance ** (1 / found.n)
    if unseen > rules.margin:
        return (
            f"{found.n:,} images can't show two models equal within "
            f"{100 * rules.margin:.2f} points, only within {100 * unseen:.2f}"
        )
    return None


def _write_bound(found: HitDifference) -> str:
    return write_points(found.lower)


def _make_check(
    name: str,
    where: str,
    found: HitDifference,
    verdict: Answer,
    detail: str,
    **more: Any,
) -> Check:
    known = not isnan(found.lower)
    return Check(
        id=f"better.{name}",
        slice=where,
        n=found.n,
        challenger=found.challenger,
        champion=found.champion,
        delta=found.delta,
        interval=(found.lower, found.upper) if known else None,
        verdict=verdict,
        detail=detail,
        **more,
    )
