"""Cached tasks: the key of a task is its inputs, the code behind it, and versions.

Prefect keeps the results and runs the transaction; this module gives it a key policy
and a serializer that refuses a result whose files are gone or changed.
"""

import functools
import inspect
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from prefect import Task
from prefect.cache_policies import NO_CACHE, CachePolicy
from prefect.context import TaskRunContext
from prefect.futures import PrefectFuture
from prefect.serializers import JSONSerializer
from pydantic import BaseModel

from digitflow.errors import DamagedArtifact
from digitflow.store.artifacts import open_store
from digitflow.store.lineage import digest_modules, find_libraries
from digitflow.store.references import FileRef, digest_json
from tasks.context import current_run
from tasks.locking import StoreLocks

logger = logging.getLogger(__name__)

# Characters of an input that are kept in a run's record.
LARGEST_INPUT = 4096

Modules = Callable[[Mapping[str, Any]], tuple[str, ...]]


def cached_task(
    run_name: str,
    modules: Modules = lambda inputs: (),
    ignore: tuple[str, ...] = (),
) -> Callable[[Callable[..., Any]], Task[..., Any]]:
    """Make a function over references a Prefect task whose result is kept.

    Parameters
    ----------
    run_name : str
        Template of the task run's name over the function's parameters.
    modules : callable, optional
        Names the modules that the inputs select (an estimator's, a recipe's), beside
        those that the task's own module imports.
    ignore : tuple of str
        Parameters that don't shape the result, such as a time limit.
    """

    def decorate(function: Callable[..., Any]) -> Task[..., Any]:
        policy = ContentPolicy(
            run_name=run_name,
            function=f"{function.__module__}.{function.__name__}",
            modules=modules,
            ignore=ignore,
            lock_manager=StoreLocks(),
            isolation_level="SERIALIZABLE",
        )
        return Task(
            fn=_compute(function, run_name, verify=True),
            name=function.__name__.replace("_", "-"),
            task_run_name=run_name,
            cache_policy=policy,
            result_serializer=CheckedSerializer(),
            persist_result=True,
            cache_result_in_memory=False,
        )

    return decorate


def plain_task(run_name: str) -> Callable[[Callable[..., Any]], Task[..., Any]]:
    """Make a function a Prefect task that always runs: it looks at the world or changes it."""

    def decorate(function: Callable[..., Any]) -> Task[..., Any]:
        return Task(
            # It reads next to nothing of what its inputs refer to, and checks that itself.
            fn=_compute(function, run_name, verify=False),
            name=function.__name__.replace("_", "-"),
            task_run_name=run_name,
            cache_policy=NO_CACHE,
            persist_result=False,
        )

    return decorate


def collect(future: PrefectFuture) -> Any:
    """Wait for a task run and return its result; note where it was cached or failed.

    Raises
    ------
    Exception
        What the task raised.
    """
    future.wait()
    run = current_run()
    known = future.task_run_id in run.collected
    run.collected.add(future.task_run_id)
    if run.progress is not None and not known:
        run.progress.advance()
    label = run.labels.get(future.task_run_id, "a task")
    try:
        result = future.result()
    except Exception as exc:
        if not known:
            run.log.note("failed", label, error=str(exc))
        raise
    if future.state.name == "Cached" and not known:
        run.log.note("cached", label, outputs=describe_outputs(result))
    return result


def _compute(function: Callable[..., Any], run_name: str, verify: bool) -> Callable[..., Any]:
    """Wrap the work: check every input in full, then compute, and note how long it took."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def compute(*args: Any, **kwargs: Any) -> Any:
        inputs = signature.bind(*args, **kwargs).arguments
        run, label = current_run(), run_name.format(**inputs)
        _remember_label(label)
        for _, ref in name_refs(inputs) if verify else ():
            run.store.verify(ref)
        run.log.note("started", label)
        began, waited = time.monotonic(), run.workers.seconds_waited()
        result = function(*args, **kwargs)
        waited = run.workers.seconds_waited() - waited
        seconds = round(time.monotonic() - began - waited, 3)
        run.log.note("computed", label, seconds=seconds, outputs=describe_outputs(result))
        return result

    return compute


def _remember_label(label: str) -> None:
    context = TaskRunContext.get()
    if context is not None:
        current_run().labels[context.task_run.id] = label


@dataclass
class ContentPolicy(CachePolicy):
    """Computes a task's key and notes its parts, so that `why` can compare two runs."""

    run_name: str = ""
    function: str = ""
    modules: Modules = lambda inputs: ()
    ignore: tuple[str, ...] = ()

    def compute_key(
        self,
        task_ctx: TaskRunContext,
        inputs: dict[str, Any],
        flow_parameters: dict[str, Any],
        **kwargs: Any,
    ) -> str:
        """Return the key of one task run."""
        parts, label = self.describe(inputs), self.run_name.format(**inputs)
        key = digest_json(parts)
        _remember_label(label)
        current_run().log.note("key", label, key=key, **parts)
        return key

    def describe(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the key covers: function, inputs, modules and libraries."""
        roots = (self.function.rpartition(".")[0], *self.modules(inputs))
        modules = digest_modules(*roots)
        kept = {name: value for name, value in inputs.items() if name not in self.ignore}
        return {
            "function": self.function,
            "inputs": {name: _bound(_plain(value)) for name, value in kept.items()},
            "modules": modules,
            "libraries": find_libraries(modules),
        }


class CheckedSerializer(JSONSerializer):
    """JSON whose loading fails, and so recomputes, when a file it refers to is damaged."""

    type: Literal["digitflow"] = "digitflow"  # type: ignore[assignment]

    def loads(self, blob: bytes) -> Any:
        """Decode a result and check its files, by stat first."""
        result, store = super().loads(blob), open_store()
        for _, ref in name_refs(result):
            if not store.is_intact(ref):
                path = store.path_of(ref)
                logger.warning("%s is missing or changed; it is computed again", path)
                raise DamagedArtifact(f"{path} is missing or changed")
        return result


def name_refs(value: Any, name: str = "") -> Iterator[tuple[str, FileRef]]:
    """Yield (dotted name, reference) for every file inside models and collections."""
    if isinstance(value, FileRef):
        yield name, value
        return
    items: list[tuple[Any, Any]]
    if isinstance(value, BaseModel):
        items = [(field, getattr(value, field)) for field in type(value).model_fields]
    elif isinstance(value, Mapping):
        items = list(value.items())
    elif isinstance(value, list | tuple):
        items = list(enumerate(value))
    else:
        return
    for key, item in items:
        yield from name_refs(item, f"{name}.{key}" if name else str(key))


def describe_outputs(result: Any) -> list[dict[str, Any]]:
    """Return name and facts of every file a result refers to, as plain values."""
    return [
        {"name": name or "result", **ref.model_dump(mode="json")}
        for name, ref in name_refs(result)
    ]


def _bound(value: Any) -> Any:
    """Let a large input count by its digest, so that the record of a run stays small."""
    large = len(json.dumps(value)) > LARGEST_INPUT
    return f"digest {digest_json(value)}" if large else value


def _plain(value: Any) -> Any:
    """Turn inputs into JSON: a reference counts by its content, a measured time not at all."""
    if isinstance(value, FileRef):
        return value.digest
    if isinstance(value, BaseModel):
        measured: frozenset[str] = getattr(value, "MEASURED", frozenset())
        fields = type(value).model_fields.keys() - measured
        return {name: _plain(getattr(value, name)) for name in sorted(fields)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)
