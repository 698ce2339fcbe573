"""Make a plain function of the library a task, and what a task is given by its run.

The function says what is computed; where it runs, what is cached and what is noted of it in
the run's record is said here, once for all of them.
"""

import functools
import inspect
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Concatenate, ParamSpec, Protocol, TypeVar, cast, overload
from uuid import UUID

from prefect import Task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas import State, TaskRun
from prefect.context import TaskRunContext
from prefect.futures import PrefectFuture

from digitflow.errors import ClusterError, DamagedArtifact, StorageError
from digitflow.project.code import Code, trace_code
from digitflow.store.artifacts import Store
from digitflow.store.runs import RunLog
from digitflow.workers.child import call_with_share
from digitflow.workers.pool import Pool
from tasks.caching import (
    CheckedSerializer,
    ContentPolicy,
    Modules,
    StoreLocks,
    choose_nothing,
    describe_outputs,
    name_refs,
)

P = ParamSpec("P")
R = TypeVar("R")
E = TypeVar("E", bound=Exception)
Given = TypeVar("Given", Store, RunLog)
Limit = Callable[..., float | None]
Stays = Callable[..., bool]

# What the run gives a function that asks for it by these names; no input of its task.
GIVEN = ("store", "log", "threads", "time_limit")
# An attribute of the function of a task that waits for a slot: who plans asks for it.
TAKES_A_SLOT = "takes_a_slot"


def stay_never(**inputs: object) -> bool:
    """Let work go to whatever machine there is."""
    return False


class Progress(Protocol):
    """Whoever is told that a task has ended."""

    def advance(self) -> None:
        """Count one more task."""

    def expect(self, tasks: int) -> None:
        """Count on so many tasks more than was thought."""


@dataclass(frozen=True)
class RunContext:
    """The surroundings of a task; they never shape a result.

    Attributes
    ----------
    failures : dict
        What task runs failed of that nobody has said the run can do without.
    place : int
        Whose turn it is first, of those that wait for a worker's process: the lowest one's.
    """

    store: Store
    log: RunLog
    workers: Pool
    progress: Progress | None = None
    failures: dict[UUID, BaseException] = field(default_factory=dict)
    place: int = 0


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


def take_place(place: int) -> AbstractContextManager[RunContext]:
    """Let tasks that are started within it wait at a place for their turn, see `RunContext`."""
    return run_context(replace(current_run(), place=place))


def cached_task(
    function: Callable[Concatenate[Store, P], R],
    *,
    run_name: str,
    modules: Modules = choose_nothing,
    measured: bool = False,
    in_process: bool = False,
    stays: Stays = stay_never,
    near_data: bool = False,
    time_limit: Limit | None = None,
) -> Task[P, R]:
    """Make a task whose result is kept of a function over references.

    Parameters
    ----------
    function : callable
        Its parameters `store`, `threads` and `time_limit` are given by the run; all others
        are the task's.
    run_name : str
        Template of the task run's name over the task's parameters.
    modules, measured
        See `ContentPolicy`.
    in_process : bool
        Whether it runs in a worker's process, when a slot is free.
    stays : callable
        Of the inputs, by their names: whether that is one of this machine, whatever cluster
        there is.
    near_data : bool
        Whether it moves more bytes than it computes: it runs in this process, but where arrays
        lie in a bucket and there is a cluster, in a worker's, so that they don't pass here.
    time_limit : callable, optional
        Of the inputs, by their names: after how many seconds that process is ended.
    """
    work = _in_worker(function, time_limit, modules, stays) if in_process else _here(function)
    work = _near_data(function, modules) if near_data else work
    policy = ContentPolicy(
        function=f"{function.__module__}.{function.__name__}",
        modules=modules,
        measured=measured,
        note=_note_key,
        refuse=_note_refusal,
        lock_manager=StoreLocks(),
        isolation_level="SERIALIZABLE",
    )
    return Task(
        fn=_note(work, verify=True),
        name=_name(function),
        task_run_name=run_name,
        cache_policy=policy,
        result_serializer=CheckedSerializer(),
        persist_result=True,
        cache_result_in_memory=False,
        on_completion=[_note_completion],
        on_failure=[_note_failure],
    )


@overload
def plain_task(
    function: Callable[Concatenate[Given, P], R], *, run_name: str, in_process: bool = False
) -> Task[P, R]: ...


@overload
def plain_task(
    function: Callable[P, R], *, run_name: str, in_process: bool = False
) -> Task[P, R]: ...


def plain_task(
    function: Callable[..., R], *, run_name: str, in_process: bool = False
) -> Task[..., R]:
    """Make a task that always runs: it looks at the world or changes it.

    Parameters
    ----------
    function : callable
        Its first parameter is given by the run, if it is called `store` or `log`.
    run_name
        See `cached_task`.
    in_process : bool
        Whether it runs in a process, of this machine, when a slot is free.
    """
    work = _in_worker(function, stays=lambda **_: True) if in_process else _here(function)
    return Task(
        # It reads next to nothing of what its inputs refer to, and checks that itself.
        fn=_note(work, verify=False),
        name=_name(function),
        task_run_name=run_name,
        cache_policy=NO_CACHE,
        persist_result=False,
        on_completion=[_note_completion],
        on_failure=[_note_failure],
    )


def named(task: Task[P, R], name: str) -> Task[P, R]:
    """Return the task with another name of its runs; a name is in no key."""
    return task.with_options(task_run_name=lambda: name)


