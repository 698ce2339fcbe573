"""Where Prefect keeps the results of tasks: in the folder, or where all homes see them."""

from typing import Any

from prefect.context import FlowRunContext
from prefect.filesystems import WritableFileSystem

from digitflow.store.artifacts import Store, open_store

FOLDER = "results"


class SharedResults(WritableFileSystem):
    """Results in the bucket of the store, so that another home uses them too.

    It has no fields: nothing of it is kept on Prefect's server, and the place is the store's.
    """

    _block_type_name = "digitflow results"

    def read_path(  # type: ignore[override]
        self, path: str, **_: Any
    ) -> bytes:
        """Return a result; raises `FileNotFoundError` where there is none."""
        content = open_store().read_shared(f"{FOLDER}/{path}")
        if content is None:
            raise FileNotFoundError(path)
        return content

    def write_path(  # type: ignore[override]
        self, path: str, content: bytes, **_: Any
    ) -> None:
        """Keep a result."""
        open_store().write_shared(f"{FOLDER}/{path}", content)

    def _resolve_path(self, path: str) -> None:
        """Tell Prefect that a key is a result's whole name."""


def share_results(store: Store) -> None:
    """Let the tasks of the flow that is running share their results, if the store is shared."""
    context = FlowRunContext.get()
    if store.bucket and context is not None:
        context.result_store.result_storage = SharedResults()
