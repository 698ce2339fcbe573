"""Whether evidence can be judged at all: shapes, numbers, and a champion or none."""

from collections.abc import Iterable, Iterator
from math import isfinite

import numpy as np

from digitflow.errors import InputError
from digitflow.evaluation.evidence import Evidence, ScoredSet
from digitflow.evaluation.metrics import check_predictions
from digitflow.gate.check import Check


def check_sets(evidence: Evidence, n: int, has_champion: bool) -> list[Check]:
    """Return an error for each thing that makes the scored images unfit; none when they fit.

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
    if len(evidence.test.labels) != n:
        yield (
            "test",
            f"the comparison is about {n:,} test images, "
            f"the evidence about {len(evidence.test.labels):,}",
        )
    yield from _find_in_set("test", evidence.test, has_champion)
    # Feedback without a single image is not broken, it only says nothing.
    if evidence.feedback is not None and len(evidence.feedback.labels):
        yield from _find_in_set("feedback", evidence.feedback, has_champion)


def _find_in_set(
    where: str, scored: ScoredSet, has_champion: bool
) -> Iterator[tuple[str, str]]:
    if (scored.champion is not None) != has_champion:
        names = "a champion" if has_champion else "no champion"
        yield where, f"the comparison names {names}, its probabilities say otherwise"
    for who in ("challenger", "champion"):
        probabilities = getattr(scored, who)
        if probabilities is None:
            continue
        try:
            check_predictions(scored.labels, probabilities)
        except InputError as exc:
            yield where, f"the {who}'s probabilities can't be judged: {exc}"
    for name in ("writers", "series"):
        numbers = getattr(scored, name)
        if numbers is not None and not _numbers_rows(numbers, len(scored.labels)):
            yield where, f"{name} must be {len(scored.labels):,} whole numbers"


def _numbers_rows(numbers: np.ndarray, n: int) -> bool:
    return numbers.shape == (n,) and np.issubdtype(numbers.dtype, np.integer)
