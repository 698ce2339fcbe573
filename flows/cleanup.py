"""Free what nothing needs any more, every week."""

from datetime import UTC, datetime

from prefect import flow
from prefect.client.schemas import State
from prefect.states import Completed

from digitflow.feedback.predictions import forget_predictions
from digitflow.formatting import format_bytes
from digitflow.registry.cleanup import collect_garbage
from digitflow.store.artifacts import open_store
from tasks.publishing import label_flow_run

# A run that goes on must not lose what it needs next: it is waited for.
PATIENCE_SECONDS = 600


def name_collection() -> str:
    """Name a flow run after its time."""
    return f"gc-{datetime.now(UTC):%Y%m%d-%H%M%S}"


@flow(
    name="collect-garbage",
    flow_run_name=name_collection,
    retries=12,
    retry_delay_seconds=PATIENCE_SECONDS,
)
def free_unneeded(
    keep_runs: int = 10, keep_versions: int = 10, keep_days: int | None = None
) -> State:
    """Remove versions and files that no kept version and no recent run needs.

    Parameters
    ----------
    keep_runs, keep_versions : int
        How many of the newest stay, as `digitflow gc` counts them.
    keep_days : int, optional
        Forget older predictions, of which nobody said anything; without it none.
    """
    store = open_store()
    forgotten = forget_predictions(store, keep_days)
    freed = collect_garbage(store, keep_runs, keep_versions)
    label_flow_run(f"freed {format_bytes(freed['bytes'])}")
    return Completed(
        message=f"{freed['files']} files and {len(freed['versions'])} versions, "
        f"{format_bytes(freed['bytes'])}; {forgotten} old predictions"
    )
