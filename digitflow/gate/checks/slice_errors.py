"""Is a regression worse where the whole does not show it?

Each slice by the paired bootstrap of squared errors, one-sided, all of them together at one
error rate (Holm).
"""

from collections.abc import Mapping

import numpy as np

from digitflow.config.gate import RegressionLimits, SliceLimits
from digitflow.evaluation.comparison import (
    ErrorDifference,
    compare_error_slices,
    holm,
    make_bootstrap,
)
from digitflow.evaluation.evidence import Evidence, ScoredSet
from digitflow.formatting import format_count, format_figure
from digitflow.gate.check import Answer, Check
from digitflow.gate.checks.lower_error import list_errors


def run(evidence: Evidence, limits: RegressionLimits, seed: int) -> list[Check]:
    """Compare with the champion slice by slice; nothing where there is none."""
    test, rules = evidence.test, limits.slices
    if test.champion is None:
        return []
    sizes = {name: int(rows.sum()) for name, rows in test.slices.items()}
    found = _compare_large(test, test.slices, limits, seed)
    if (feedback := evidence.feedback) is not None:
        rows = np.ones(len(feedback.targets), bool)
        sizes["feedback"] = len(rows)
        found |= _compare_large(feedback, {"feedback": rows}, limits, seed)
    adjusted = dict(zip(found, holm([part.p_worse for part in found.values()]), strict=True))
    return [
        _check_slice(name, found[name], adjusted[name], len(found), rules, test.unit)
        if name in found
        else _note_small(name, size, rules)
        for name, size in sizes.items()
    ]


def _compare_large(
    scored: ScoredSet, slices: Mapping[str, np.ndarray], limits: RegressionLimits, seed: int
) -> dict[str, ErrorDifference]:
    """Compare the slices that have enough samples."""
    least = limits.slices.min_samples
    large = {name: rows for name, rows in slices.items() if rows.sum() >= least}
    if not large:
        return {}
    drawn = make_bootstrap(limits.lower_error, seed)
    return compare_error_slices(*list_errors(scored), large, scored.writers, drawn)


def _check_slice(
    name: str, found: ErrorDifference, p: float, tested: int, rules: SliceLimits, unit: str
) -> Check:
    allowed = rules.margin * found.champion
    verdict, word = _answer(found, p, allowed, tested, rules)
    roots = (
        format_figure("RMSE", value**0.5, unit) for value in (found.challenger, found.champion)
    )
    detail = f"{name}: RMSE {' for '.join(roots)} on {format_count(found.n, 'sample')}{word}"
    return Check.compare("slice_errors.worse", name, found, verdict, detail, p=p, limit=allowed)


def _answer(
    found: ErrorDifference, p: float, allowed: float, tested: int, rules: SliceLimits
) -> tuple[Answer, str]:
    chance = f"(p = {p:.2g} over {tested} slices)"
    if p <= rules.significance:
        return "fail", f", worse beyond chance {chance}"
    if found.delta > allowed:
        return "warn", f", worse, but chance could do it {chance}"
    return "pass", ""


def _note_small(name: str, size: int, rules: SliceLimits) -> Check:
    return Check(
        id="slice_errors.worse",
        slice=name,
        n=size,
        verdict="insufficient",
        detail=f"{format_count(size, 'sample')}, fewer than {rules.min_samples:,}",
        blocks=False,
    )
