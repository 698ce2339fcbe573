"""What the tasks of one flow run share: the store, the run's log, the worker slots."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from digitflow.store.artifacts import Store
from digitflow.store.runs import RunLog
from digitflow.workers import WorkerPool


class Progress(Protocol):
    """Whoever is told that a task has ended."""

    def advance(self) -> None:
        """Count one more task."""

    def expect(self, tasks: int) -> None:
        """Count on so many tasks more than was thought."""


@dataclass(frozen=True)
class RunContext:
    """The surroundings of a task; it never shapes a result."""

    store: Store
    log: RunLog
    workers: WorkerPool
    progress: Progress | None = None
    # What a task run is called, by its id: a future knows only the id.
    labels: dict[UUID, str] = field(default_factory=dict)
    # Task runs whose end is noted; several candidates wait for one recipe.
    collected: set[UUID] = field(default_factory=set)


_current: ContextVar[RunContext] = ContextVar("digitflow_run")


def current_run() -> RunContext:
    """Return the surroundings of the task that is running."""
    return _current.get()


@contextmanager
def run_context(context: RunContext) -> Iterator[RunContext]:
    """Make `context` the current one; Prefect copies it into the threads of its tasks."""
    token = _current.set(context)
    try:
        yield context
    finally:
        _current.reset(token)
