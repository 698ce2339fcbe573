"""Is a regression better than the champion? The questions of `better`, of squared errors."""

from math import isnan

import numpy as np

from digitflow.config.gate import BetterLimits, RegressionLimits
from digitflow.errors import InputError
from digitflow.evaluation.comparison import (
    ErrorDifference,
    compare_squared_errors,
    make_bootstrap,
)
from digitflow.evaluation.evidence import Evidence, ScoredSet
from digitflow.gate.check import Answer, Check
from digitflow.gate.checks.better import check_cheaper


def run(evidence: Evidence, limits: RegressionLimits, seed: int) -> list[Check]:
    """Compare with the champion; nothing where there is none."""
    test, rules = evidence.test, limits.lower_error
    if test.champion is None:
        return []
    checks = judge_errors(*list_errors(test), test.writers, rules, seed)
    objection = None if checks[0].passed else "the errors are not shown to be equal"
    if evidence.feedback is not None:
        checks.append(_check_feedback(evidence.feedback, rules, seed))
    costs = evidence.costs, evidence.champion_costs
    return [*checks, check_cheaper("lower_error.cheaper", *costs, objection, rules)]


def list_errors(scored: ScoredSet) -> tuple[np.ndarray, np.ndarray]:
    """Return predicted less true values of challenger and champion.

    Raises
    ------
    InputError
        If there is no champion.
    """
    if scored.champion is None:
        raise InputError("there is no champion to compare with")
    return scored.challenger - scored.targets, scored.champion - scored.targets


def judge_errors(
    challenger: np.ndarray,
    champion: np.ndarray,
    groups: np.ndarray | None,
    rules: BetterLimits,
    seed: int,
) -> list[Check]:
    """Compare two regressions by their mean squared errors on the same rows.

    Parameters
    ----------
    challenger, champion : float ndarray of shape (n,)
        Predicted less true value of each model.
    groups : integer ndarray of shape (n,), or None
        Rows that belong together (a writer, a district), drawn together; a negative number
        is a group of its own.
    rules : BetterLimits
        `margin` is here a share of the champion's mean squared error.
    seed : int
        Of the bootstrap.

    Returns
    -------
    list of Check
        "lower_error.non_inferior" and "lower_error.superior"; one error where the errors
        can't be compared, NaN among them.
    """
    try:
        found = compare_squared_errors(
            challenger, champion, groups, make_bootstrap(rules, seed)
        )
    except InputError as exc:
        detail = f"the errors can't be compared: {exc}"
        return [Check(id="lower_error", slice="test", verdict="error", detail=detail)]
    return [_check_non_inferior(found, rules), _check_superior("superior", found, rules)]


def _check_feedback(feedback: ScoredSet, rules: BetterLimits, seed: int) -> Check:
    drawn = make_bootstrap(rules, seed)
    try:
        found = compare_squared_errors(*list_errors(feedback), feedback.writers, drawn)
    except InputError as exc:
        return Check(
            id="lower_error.feedback",
            slice="feedback",
            n=len(feedback.targets),
            verdict="insufficient",
            detail=f"the feedback can't be compared: {exc}",
            blocks=False,
        )
    return _check_superior("feedback", found, rules)


def _check_non_inferior(found: ErrorDifference, rules: BetterLimits) -> Check:
    allowed = rules.margin * found.champion
    # At most, not less: two perfect regressions have no room between them.
    within = found.upper <= allowed
    word = "is not" if within else "may be"
    detail = f"{_describe(found)}: it {word} higher by more than {allowed:.4g}"
    verdict = _decide(found, within)
    return Check.compare(
        "lower_error.non_inferior", "test", found, verdict, detail, limit=allowed
    )


def _check_superior(name: str, found: ErrorDifference, rules: BetterLimits) -> Check:
    better = found.upper < 0 and found.p <= rules.significance
    word = "lower beyond chance" if better else "not lower beyond chance"
    detail = f"{_describe(found)}: {word} (p = {found.p:.2g})"
    verdict = _decide(found, better)
    return Check.compare(
        f"lower_error.{name}",
        "test" if name == "superior" else "feedback",
        found,
        verdict,
        detail,
        p=found.p,
        limit=0.0,
        blocks=False,
    )


def _decide(found: ErrorDifference, passed: bool) -> Answer:
    if isnan(found.upper):
        return "insufficient"
    return "pass" if passed else "fail"


def _describe(found: ErrorDifference) -> str:
    return (
        f"the mean squared error is {found.challenger:.4g}, the champion's "
        f"{found.champion:.4g}, on {found.n:,} rows"
    )
