"""What a run asks of whatever computes for it: this machine's processes, or a cluster."""

import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from digitflow.config.training import TrainingBudget
from digitflow.project.code import Code
from digitflow.store.artifacts import Store
from digitflow.store.bucket import Bucket
from digitflow.store.files import TEMPORARY
from digitflow.workers.address import CLUSTER_VARIABLE
from digitflow.workers.cluster import ClusterPool
from digitflow.workers.local import WorkerPool

Result = TypeVar("Result")


class Pool(Protocol):
    """Slots for computations; see `WorkerPool`."""

    @property
    def here(self) -> WorkerPool:
        """The pool of this machine's own processes."""

    def run(
        self,
        function: Callable[..., Result],
        *args: Any,
        time_limit: float | None = None,
        place: int = 0,
        hear: Callable[[str], None] | None = None,
        code: Callable[[], Code] | None = None,
    ) -> Result:
        """Wait for a slot, call `function(*args)` in a process and return the result."""

    def seconds_waited(self) -> float:
        """Return how long this thread has waited for slots so far."""

    def take_host(self) -> str | None:
        """Return where this thread's last work was computed, once; None for this machine."""


def find_cluster(budget: TrainingBudget, environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the scheduler's address, by DIGITFLOW_CLUSTER, else by the config; or None."""
    return environ.get(CLUSTER_VARIABLE) or budget.cluster


@contextmanager
def open_workers(store: Store, budget: TrainingBudget) -> Iterator[Pool]:
    """Open the pool that a config, or the environment, asks for; it ends with the block."""
    address = find_cluster(budget)
    with WorkerPool(budget.parallel, budget.threads) as here:
        if address is None:
            yield here
            return
        with _share_text(store) as shared, ClusterPool(address, here, shared) as workers:
            yield workers


@contextmanager
def _share_text(store: Store) -> Iterator[tuple[str, str]]:
    """Yield the place and the text of a file that each worker must see."""
    text = secrets.token_hex(16)
    if store.bucket:
        bucket, name = Bucket(store.bucket), f"{TEMPORARY}/{secrets.token_hex(8)}"
        bucket.write(name, text.encode())
        try:
            yield f"{bucket.url}/{name}", text
        finally:
            bucket.remove(name)
        return
    with store.temporary_path(".shared") as path:
        path.write_text(text, encoding="utf-8")
        yield str(path), text
