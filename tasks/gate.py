"""Judge the challenger, and promote it when the verdict says so."""

from typing import Any

from digitflow import gates, registry
from digitflow.artifacts import ModelRef
from digitflow.config import GateLimits
from digitflow.gates import TestScore, Verdict
from digitflow.registry import Champion
from tasks.caching import plain_task
from tasks.context import current_run


@plain_task(run_name="find the champion")
def find_champion(model: str) -> Champion | None:
    """Return the registered champion, or None before the first promotion."""
    return registry.read_champion(current_run().store, model)


@plain_task(run_name="gate")
def judge_challenger(
    challenger: TestScore,
    champion: Champion | None,
    champion_score: TestScore | None,
    limits: GateLimits,
) -> Verdict:
    """Compare challenger and champion on the same frozen test images."""
    version = None if champion is None else champion.version
    return gates.judge(challenger, champion_score, limits, version)


@plain_task(run_name="promote")
def promote_challenger(
    model: str, challenger: ModelRef, verdict: Verdict, facts: dict[str, Any]
) -> Champion | None:
    """Make the challenger champion if the verdict says so; return who is champion now."""
    store = current_run().store
    if not verdict.promoted:
        return registry.read_champion(store, model)
    return registry.promote(store, model, challenger, verdict=verdict, **facts)
