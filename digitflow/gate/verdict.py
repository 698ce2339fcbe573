"""From evidence to a verdict on a challenger. No I/O."""

import logging
from collections.abc import Iterable, Iterator
from math import isfinite
from typing import Literal

import numpy as np

from digitflow.catalogue import CHECKS
from digitflow.config.gate import GateLimits
from digitflow.errors import InputError, TestSetChanged
from digitflow.evaluation.evidence import Evidence, ScoredSet, TestScore, score_predictions
from digitflow.formatting import format_count
from digitflow.gate.check import Check
from digitflow.store.references import Record


def check_sets(evidence: Evidence, n: int, has_champion: bool) -> list[Check]:
    """Return an error for each thing that makes the scored samples unfit; none when they fit.

    Parameters
    ----------
    n : int
        Test images that the comparison is about.
    has_champion : bool
        Whether the comparison names a champion.
    """
    return _list_errors(_find_problems(evidence, n, has_champion))


def check_costs(evidence: Evidence) -> list[Check]:
    """Return an error for each cost that is no number, or under 0."""
    return _list_errors(_find_wrong_costs(evidence))


def _list_errors(problems: Iterable[tuple[str, str]]) -> list[Check]:
    return [
        Check(id="evidence", slice=where, verdict="error", detail=detail)
        for where, detail in problems
    ]


def _find_wrong_costs(evidence: Evidence) -> Iterator[tuple[str, str]]:
    records = {
        "challenger's costs": evidence.costs,
        "champion's costs": evidence.champion_costs,
    }
    for where, costs in records.items():
        for name, cost in () if costs is None else costs:
            if cost is not None and not (isfinite(cost) and cost >= 0):
                yield "costs", f"the {where}: {name} must be a number from 0, got {cost}"


def _find_problems(evidence: Evidence, n: int, has_champion: bool) -> Iterator[tuple[str, str]]:
    if len(evidence.test.targets) != n:
        yield (
            "test",
            f"the comparison is about {n:,} test samples, "
            f"the evidence about {len(evidence.test.targets):,}",
        )
    yield from _find_in_set("test", evidence.test, has_champion)
    # Feedback without a single sample is not broken, it only says nothing.
    if evidence.feedback is not None and len(evidence.feedback.targets):
        yield from _find_in_set("feedback", evidence.feedback, has_champion)


def _find_in_set(
    where: str, scored: ScoredSet, has_champion: bool
) -> Iterator[tuple[str, str]]:
    if (scored.champion is not None) != has_champion:
        names = "a champion" if has_champion else "no champion"
        yield where, f"the comparison names {names}, its predictions say otherwise"
    for who in ("challenger", "champion"):
        predictions = getattr(scored, who)
        if predictions is None:
            continue
        try:
            scored.check_predictions(predictions)
        except InputError as exc:
            yield where, f"the {who}'s predictions can't be judged: {exc}"
    for name in ("writers", "series"):
        numbers = getattr(scored, name)
        if numbers is not None and not _numbers_rows(numbers, len(scored.targets)):
            yield where, f"{name} must be {len(scored.targets):,} whole numbers"
    for name, rows in scored.slices.items():
        if rows.shape != scored.targets.shape or rows.dtype != np.bool_:
            yield where, f"the slice {name} must say yes or no of {len(scored.targets):,} rows"


def _numbers_rows(numbers: np.ndarray, n: int) -> bool:
    return numbers.shape == (n,) and np.issubdtype(numbers.dtype, np.integer)


Outcome = Literal["bootstrap", "promote", "keep", "unchanged", "reject"]
# Any one of these is enough to replace a champion that the challenger is not worse than.
REASONS = ("superior", "feedback", "cheaper")
# What is named first when several checks stop a promotion.
GRAVEST = ("error", "fail", "insufficient")

logger = logging.getLogger(__name__)


class Comparison(Record):
    """Who is judged against whom, on which test samples.

    Attributes
    ----------
    test_digest : str
        By which the frozen test samples are known.
    n : int
        How many they are.
    challenger_digest : str
        Of the model's file.
    champion_digest, champion_version, champion_entry : str, str, int, or None
        The champion's file, its version, and the entry of the history that it is champion
        by: a promotion names that entry again. None where there is no champion.
    looks : int
        How many different challengers were judged on these test samples, this one included.
    """

    test_digest: str
    n: int
    challenger_digest: str
    champion_digest: str | None = None
    champion_version: str | None = None
    champion_entry: int | None = None
    looks: int = 1


class Verdict(Record):
    """What becomes of a challenger, and why.

    `outcome` is "bootstrap" (it becomes the first champion), "promote" (it replaces the
    champion), "keep" (the champion stays), "unchanged" (it is the champion) or "reject"
    (there is no champion, and this one isn't fit to be the first). `reason` is one sentence.
    """

    outcome: Outcome
    reason: str
    checks: tuple[Check, ...]
    comparison: Comparison
    challenger: TestScore
    champion: TestScore | None = None

    @property
    def promoted(self) -> bool:
        """Whether the challenger is to become champion."""
        return self.outcome in ("bootstrap", "promote")

    @property
    def champion_version(self) -> str | None:
        """The version it was judged against; None where there was no champion."""
        return self.comparison.champion_version


