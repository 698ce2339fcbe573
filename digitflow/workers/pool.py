"""What a run asks of whatever computes for it: this machine's processes, or a cluster."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from digitflow.project.code import Code
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
