"""Does the challenger load in a fresh process, and read there as it did here?"""

from digitflow.config.gate import GateLimits
from digitflow.errors import list_some
from digitflow.evaluation.evidence import Evidence
from digitflow.gate.check import Answer, Check
from digitflow.models.bundle import LoadCheck


def run(evidence: Evidence, limits: GateLimits, seed: int) -> list[Check]:
    """Ask whether the golden predictions were repeated."""
    verdict, detail = _answer(evidence.loads)
    return [
        Check(
            id="loads.repeats",
            slice="golden",
            n=None if evidence.loads is None else evidence.loads.n,
            verdict=verdict,
            detail=detail,
        )
    ]


def _answer(tried: LoadCheck | None) -> tuple[Answer, str]:
    if tried is None:
        return "insufficient", "it was not loaded in a fresh process"
    if tried.error is not None:
        return "fail", f"a fresh process could not repeat its predictions: {tried.error}"
    if tried.n == 0:
        return "insufficient", "there are no golden samples to repeat"
    how = "to the bit" if tried.exact else "within 1e-6"
    if tried.repeated and tried.largest_difference >= 0:
        lent = f", trusting {list_some(tried.trusted)}" if tried.trusted else ""
        return "pass", f"a fresh process repeats {tried.n:,} golden predictions {how}{lent}"
    return "fail", (
        f"a fresh process does not repeat {tried.n:,} golden predictions {how}: "
        f"{tried.labels_differ:,} labels differ, probabilities by up to "
        f"{tried.largest_difference:.2g}"
    )
