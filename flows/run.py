"""What surrounds a flow's steps: its name, config, record, workers, progress and repairs."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from secrets import token_hex
from typing import TypeVar, cast
from uuid import UUID

import prefect.runtime
from prefect import get_client
from prefect.client.schemas import FlowRun
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterStartTime,
)
from prefect.client.schemas.objects import ConcurrencyLimitStrategy
from prefect.context import TagsContext
from prefect.exceptions import Pause
from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from digitflow.config.training import TrainConfig
from digitflow.errors import DamagedArtifact, DigitflowError
from digitflow.registry.training import resolve_config
from digitflow.registry.versions import COMMAND_LINE
from digitflow.store.artifacts import open_store
from digitflow.store.runs import find_run, open_run
from digitflow.workers.local import count_cores
from digitflow.workers.pool import open_workers
from tasks.caching import share_results
from tasks.publishing import ProgressArtifact
from tasks.wiring import RunContext, run_context

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
REPAIRS = 3
STRATEGY = ConcurrencyLimitStrategy.CANCEL_NEW
# Task threads only wait: how much is computed at once is the worker slots' business.
TASK_THREADS = cast("TaskRunner[PrefectFuture[object]]", ThreadPoolTaskRunner(max_workers=64))


def name_run(prefix: str = "") -> str:
    """Name a flow run after its model and time; names sort by time and never repeat.

    A run that is begun again, after a crash or an answer, keeps its name and its record.
    """
    begun, *_ = (prefect.runtime.flow_run.name or "nameless").split()
    if find_run(open_store(), begun) is not None:
        return begun
    try:
        model = resolve_config(prefect.runtime.flow_run.parameters["config"]).model
    except DigitflowError:
        model = "no-config"  # the flow itself fails of it, and says why
    return f"{prefix}{model}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{token_hex(2)}"


def run_job(
    work: Callable[[RunContext], Result],
    config: TrainConfig,
    job: str,
    tasks: int,
    title: str | None = None,
) -> Result:
    """Do a flow's work with a record, worker slots and progress; all end with it.

    When a stored file turns out damaged, the work is done again from the top: the file is
    out of the way by then, so that only it is computed again; the rest is cached.

    Parameters
    ----------
    job : str
        Which kind of work it is, for the record: "train", "study", ...
    tasks : int
        About how many it has.
    title : str, optional
        What its progress is called in the UI; else after the job and the model.
    """
    title = f"{job}-{config.model}" if title is None else title
    with open_job(config, job, tasks, title) as run:
        for _ in range(REPAIRS):
            try:
                return _attempt(work, run)
            except DamagedArtifact as exc:
                logger.warning("%s", exc)
                run.store.forget()
        return _attempt(work, run)


def _attempt(work: Callable[[RunContext], Result], run: RunContext) -> Result:
    """Do the work once; a task that failed, and that nobody waited for, fails it."""
    with run_context(replace(run, failures={})) as attempt:
        result = work(attempt)
    for failure in attempt.failures.values():
        raise failure
    return result


@contextmanager
def open_job(config: TrainConfig, job: str, tasks: int, title: str) -> Iterator[RunContext]:
    """Open a run's record, its worker slots and its progress; see `run_job`."""
    store = open_store()
    store.check_writable()
    store.sweep_temporary()
    share_results(store)
    budget, flow_run = config.training, prefect.runtime.flow_run
    with (
        open_run(
            store,
            flow_run.name,
            job=job,
            model=config.model,
            config=config.model_dump(mode="json"),
            cores=count_cores(),
            flow_run_id=flow_run.id,
            deployment=prefect.runtime.deployment.name or COMMAND_LINE,
        ) as log,
        open_workers(store, budget) as workers,
        show_progress(title, tasks) as progress,
        # A flow run's tags are its own: its hundred tasks need not repeat them.
        TagsContext(current_tags=set()),
    ):
        try:
            yield RunContext(store, log, workers, progress)
        except Pause:
            log.wait()
            raise


@contextmanager
def show_progress(title: str, tasks: int) -> Iterator[ProgressArtifact]:
    """Show the run's progress in the UI; it is full when the run ended well."""
    progress = ProgressArtifact(title, tasks)
    yield progress
    progress.finish()


def find_earlier_run() -> str | None:
    """Return which run of the same deployment was going on when this one was due, if any.

    A deployment whose collision strategy is CANCEL_NEW asks Prefect to cancel a run that
    comes while another is going on. Prefect looks when a worker takes the run, and a queue
    with a limit hands it out only when the first has ended: nothing collides any more, and
    the work is done twice. So a run looks back when it begins.

    None for runs without a deployment, and for deployments whose runs wait their turn.
    """
    deployment_id = prefect.runtime.deployment.id
    if deployment_id is None:
        return None
    with get_client(sync_client=True) as client:
        options = client.read_deployment(UUID(deployment_id)).concurrency_options
        if options is None or options.collision_strategy != STRATEGY:
            return None
        this = client.read_flow_run(UUID(prefect.runtime.flow_run.id))
        due = this.expected_start_time
        begun = FlowRunFilter(
            deployment_id=FlowRunFilterDeploymentId(any_=[UUID(deployment_id)]),
            start_time=FlowRunFilterStartTime(before_=due),
        )
        others = client.read_flow_runs(flow_run_filter=begun)
    for other in others:
        if other.id != this.id and due is not None and was_going_on(other, due):
            return f"{other.name} of the same deployment was going on when this run was due"
    return None


def was_going_on(run: FlowRun, moment: datetime) -> bool:
    """Tell whether a run that began before a moment was still at work then.

    One that waits for a person holds nobody up.
    """
    if run.end_time is not None:
        return run.end_time > moment
    return run.state is not None and run.state.is_running()
