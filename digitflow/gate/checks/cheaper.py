"""Does an equal challenger cost clearly less?"""

from math import isfinite

from digitflow.config.gate import BetterLimits
from digitflow.errors import InputError
from digitflow.evaluation.evidence import Costs
from digitflow.gate.check import Answer, Check, write_percent

# Latencies of one and the same model differ by so much between two measurements.
SLACK = 1.05


def check_cheaper(
    ours: Costs | None, theirs: Costs | None, objection: str | None, rules: BetterLimits
) -> Check:
    """Ask whether median latency or bytes fell by `cheaper`, and the other did not rise.

    Parameters
    ----------
    ours, theirs : Costs or None
        Of challenger and champion; None where they were not measured.
    objection : str or None
        Why the two don't count as equally good; None where they do.

    Raises
    ------
    InputError
        If a cost is no positive number.
    """
    if ours is None or theirs is None:
        return Check(
            id="better.cheaper",
            slice="cost",
            verdict="insufficient",
            detail="the costs of both models were not measured",
            blocks=False,
        )
    for costs in (ours, theirs):
        _require_positive(costs)
    latency, size = ours.latency_ms / theirs.latency_ms, ours.bytes / theirs.bytes
    cheap = (latency <= 1 - rules.cheaper and size <= 1) or (
        size <= 1 - rules.cheaper and latency <= SLACK
    )
    detail = f"latency {_write_change(latency)}, file {_write_change(size)}: "
    detail += _conclude(cheap, objection, rules)
    verdict: Answer = "pass" if cheap and objection is None else "fail"
    if latency <= size:
        figures = "latency", ours.latency_ms, theirs.latency_ms
    else:
        figures = "bytes", ours.bytes, theirs.bytes
    return _compare_figures(*figures, rules.cheaper, verdict, detail)


def _conclude(cheap: bool, objection: str | None, rules: BetterLimits) -> str:
    if not cheap:
        return f"not cheaper by {write_percent(rules.cheaper)}"
    return "equal and cheaper" if objection is None else f"cheaper, but {objection}"


def _require_positive(costs: Costs) -> None:
    for name in ("latency_ms", "bytes"):
        cost = getattr(costs, name)
        if not (isfinite(cost) and cost > 0):
            raise InputError(f"{name} must be a positive number to compare costs, got {cost}")


def _write_change(ratio: float) -> str:
    return f"{100 * (ratio - 1) + 0.0:+.0f} %"


def _compare_figures(
    where: str, ours: float, theirs: float, cheaper: float, verdict: Answer, detail: str
) -> Check:
    return Check(
        id="better.cheaper",
        slice=where,
        challenger=ours,
        champion=theirs,
        delta=ours - theirs,
        limit=theirs * (1 - cheaper),
        verdict=verdict,
        detail=detail,
        blocks=False,
    )