def value_of(future: PrefectFuture[R]) -> R:
    """Hand a future to another task where its value is expected: Prefect waits for it."""
    return cast("R", future)


def settle(future: PrefectFuture[R], expected: type[E]) -> R | E:
    """Wait for a task that may fail; return its result, or the expected error.

    Raises
    ------
    ClusterError, DamagedArtifact, StorageError
        Whatever is expected: no run can do without its files, or what computes for it.
    Exception
        Any other that the task raised.
    """
    try:
        return future.result()
    except (ClusterError, DamagedArtifact, StorageError):
        raise
    except expected as exc:
        current_run().failures.pop(future.task_run_id, None)
        return exc


def _here(function: Callable[..., R]) -> Callable[..., R]:
    def work(*args: object, **kwargs: object) -> R:
        return _fill_in(function)(*args, **kwargs)

    return _hide_given(work, function)


def _near_data(function: Callable[..., R], modules: Modules) -> Callable[..., R]:
    here, there = _here(function), _in_worker(function, None, modules)

    def work(*args: object, **kwargs: object) -> R:
        run = current_run()
        is_far = bool(run.store.bucket) and run.workers is not run.workers.here
        return (there if is_far else here)(*args, **kwargs)

    return _hide_given(work, function)


def _in_worker(
    function: Callable[..., R],
    time_limit: Limit | None = None,
    modules: Modules = choose_nothing,
    stays: Stays = stay_never,
) -> Callable[..., R]:
    own = _list_own(function)

    def work(*args: object, **kwargs: object) -> R:
        inputs = own.bind(*args, **kwargs).arguments
        filled = functools.partial(_fill_in(function, in_process=True), *args, **kwargs)
        run, name = current_run(), _name_run(work)

        def hear(text: str) -> None:
            run.log.note("progress", name, text=text)

        def trace() -> Code:
            return trace_code((function.__module__, *modules(**inputs)))

        pool: Pool = run.workers.here if stays(**inputs) else run.workers
        limit = None if time_limit is None else time_limit(**inputs)
        return pool.run(filled, time_limit=limit, place=run.place, hear=hear, code=trace)

    vars(work)[TAKES_A_SLOT] = True
    return _hide_given(work, function)


def _fill_in(function: Callable[..., R], in_process: bool = False) -> Callable[..., R]:
    """Return the function with what the run gives it."""
    run, wanted = current_run(), inspect.signature(function).parameters
    surroundings = {"store": run.store, "log": run.log}
    first = [surroundings[name] for name in wanted if name in surroundings]
    if "threads" not in wanted:
        return functools.partial(function, *first)
    if in_process:
        return functools.partial(call_with_share, function, *first)
    return functools.partial(function, *first, threads=run.workers.here.threads_each)


def _hide_given(work: Callable[..., R], function: Callable[..., R]) -> Callable[..., R]:
    """Let Prefect see the parameters of the function that are the task's own."""
    functools.update_wrapper(work, function)
    vars(work)["__signature__"] = _list_own(function)
    return work


def _list_own(function: Callable[..., object]) -> inspect.Signature:
    signature = inspect.signature(function)
    own = [each for name, each in signature.parameters.items() if name not in GIVEN]
    return signature.replace(parameters=own)


def _note(work: Callable[..., R], verify: bool) -> Callable[..., R]:
    """Check every input in full, then compute, and note how long it took."""

    @functools.wraps(work)
    def compute(*args: object, **kwargs: object) -> R:
        run, name = current_run(), _name_run(work)
        _raise_refusal(run)
        for _, ref in name_refs((args, kwargs)) if verify else ():
            run.store.verify(ref)
        run.log.note("started", name)
        began, waited = time.monotonic(), run.workers.seconds_waited()
        result = work(*args, **kwargs)
        waited = run.workers.seconds_waited() - waited
        seconds = round(time.monotonic() - began - waited, 3)
        where = {} if (host := run.workers.take_host()) is None else {"host": host}
        run.log.note(
            "computed", name, seconds=seconds, **where, outputs=describe_outputs(result)
        )
        return result

    return compute


def _note_key(name: str, key: str, parts: Mapping[str, object]) -> None:
    current_run().log.note("key", name, key=key, **parts)


def _note_refusal(task_run: UUID, error: Exception) -> None:
    current_run().failures[task_run] = error


def _note_completion(task: Task, task_run: TaskRun, state: State) -> None:
    """Note where a result was used again; what was computed has said so itself."""
    run = current_run()
    if state.name == "Cached":
        run.log.note("cached", task_run.name, outputs=describe_outputs(state.result()))
    if run.progress is not None:
        run.progress.advance()


def _note_failure(task: Task, task_run: TaskRun, state: State) -> None:
    run, error = current_run(), state.result(raise_on_failure=False)
    run.log.note("failed", task_run.name, error=str(error))
    run.failures[task_run.id] = error
    if run.progress is not None:
        run.progress.advance()


def _name(function: Callable[..., object]) -> str:
    return function.__name__.replace("_", "-")


def _name_run(work: Callable[..., object]) -> str:
    context = TaskRunContext.get()
    return _name(work) if context is None else context.task_run.name


def _raise_refusal(run: RunContext) -> None:
    """Fail a task whose key could not be computed, before anything is."""
    context = TaskRunContext.get()
    if context is not None and context.task_run.id in run.failures:
        raise run.failures[context.task_run.id]
