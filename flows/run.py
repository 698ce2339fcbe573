"""What surrounds a flow's steps: its config, its record, its workers, its repairs."""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from secrets import token_hex
from typing import Any

import prefect.runtime
from prefect import Task
from prefect.exceptions import Pause
from prefect.futures import PrefectFuture

from digitflow.cli.launching import resolve_config
from digitflow.config.training import Candidate, TrainConfig
from digitflow.errors import DamagedArtifact, DigitflowError, StorageError
from digitflow.evaluation.leaderboard import Entry
from digitflow.registry.versions import COMMAND_LINE
from digitflow.store.artifacts import open_store
from digitflow.store.runs import open_run
from digitflow.workers import WorkerPool, count_cores
from tasks.caching import collect
from tasks.context import RunContext, run_context
from tasks.publishing import ProgressArtifact

logger = logging.getLogger(__name__)

REPAIRS = 3
# Ingest to split before the candidates; scoring, gate and report after them.
OTHER_TASKS = 14


def name_run(prefix: str = "") -> str:
    """Name a flow run after its model and time; names sort by time and never repeat.

    A run that is begun again, after a crash or an answer, keeps its name and its record.
    """
    begun, *_ = (prefect.runtime.flow_run.name or "nameless").split()
    if (open_store().root / "runs" / begun / "run.json").is_file():
        return begun
    try:
        model = resolve_config(prefect.runtime.flow_run.parameters["config"]).model
    except DigitflowError:
        model = "no-config"  # the flow itself fails of it, and says why
    return f"{prefix}{model}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{token_hex(2)}"


def training_run(config: TrainConfig) -> AbstractContextManager[RunContext]:
    """Open the record, worker slots and progress of a training run."""
    return open_job(config, config.model, count_tasks(config), job="train")


@contextmanager
def open_job(
    config: TrainConfig, title: str, tasks: int, **fields: Any
) -> Iterator[RunContext]:
    """Open a run's record, its worker slots and its progress; all end with the run.

    Parameters
    ----------
    title : str
        What its progress is called in the UI.
    tasks : int
        About how many it has.
    **fields
        Further fields of the run's record.
    """
    store = open_store()
    store.check_writable()
    store.sweep_temporary()
    budget = config.training
    flow_run = prefect.runtime.flow_run
    with (
        open_run(
            store,
            flow_run.name,
            model=config.model,
            config=config.model_dump(mode="json"),
            cores=count_cores(),
            flow_run_id=flow_run.id,
            deployment=prefect.runtime.deployment.name or COMMAND_LINE,
            **fields,
        ) as log,
        WorkerPool(budget.parallel, budget.threads) as workers,
        show_progress(title, tasks) as progress,
        run_context(RunContext(store, log, workers, progress)) as context,
    ):
        try:
            yield context
        except Pause:
            log.wait()
            raise


@contextmanager
def show_progress(title: str, tasks: int) -> Iterator[ProgressArtifact]:
    """Show the run's progress in the UI; it is full when the run ended well."""
    progress = ProgressArtifact(title, tasks)
    yield progress
    progress.finish()


def count_tasks(config: TrainConfig) -> int:
    """Return about how many tasks a training run has, for its progress."""
    recipes = {(candidate.recipe, candidate.augmented) for candidate in config.candidates}
    return len(recipes) + 2 * len(config.candidates) + OTHER_TASKS


def heal_damage(work: Callable[[TrainConfig], None], config: TrainConfig) -> None:
    """Do the work; when a stored file turns out damaged, do it again from the top.

    The damaged file is out of the way by then, so that only it is computed again; the
    rest is cached.
    """
    for _ in range(REPAIRS):
        try:
            return work(config)
        except DamagedArtifact as exc:
            logger.warning("%s", exc)
    return work(config)


def call(task: Task, *args: Any) -> Any:
    """Run one task and wait for its result."""
    return collect(task.submit(*args))


def collect_evidence(future: PrefectFuture) -> Any | None:
    """Wait for a piece of evidence; None where it failed, which no check takes for a pass."""
    try:
        return collect(future)
    except (DamagedArtifact, StorageError):
        raise
    except Exception as exc:
        logger.warning("evidence is missing: %s", exc)
        return None


def collect_entry(
    candidate: Candidate,
    prepared: PrefectFuture,
    fitted: PrefectFuture,
    evaluation: PrefectFuture,
) -> Entry:
    """Wait for a candidate; what failed is reported, and the others go on."""
    try:
        collect(prepared)
        return Entry(
            candidate=candidate, fitted=collect(fitted), evaluation=collect(evaluation)
        )
    except (DamagedArtifact, StorageError):
        raise
    except Exception as exc:
        return Entry(candidate=candidate, error=str(exc) or type(exc).__name__)
