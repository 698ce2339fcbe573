"""Is the challenger worse where the whole does not show it?

Classes, series of writers, the most confused pairs and the feedback, each by an exact
one-sided test, all of them together at one error rate (Holm).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from digitflow.config.gate import ClassificationLimits, SliceLimits
from digitflow.evaluation.comparison import bound_paired_difference, exact_mcnemar, holm
from digitflow.evaluation.evidence import Evidence, ScoredSet
from digitflow.formatting import format_count, format_points
from digitflow.gate.check import Answer, Check


@dataclass(frozen=True)
class _Slice:
    """n samples, and of how many only the one or only the other model is right."""

    name: str
    n: int
    ours: int
    theirs: int
    wins: int
    losses: int

    @property
    def delta(self) -> float:
        return (self.wins - self.losses) / self.n


def run(evidence: Evidence, limits: ClassificationLimits, seed: int) -> list[Check]:
    """Compare with the champion slice by slice; nothing where there is none."""
    if evidence.test.champion is None:
        return []
    found = list(_slice_test(evidence.test, limits.slices.pairs))
    if evidence.feedback is not None:
        found.append(_count("feedback", *_read_hits(evidence.feedback)))
    rules = limits.slices
    large = [part for part in found if part.n >= rules.min_samples]
    # Losses first: here the question is whether the challenger is worse.
    p_values = holm([exact_mcnemar(part.losses, part.wins) for part in large])
    adjusted = {part.name: p for part, p in zip(large, p_values, strict=True)}
    return [_check_slice(part, adjusted.get(part.name), len(large), rules) for part in found]


def _slice_test(test: ScoredSet, pairs: int) -> Iterator[_Slice]:
    ours, theirs = _read_hits(test)
    for label in range(test.challenger.shape[1]):
        rows = test.targets == label
        yield _count(f"class {label}", ours[rows], theirs[rows])
    if test.series is not None:
        for series in np.unique(test.series[test.series >= 0]).tolist():
            rows = test.series == series
            yield _count(f"series {series}", ours[rows], theirs[rows])
    for name, rows in test.slices.items():
        yield _count(name, ours[rows], theirs[rows])
    yield from _slice_pairs(test, pairs)


def _slice_pairs(test: ScoredSet, pairs: int) -> Iterator[_Slice]:
    """Yield the most confused pairs: samples of either class, right unless taken for the other.

    Chosen by both models' confusions together, so that the choice favours neither.
    """
    ours, theirs = _read_classes(test)
    labels, k = test.targets.astype(np.int64), test.challenger.shape[1]
    cells = np.concatenate([labels * k + ours, labels * k + theirs])
    counts = np.bincount(cells, minlength=k**2).reshape(k, k)
    confused = np.triu(counts + counts.T, 1)
    for flat in np.argsort(-confused, axis=None, kind="stable")[:pairs].tolist():
        low, high = divmod(flat, k)
        if confused[low, high]:
            rows = (labels == low) | (labels == high)
            other = low + high - labels[rows]
            yield _count(f"{low}/{high}", ours[rows] != other, theirs[rows] != other)


def _read_classes(scored: ScoredSet) -> tuple[np.ndarray, np.ndarray]:
    if scored.champion is None:
        raise ValueError("slices need a champion to compare with")
    return scored.challenger.argmax(axis=1), scored.champion.argmax(axis=1)


def _read_hits(scored: ScoredSet) -> tuple[np.ndarray, np.ndarray]:
    if not len(scored.targets):
        return np.empty(0, bool), np.empty(0, bool)
    ours, theirs = _read_classes(scored)
    return ours == scored.targets, theirs == scored.targets


def _count(name: str, ours: np.ndarray, theirs: np.ndarray) -> _Slice:
    wins, losses = np.count_nonzero(ours & ~theirs), np.count_nonzero(theirs & ~ours)
    right = np.count_nonzero(ours), np.count_nonzero(theirs)
    return _Slice(name, len(ours), *map(int, (*right, wins, losses)))


def _check_slice(part: _Slice, p: float | None, tested: int, rules: SliceLimits) -> Check:
    if p is None:
        return Check(
            id="slices.worse",
            slice=part.name,
            n=part.n,
            verdict="insufficient",
            detail=f"{format_count(part.n, 'sample')}, fewer than {rules.min_samples:,}",
            blocks=False,
        )
    verdict, word = _answer(part, p, tested, rules)
    return Check(
        id="slices.worse",
        slice=part.name,
        n=part.n,
        challenger=part.ours / part.n,
        champion=part.theirs / part.n,
        delta=part.delta,
        interval=bound_paired_difference(part.wins, part.losses, part.n, rules.significance),
        p=p,
        limit=-rules.margin,
        verdict=verdict,
        detail=f"{_write_name(part.name)}: {format_points(part.delta)} points on "
        f"{format_count(part.n, 'sample')} ({format_count(part.wins, 'win')}, "
        f"{format_count(part.losses, 'loss', 'losses')}){word}",
    )


def _answer(part: _Slice, p: float, tested: int, rules: SliceLimits) -> tuple[Answer, str]:
    chance = f"(p = {p:.2g} over {tested} slices)"
    if p <= rules.significance:
        return "fail", f", worse beyond chance {chance}"
    if part.delta < -rules.margin:
        return "warn", f", worse, but chance could do it {chance}"
    return "pass", ""


def _write_name(name: str) -> str:
    if "/" not in name:
        return name
    low, high = name.split("/")
    return f"{low} and {high} told apart"
