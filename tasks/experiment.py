"""Compute one experiment of a study."""

from collections.abc import Mapping

from digitflow.studies.plan import Experiment, Findings, StudyData, compute
from tasks.caching import cached_task
from tasks.context import current_run


@cached_task(
    run_name="{section}: {name}",
    modules=lambda inputs: (inputs["experiment"].module,),
    ignore=("section", "name"),
)
def run_experiment(
    section: str,
    name: str,
    experiment: Experiment,
    data: StudyData,
    given: Mapping[str, Findings],
    seed: int,
) -> Findings:
    """Compute it in a process of its own; `section` and `name` only say what it is called."""
    workers = current_run().workers
    return workers.run(
        compute,
        current_run().store,
        experiment,
        data,
        given,
        seed,
        workers.threads_each,
        time_limit=experiment.time_limit,
    )
