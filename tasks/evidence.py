"""What the gate wants to know of a challenger beside what it reads in the test images."""

from digitflow.config.gate import RobustnessLimits
from digitflow.data.sets import ImageSet
from digitflow.evaluation import costs, robustness
from digitflow.evaluation.evidence import Costs, Share
from digitflow.models import golden
from digitflow.models.bundle import LoadCheck, ModelBundle
from digitflow.store.references import ModelRef
from tasks.caching import cached_task
from tasks.context import current_run


@cached_task(run_name="read altered test images")
def score_altered(
    model: ModelRef, test: ImageSet, limits: RobustnessLimits, seed: int
) -> dict[str, Share]:
    """Alter a sample of the test images and read it, the way pictures are read."""
    run = current_run()
    return run.workers.run(
        robustness.score_altered,
        run.store,
        model,
        test,
        tuple(limits.floors),
        limits.images,
        seed,
        run.workers.threads_each,
    )


@cached_task(run_name="load in a fresh process")
def check_loading(bundle: ModelBundle) -> LoadCheck:
    """Load the model where nothing is but the package; it must repeat what it read."""
    return golden.check_golden(current_run().store, bundle.model, bundle.golden)


@cached_task(run_name="measure costs")
def measure_costs(models: tuple[ModelRef, ...], test: ImageSet) -> list[Costs]:
    """Time models in turns, so that all of them meet the same machine."""
    run = current_run()
    return run.workers.run(costs.measure_costs, run.store, models, test)
