"""When a task's result is used again: its key, its files, and who computes it.

A key is the inputs, the code behind the work, and versions. Prefect keeps the results and
runs the transaction; here are a key policy, a serializer that refuses a result whose files
are gone or changed, and locks that die with their holder.
"""

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from prefect.cache_policies import CachePolicy
from prefect.context import FlowRunContext, TaskRunContext
from prefect.filesystems import WritableFileSystem
from prefect.serializers import JSONSerializer
from pydantic import BaseModel, Field

from digitflow.errors import DamagedArtifact
from digitflow.project.code import ProjectCode, trace_code
from digitflow.store.artifacts import Store, open_store
from digitflow.store.references import FileRef, digest_json

logger = logging.getLogger(__name__)

# Where results lie that all homes of a bucket see.
RESULTS_FOLDER = "results"
# Characters of an input that are kept in a run's record.
LARGEST_INPUT = 4096

Modules = Callable[..., tuple[str | ProjectCode, ...]]
Note = Callable[[str, str, Mapping[str, object]], None]
Refuse = Callable[[UUID, Exception], None]


def choose_nothing(**inputs: object) -> tuple[str | ProjectCode, ...]:
    """Return the modules that inputs select where they select none."""
    return ()


@dataclass
class ContentPolicy(CachePolicy):
    """Computes a task's key and notes its parts, so that `why` can compare two runs.

    Attributes
    ----------
    function : str
        Dotted name of the plain function that the task is of.
    modules : callable
        Of the inputs, by their names: the modules that they select (an estimator's, a
        recipe's), of ours or of a project, beside those that the function's own module
        imports.
    measured : bool
        Whether measured times and the like count too, as where they are shown.
    note : callable, optional
        Told the name of the task run, its key, and the parts of it.
    refuse : callable, optional
        Told of a task run whose key can't be computed, and why: Prefect logs that, and would
        go on without a cache.
    """

    function: str = ""
    modules: Modules = choose_nothing
    measured: bool = False
    note: Note | None = None
    refuse: Refuse | None = None

    def compute_key(
        self,
        task_ctx: TaskRunContext,
        inputs: dict[str, Any],
        flow_parameters: dict[str, Any],
        **kwargs: Any,
    ) -> str:
        """Return the key of one task run."""
        try:
            parts = self.describe(inputs)
        except Exception as exc:
            if self.refuse is not None:
                self.refuse(task_ctx.task_run.id, exc)
            raise
        key = digest_json(parts)
        if self.note is not None:
            self.note(task_ctx.task_run.name, key, parts)
        return key

    def describe(self, inputs: Mapping[str, object]) -> dict[str, Any]:
        """Return what the key covers: function, inputs, modules and libraries."""
        roots = (self.function.rpartition(".")[0], *self.modules(**inputs))
        modules, libraries = trace_code(roots)
        plain = {name: _to_plain(value, self.measured) for name, value in inputs.items()}
        return {
            "function": self.function,
            "inputs": {name: _shorten(value) for name, value in plain.items()},
            "modules": modules,
            "libraries": libraries,
        }


class CheckedSerializer(JSONSerializer):
    """JSON whose loading fails, and so recomputes, when a file it refers to is damaged."""

    type: str = Field(default="digitflow", frozen=True)

    def loads(self, blob: bytes) -> Any:
        """Decode a result and check its files, by stat first."""
        result, store = super().loads(blob), open_store()
        for _, ref in name_refs(result):
            if not store.is_intact(ref):
                place = store.blobs.describe(ref)
                logger.warning("%s is missing or changed; it is computed again", place)
                raise DamagedArtifact(f"{place} is missing or changed")
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


def _shorten(value: object) -> object:
    """Let a large input count by its digest, so that the record of a run stays small."""
    large = len(json.dumps(value)) > LARGEST_INPUT
    return f"digest {digest_json(value)}" if large else value


def _to_plain(value: object, measured: bool) -> object:
    """Turn inputs into JSON: a reference counts by its content.

    What a record names in `NOT_IN_KEY` counts where it is wanted, as times are in a chart.
    """
    if isinstance(value, FileRef):
        return value.digest
    if isinstance(value, BaseModel):
        left_out: frozenset[str] = (
            frozenset() if measured else getattr(value, "NOT_IN_KEY", frozenset())
        )
        fields = sorted(type(value).model_fields.keys() - left_out)
        return {name: _to_plain(getattr(value, name), measured) for name in fields}
    if isinstance(value, Mapping):
        return {str(key): _to_plain(item, measured) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_to_plain(item, measured) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


@dataclass
class StoreLocks:
    """Prefect's lock manager over the store's locks, which are free after kill -9.

    Prefect's own lock files stay for ever then, and the next run waits for them.
    """

    held: dict[str, tuple[str, Any]] = field(default_factory=dict)

    def acquire_lock(
        self,
        key: str,
        holder: str,
        acquire_timeout: float | None = None,
        hold_timeout: float | None = None,
    ) -> bool:
        """Wait for the key's lock; False when it is still held after the timeout."""
        if self.is_lock_holder(key, holder):
            return True
        try:
            taken = open_store().locks.acquire(key, acquire_timeout)
        except TimeoutError:
            return False
        self.held[key] = (holder, taken)
        return True

    def release_lock(self, key: str, holder: str) -> None:
        """Give the key's lock back."""
        if self.is_lock_holder(key, holder):
            _, taken = self.held.pop(key)
            open_store().locks.release(key, taken)

    def is_locked(self, key: str) -> bool:
        """Tell whether anybody holds the key's lock."""
        return open_store().is_locked(key)

    def is_lock_holder(self, key: str, holder: str) -> bool:
        """Tell whether `holder` holds the key's lock in this process."""
        return self.held.get(key, ("", 0))[0] == holder

    def wait_for_lock(self, key: str, timeout: float | None = None) -> bool:
        """Wait until the key's lock is free; False after the timeout."""
        locks = open_store().locks
        try:
            locks.release(key, locks.acquire(key, timeout))
        except TimeoutError:
            return False
        return True

    async def aacquire_lock(
        self,
        key: str,
        holder: str,
        acquire_timeout: float | None = None,
        hold_timeout: float | None = None,
    ) -> bool:
        """Do as `acquire_lock`; our tasks are all synchronous."""
        return self.acquire_lock(key, holder, acquire_timeout, hold_timeout)

    async def await_for_lock(self, key: str, timeout: float | None = None) -> bool:
        """Do as `wait_for_lock`; our tasks are all synchronous."""
        return self.wait_for_lock(key, timeout)


class SharedResults(WritableFileSystem):
    """Results in the bucket of the store, so that another home uses them too.

    It has no fields: nothing of it is kept on Prefect's server, and the place is the store's.
    """

    _block_type_name = "digitflow results"

    def read_path(  # type: ignore[override]
        self, path: str, **_: Any
    ) -> bytes:
        """Return a result; raises `FileNotFoundError` where there is none."""
        content = open_store().read_shared(f"{RESULTS_FOLDER}/{path}")
        if content is None:
            raise FileNotFoundError(path)
        return content

    def write_path(  # type: ignore[override]
        self, path: str, content: bytes, **_: Any
    ) -> None:
        """Keep a result."""
        open_store().write_shared(f"{RESULTS_FOLDER}/{path}", content)

    def _resolve_path(self, path: str) -> None:
        """Tell Prefect that a key is a result's whole name."""


def share_results(store: Store) -> None:
    """Let the tasks of the flow that is running share their results, if the store is shared."""
    context = FlowRunContext.get()
    if store.bucket and context is not None:
        context.result_store.result_storage = SharedResults()
