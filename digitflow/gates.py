"""From scores on the frozen test images to a verdict on a challenger. No I/O."""

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict

from digitflow.config import GateLimits
from digitflow.errors import TestSetChanged
from digitflow.evaluation.scoring import TestScore

Outcome = Literal["bootstrap", "promote", "keep", "unchanged", "reject"]


class _Record(BaseModel):
    # "constants": a NaN survives being written as JSON and read again.
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class Check(_Record):
    """One question of the gate, with the figures that answer it.

    `challenger`, `champion` and `limit` are accuracies in 0..1, `interval` is the
    challenger's; None where there is no such figure.
    """

    id: str
    challenger: float
    champion: float | None
    limit: float | None
    interval: tuple[float, float]
    verdict: Literal["pass", "fail"]
    detail: str


class Verdict(_Record):
    """What becomes of a challenger, and why.

    `outcome` is "bootstrap" (it becomes the first champion), "promote" (it replaces the
    champion), "keep" (the champion stays), "unchanged" (it is the champion) or "reject"
    (there is no champion, and this one isn't fit to be the first). `reason` is one sentence.
    """

    outcome: Outcome
    reason: str
    checks: tuple[Check, ...]
    challenger: TestScore
    champion: TestScore | None = None
    champion_version: str | None = None

    @property
    def promoted(self) -> bool:
        """Whether the challenger is to become champion."""
        return self.outcome in ("bootstrap", "promote")


def judge(
    challenger: TestScore,
    champion: TestScore | None,
    limits: GateLimits,
    champion_version: str | None = None,
) -> Verdict:
    """Decide whether a challenger becomes champion.

    It must reach the floor and, where there is a champion, be right on more of the same
    test images: a tie keeps the champion. A score that can't be used never passes.

    Parameters
    ----------
    challenger, champion : TestScore
        Scores on the same test images; champion None where there is none yet.
    limits : GateLimits
        The config's section `gate`.
    champion_version : str, optional
        The champion's version in the registry; the promotion names it again.

    Raises
    ------
    TestSetChanged
        If the champion was scored on other test images.
    """
    if champion is not None:
        require_same_test(champion.test_digest, challenger.test_digest)
    same = champion is not None and champion.model_digest == challenger.model_digest
    checks = [_check_usable(challenger, champion), _check_floor(challenger, champion, limits)]
    if champion is not None and not same:
        checks.append(_check_better(challenger, champion, champion_version))
    outcome, reason = _conclude(checks, champion is not None, same)
    return Verdict(
        outcome=outcome,
        reason=reason,
        checks=tuple(checks),
        challenger=challenger,
        champion=champion,
        champion_version=champion_version,
    )


def _conclude(checks: list[Check], has_champion: bool, same: bool) -> tuple[Outcome, str]:
    if same:
        return "unchanged", "unchanged: this is the champion"
    for check in checks:
        if check.verdict == "fail":
            return "keep" if has_champion else "reject", check.detail
    return "promote" if has_champion else "bootstrap", checks[-1].detail


def require_same_test(recorded: str, current: str, limits: GateLimits | None = None) -> None:
    """Refuse to compare scores on different test images.

    Parameters
    ----------
    recorded, current : str
        Digests of the test images of the champion's score and of this run.
    limits : GateLimits, optional
        With `accept_new_test` a difference is accepted here; the champion must then be
        scored again on the current images before `judge` compares.

    Raises
    ------
    TestSetChanged
        If they differ and that was not accepted.
    """
    if recorded == current or (limits is not None and limits.accept_new_test):
        return
    raise TestSetChanged(
        f"the champion was judged on the test images {recorded}, this run has {current}; "
        "their scores can't be compared, and the champion stays. To judge the champion "
        "again on the new images, run with --accept-new-test, or set "
        "gate.accept_new_test: true in the config."
    )


def _check_usable(challenger: TestScore, champion: TestScore | None) -> Check:
    problems = [f"the challenger's score {what}" for what in _find_problems(challenger)]
    if champion is not None:
        problems += [f"the champion's score {what}" for what in _find_problems(champion)]
        if champion.n != challenger.n:
            problems.append(
                f"the champion was scored on {champion.n:,} images, "
                f"the challenger on {challenger.n:,}"
            )
    detail = "; ".join(problems) or f"scored on {challenger.n:,} test images"
    return _make_check("usable", challenger, champion, None, not problems, detail)


def _find_problems(score: TestScore) -> list[str]:
    problems = []
    if score.n == 0:
        problems.append("is of no images at all")
    elif score.correct > score.n:
        problems.append(f"has {score.correct:,} of {score.n:,} images right")
    if not all(math.isfinite(bound) for bound in score.interval):
        problems.append(f"has the interval {score.interval}")
    return problems


def _check_floor(
    challenger: TestScore, champion: TestScore | None, limits: GateLimits
) -> Check:
    passed = challenger.accuracy >= limits.min_accuracy  # False for NaN
    place = "at or above" if passed else "under"
    detail = f"{_describe(challenger)}, {place} the floor of {_percent(limits.min_accuracy)}"
    return _make_check("floor", challenger, champion, limits.min_accuracy, passed, detail)


def _check_better(challenger: TestScore, champion: TestScore, version: str | None) -> Check:
    # Counts on the same images, not shares: whole numbers compare exactly.
    gain = challenger.correct - champion.correct
    name = "the champion" if version is None else f"the champion, version {version}"
    if gain == 0:
        detail = f"a tie: {_describe(challenger)}, as {name} does; a tie keeps the champion"
    else:
        word = "more" if gain > 0 else "fewer"
        detail = (
            f"{_describe(challenger)}, {abs(gain):,} {word} than {name} "
            f"({_percent(champion.accuracy)})"
        )
    limit = champion.accuracy
    return _make_check("better", challenger, champion, limit, gain > 0, detail)


def _make_check(
    name: str,
    challenger: TestScore,
    champion: TestScore | None,
    limit: float | None,
    passed: bool,
    detail: str,
) -> Check:
    return Check(
        id=name,
        challenger=challenger.accuracy,
        champion=None if champion is None else champion.accuracy,
        limit=limit,
        interval=challenger.interval,
        verdict="pass" if passed else "fail",
        detail=detail,
    )


def _describe(score: TestScore) -> str:
    return (
        f"the challenger reads {score.correct:,} of {score.n:,} test images right "
        f"({_percent(score.accuracy)})"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"
