"""Is the challenger good enough, whatever the champion is?"""

from digitflow.config.gate import ClassificationLimits
from digitflow.evaluation.evidence import Evidence
from digitflow.evaluation.resampling import wilson_interval
from digitflow.formatting import format_share
from digitflow.gate.check import Check


def run(evidence: Evidence, limits: ClassificationLimits, seed: int) -> list[Check]:
    """Hold the accuracy on the test samples to `floor.min_accuracy`."""
    hits = evidence.test.challenger.argmax(axis=1) == evidence.test.targets
    n, correct, floor = len(hits), int(hits.sum()), limits.floor.min_accuracy
    reached = correct / n >= floor
    place = "at or above" if reached else "under"
    return [
        Check(
            id="floor.min_accuracy",
            slice="test",
            n=n,
            challenger=correct / n,
            interval=wilson_interval(correct, n),
            limit=floor,
            verdict="pass" if reached else "fail",
            detail=f"the challenger has {correct:,} of {n:,} test samples right "
            f"({format_share(correct / n)}), {place} the floor of {format_share(floor)}",
        )
    ]
