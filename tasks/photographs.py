"""Read what others wrote, from photographs."""

from digitflow.evaluation import robustness
from digitflow.evaluation.evidence import Share
from digitflow.evaluation.robustness import Photographed
from digitflow.store.references import ModelRef
from tasks.caching import cached_task
from tasks.context import current_run


@cached_task(run_name="photograph other hands")
def photograph_digits(each: int, seed: int) -> dict[str, Photographed]:
    """Photograph digits that no source of ours trains on, once for all models."""
    run = current_run()
    return run.workers.run(robustness.photograph_digits, run.store, each, seed)


@cached_task(run_name="read other hands")
def read_photographs(model: ModelRef, series: dict[str, Photographed]) -> dict[str, Share]:
    """Read the photographs with one model."""
    run = current_run()
    threads = run.workers.threads_each
    return run.workers.run(robustness.read_photographs, run.store, model, series, threads)
