"""Is the challenger right where the picture is moved, turned, blurred or noisy?"""

from digitflow.config.gate import DigitsLimits
from digitflow.errors import InputError
from digitflow.evaluation.evidence import Evidence, Share
from digitflow.evaluation.resampling import wilson_interval
from digitflow.formatting import format_share
from digitflow.gate.check import Check


def run(evidence: Evidence, limits: DigitsLimits, seed: int) -> list[Check]:
    """Hold the accuracy on altered test images to the floor of each alteration."""
    return [
        _check_alteration(name, evidence.robustness.get(name), floor)
        for name, floor in limits.robustness.floors.items()
    ]


def _check_alteration(name: str, share: Share | None, floor: float) -> Check:
    if share is None or share.n == 0:
        return Check(
            id="robustness.floors",
            slice=name,
            n=0,
            limit=floor,
            verdict="insufficient",
            detail=f"no images were altered by {name}",
        )
    if not 0 <= share.correct <= share.n:
        raise InputError(f"{name}: {share.correct:,} of {share.n:,} images right")
    reached = share.correct / share.n >= floor
    place = "at or above" if reached else "under"
    return Check(
        id="robustness.floors",
        slice=name,
        n=share.n,
        challenger=share.correct / share.n,
        interval=wilson_interval(share.correct, share.n),
        limit=floor,
        verdict="pass" if reached else "fail",
        detail=f"{name}: {share.correct:,} of {share.n:,} altered images right "
        f"({format_share(share.correct / share.n)}), {place} the floor of "
        f"{format_share(floor)}",
    )
