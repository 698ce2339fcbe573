"""Run a plan in this process, one experiment after another: for a notebook or a test."""

from collections.abc import Sequence

from digitflow.errors import InputError, list_some
from digitflow.store.artifacts import Store
from digitflow.studies.plan import Experiment, Findings, StudyData, compute


def run_plan(
    store: Store, plan: Sequence[Experiment], data: StudyData, seed: int, threads: int = 1
) -> dict[str, Findings]:
    """Compute experiments in their order; return what they found, by their names.

    Raises
    ------
    InputError
        If two experiments have one name, or one needs what is not before it.
    """
    check_plan(plan)
    found: dict[str, Findings] = {}
    for experiment in plan:
        given = {name: found[name] for name in experiment.needs}
        found[experiment.name] = compute(store.root, experiment, data, given, seed, threads)
    return found


def check_plan(plan: Sequence[Experiment]) -> None:
    """Raise `InputError` unless names are unique, and what is needed comes before."""
    before: set[str] = set()
    for experiment in plan:
        missing = [name for name in experiment.needs if name not in before]
        if missing:
            raise InputError(f"{experiment.name} needs {list_some(missing)}, planned before it")
        if experiment.name in before:
            raise InputError(
                f"two experiments are called {experiment.name!r}, give one another name"
            )
        before.add(experiment.name)
