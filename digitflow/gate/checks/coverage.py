"""Do prediction intervals hold as many of the true values as they promise?"""

from digitflow.config.gate import RegressionLimits
from digitflow.evaluation.evidence import Evidence
from digitflow.evaluation.resampling import wilson_interval
from digitflow.formatting import format_share
from digitflow.gate.check import Check
from digitflow.models.intervals import bound_values


def run(evidence: Evidence, limits: RegressionLimits, seed: int) -> list[Check]:
    """Hold the coverage on the test samples to the promised one, within a tolerance."""
    test, promised = evidence.test, evidence.intervals
    if promised is None:
        return [
            Check(
                id="coverage.tolerance",
                slice="test",
                verdict="insufficient",
                detail="no prediction intervals were chosen",
            )
        ]
    low, high = bound_values(test.challenger, promised)
    inside = (low <= test.targets) & (test.targets <= high)
    found, n = float(inside.mean()), len(inside)
    # Rounded: 0.92 is no more than 0.02 from 0.9, although floats say so.
    held = round(abs(found - promised.coverage), 9) <= limits.coverage.tolerance
    return [
        Check(
            id="coverage.tolerance",
            slice="test",
            n=n,
            challenger=found,
            interval=wilson_interval(int(inside.sum()), n),
            limit=limits.coverage.tolerance,
            verdict="pass" if held else "fail",
            detail=f"{format_share(found)} of {n:,} true values are within their intervals, "
            f"{format_share(promised.coverage)} are promised, "
            f"{'within' if held else 'not within'} {format_share(limits.coverage.tolerance)}",
        )
    ]
