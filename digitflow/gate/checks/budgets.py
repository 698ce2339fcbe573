"""Does the challenger stay within what a model may cost?"""

from digitflow.config.gate import GateLimits
from digitflow.evaluation.evidence import Costs, Evidence
from digitflow.gate.check import Answer, Check

MEGABYTE = 1e6
UNITS = {
    "latency_p95_ms": "processor ms for one sample (95th percentile)",
    "megabytes": "MB of file",
    "memory_mb": "MB of memory",
    "fit_cpu_seconds": "processor s of training",
}


def run(evidence: Evidence, limits: GateLimits, seed: int) -> list[Check]:
    """Hold latency, size, memory and training time to their budgets."""
    spent = _list_costs(evidence.costs)
    latency, *others = (
        _check_budget(name, spent[name], getattr(limits.budgets, name)) for name in UNITS
    )
    return [_doubt(latency, evidence.costs), *others]


def _doubt(latency: Check, costs: Costs | None) -> Check:
    """Say what the machine did meanwhile; what it let nobody measure well only warns."""
    if costs is None:
        return latency
    detail = f"{latency.detail}; others used {100 * costs.busy:.0f} % of the processors"
    if latency.verdict != "fail" or costs.steady:
        return latency.model_copy(update={"detail": detail})
    detail += ", and the figure still fell: it could not be measured well"
    return latency.model_copy(update={"detail": detail, "verdict": "warn"})


def _list_costs(costs: Costs | None) -> dict[str, float | None]:
    if costs is None:
        return dict.fromkeys(UNITS)
    return {
        "latency_p95_ms": costs.latency_p95_ms,
        "megabytes": costs.bytes / MEGABYTE,
        "memory_mb": costs.memory_mb,
        "fit_cpu_seconds": costs.fit_cpu_seconds,
    }


def _check_budget(name: str, cost: float | None, budget: float) -> Check:
    verdict, word = _answer(cost, budget)
    figure = name if cost is None else f"{cost:,.4g} {UNITS[name]}"
    return Check(
        id=f"budgets.{name}",
        slice="cost",
        challenger=cost,
        limit=budget,
        verdict=verdict,
        detail=f"{figure}{word}",
    )


def _answer(cost: float | None, budget: float) -> tuple[Answer, str]:
    if cost is None:
        return "insufficient", " was not measured"
    if cost <= budget:
        return "pass", f", within the budget of {budget:,g}"
    return "fail", f", over the budget of {budget:,g}"
