"""The environment that Prefect and MLflow read: quiet, offline, on this machine only.

Prefect reads it when it is imported, so call `use_prefect_environment` before that.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from digitflow.errors import StorageError
from digitflow.service.processes import ProcessMark
from digitflow.service.server_api import is_there
from digitflow.store.artifacts import ARTIFACTS_VARIABLE, Store
from digitflow.store.references import Record

STATE_FILE = "prefect/service.json"
SERVICE_LOCK = "prefect-service"

OFFLINE = {
    "DO_NOT_TRACK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "NO_ALBUMENTATIONS_UPDATE": "1",
    "PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED": "false",
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
}
LOOPBACK = {
    "PREFECT_RUNNER_SERVER_HOST": "127.0.0.1",
    "PREFECT_SERVER_API_HOST": "127.0.0.1",
    "PREFECT_WORKER_WEBSERVER_HOST": "127.0.0.1",
}
# One by one, the recorder keeps the next flow waiting for seconds after a hundred tasks.
BATCHES = {
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_READ_BATCH_SIZE": "50",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "50",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "50",
}
# On disk they outlive the server; in memory a restart would block a deployment's one slot.
LEASES = {
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": (
        "prefect.server.concurrency.lease_storage.filesystem"
    ),
}
# A watcher that looks every five minutes would fill the server's database for ever: runs are
# kept for 90 days there, and for ever in ours.
VACUUM = {"PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs"}
PATIENCE = {
    # The default of 20 s is less than a fresh database takes on a slow machine.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    # How long a run that waits for its turn, and a worker with nothing to do, look away.
    "PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "5",
    "PREFECT_WORKER_QUERY_SECONDS": "2",
}
# Our own warnings appear in the UI, beside the run that they belong to.
LOGGING = {
    "PREFECT_LOGGING_EXTRA_LOGGERS": "digitflow,tasks,flows",
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
}
QUIET = {"PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL"}


class ServiceState(Record):
    """What `make up` started, and how far it is."""

    phase: str
    url: str = ""
    processes: dict[str, ProcessMark]

    @property
    def api_url(self) -> str:
        """Return the address that Prefect's clients want."""
        return f"{self.url}/api"


def prefect_environment(
    store_root: Path, environ: Mapping[str, str], quiet: bool = True
) -> dict[str, str]:
    """Return the variables to add to `environ`; what the user has set stays as it is.

    Parameters
    ----------
    store_root : Path
        The absolute folder of the artifacts; Prefect's database and results go there.
    environ : Mapping
        The environment so far.
    quiet : bool
        Keep Prefect's log off the console; the UI shows it all the same.
    """
    wanted = OFFLINE | LOOPBACK | BATCHES | LEASES | VACUUM | PATIENCE | LOGGING
    wanted = wanted | QUIET if quiet else wanted
    wanted["PREFECT_HOME"] = str(store_root / "prefect")
    wanted["PREFECT_RESULTS_LOCAL_STORAGE_PATH"] = str(store_root / "results")
    if "PREFECT_SERVER_API_AUTH_STRING" in environ:
        wanted["PREFECT_API_AUTH_STRING"] = environ["PREFECT_SERVER_API_AUTH_STRING"]
    unset = {name: value for name, value in wanted.items() if name not in environ}
    # Absolute, since a flow that a worker starts may run in another folder.
    return unset | {ARTIFACTS_VARIABLE: str(store_root)}


def use_prefect_environment(store: Store, quiet: bool = True) -> None:
    """Apply `prefect_environment` to this process, before Prefect is imported.

    The server that `make up` started is used where it answers and no other is set.
    """
    os.environ.update(prefect_environment(store.root, os.environ, quiet))
    if "PREFECT_API_URL" not in os.environ and (server := find_running_server(store)):
        os.environ["PREFECT_API_URL"] = server


def find_running_server(store: Store) -> str | None:
    """Return the API's address of the server that `make up` started, if it answers."""
    state = read_state(store)
    if state is None or not state.url or not is_supervised(store):
        return None
    return state.api_url if is_there(state.api_url, "/health") else None


def is_supervised(store: Store) -> bool:
    """Tell whether the process that `make up` left behind is alive."""
    with suppress(OSError, StorageError):
        return store.is_locked(SERVICE_LOCK)
    return False


def read_state(store: Store) -> ServiceState | None:
    """Return what the last `make up` wrote down, or None."""
    try:
        return ServiceState.model_validate_json((store.root / STATE_FILE).read_bytes())
    except (OSError, ValidationError):
        return None


def write_state(store: Store, state: ServiceState) -> None:
    """Write down what was started, whole or not at all."""
    store.write_text(STATE_FILE, state.model_dump_json(indent=2) + "\n")