def judge(evidence: Evidence, comparison: Comparison, limits: GateLimits, seed: int) -> Verdict:
    """Decide whether a challenger becomes champion.

    Every check that the config names is made, whatever the others say. Nothing is promoted
    where one of them stops it, where none passes, or, against a champion, without one of
    the reasons: superior on the test samples, superior on the feedback, equal and cheaper.
    Evidence that can't be used is an answer too ("error"), not an exception.

    Parameters
    ----------
    evidence : Evidence
        Both models on the same test samples, and what else was measured.
    comparison : Comparison
        Whom the evidence is about.
    limits : GateLimits
        The config's section `gate`.
    seed : int
        Of the bootstrap: the same evidence and seed, the same verdict.
    """
    same = comparison.challenger_digest == comparison.champion_digest
    checks = () if same else _ask_checks(evidence, comparison, limits, seed)
    has_champion = comparison.champion_digest is not None
    outcome, reason = _conclude(checks, has_champion, same)
    return Verdict(
        outcome=outcome,
        reason=reason,
        checks=checks,
        comparison=comparison,
        challenger=_score(evidence, evidence.test.challenger, comparison),
        champion=_score_champion(evidence, comparison),
    )


def declined(verdict: Verdict, reason: str) -> Verdict:
    """Turn a promotion that a person refused into its opposite; `reason` says who and why."""
    outcome = "reject" if verdict.comparison.champion_digest is None else "keep"
    return verdict.model_copy(update={"outcome": outcome, "reason": reason})


def require_same_test(recorded: str, current: str) -> None:
    """Refuse to compare scores on different test samples.

    Parameters
    ----------
    recorded, current : str
        Digests of the test samples of the champion's score and of this run.

    Raises
    ------
    TestSetChanged
        If they differ.
    """
    if recorded == current:
        return
    raise TestSetChanged(
        f"the champion was judged on the test samples {recorded}, this run has {current}; "
        "their scores can't be compared, and the champion stays. To judge the champion "
        "again on the new samples, run with --accept-new-test, or set "
        "gate.accept_new_test: true in the config."
    )


def _ask_checks(
    evidence: Evidence, comparison: Comparison, limits: GateLimits, seed: int
) -> tuple[Check, ...]:
    # Nothing else is worth asking of samples that can't be judged.
    unusable = check_sets(evidence, comparison.n, comparison.champion_digest is not None)
    if unusable:
        return tuple(unusable)
    answers = check_costs(evidence)
    for name in limits.checks:
        answers += _ask_check(name, evidence, limits, seed)
    return tuple(answers)


def _ask_check(name: str, evidence: Evidence, limits: GateLimits, seed: int) -> list[Check]:
    try:
        return run_check(name, evidence, limits, seed)
    except Exception as exc:  # whatever a check dies of, the challenger has not passed it
        logger.warning("the check %s could not be made", name, exc_info=exc)
        detail = f"the check {name} could not be made: {exc or type(exc).__name__}"
        return [Check(id=name, slice="all", verdict="error", detail=detail)]


def _conclude(checks: tuple[Check, ...], has_champion: bool, same: bool) -> tuple[Outcome, str]:
    if same:
        return "unchanged", "this is the champion"
    stay: Outcome = "keep" if has_champion else "reject"
    stopping = [check for check in checks if check.stops]
    if stopping:
        return stay, _name_gravest(stopping)
    if not any(check.passed for check in checks):
        return stay, "no check passed: nothing shows that it is fit"
    if not has_champion:
        return "bootstrap", f"the first champion, by absolute checks only: {checks[0].detail}"
    found = {check.question: check for check in checks if check.question in REASONS}
    for name in REASONS:
        if name in found and found[name].passed:
            return "promote", found[name].detail
    return stay, _explain_keeping(found)


def _name_gravest(stopping: list[Check]) -> str:
    first = min(stopping, key=lambda check: GRAVEST.index(check.verdict))
    others = len(stopping) - 1
    more = f" ({format_count(others, 'more check')} against it)" if others else ""
    return first.detail + more


def _explain_keeping(found: dict[str, Check]) -> str:
    if "superior" not in found:
        return "no check asks whether it is better: nothing could show that"
    return f"not shown to be better: {found['superior'].detail}"


def _score_champion(evidence: Evidence, comparison: Comparison) -> TestScore | None:
    digest = comparison.champion_digest
    if digest is None:
        return None
    theirs = evidence.test.champion
    # The champion judged against itself was read once.
    if theirs is None and digest == comparison.challenger_digest:
        theirs = evidence.test.challenger
    return _score(evidence, theirs, comparison, digest)


def _score(
    evidence: Evidence,
    predictions: np.ndarray | None,
    comparison: Comparison,
    digest: str | None = None,
) -> TestScore:
    model = digest or comparison.challenger_digest
    return score_predictions(model, comparison.test_digest, evidence.test, predictions)


def run_check(name: str, evidence: Evidence, limits: GateLimits, seed: int) -> list[Check]:
    """Ask one check; it may raise whatever the evidence makes it raise."""
    answers: list[Check] = CHECKS.load(name).run(evidence, limits, seed)
    return answers
