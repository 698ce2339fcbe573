"""Prefect's environment, quiet, offline, on this machine only; and its server of a store.

Prefect reads the environment when it is imported, so call `use_prefect_environment` before.
"""

import http.client
import os
import ssl
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic import ValidationError

from digitflow.errors import DigitflowError, InputError, StorageError
from digitflow.service.processes import ProcessMark
from digitflow.store.artifacts import Store
from digitflow.store.references import Record
from digitflow.workers.address import is_loopback

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

STATE_FILE = "prefect/service.json"
SERVICE_LOCK = "prefect-service"
AUTH_VARIABLE = "PREFECT_SERVER_API_AUTH_STRING"
CLIENT_AUTH_VARIABLE = "PREFECT_API_AUTH_STRING"
PORT_VARIABLE = "PREFECT_SERVER_API_PORT"
# What prefect.yaml says of them follows from these: where its runs wait, and where they start.
POOL_VARIABLE, FOLDER_VARIABLE = "DIGITFLOW_POOL", "DIGITFLOW_FOLDER"
USUAL_POOL = "local"
LAST_PORT = 65535
OWN_ADDRESS = "127.0.0.1"
# A server that is busy with a training deserves patience; one that is gone refuses at once.
# What it must look up in its database takes longer than to say that it is there.
TIMEOUT_SECONDS, ANSWER_SECONDS = 5.0, 30.0
MOST_RETRIES = 3

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
PROXIES = ("http_proxy", "https_proxy", "all_proxy")
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
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
    )
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


# What an answer has in it, and what to do then.
HINTS = {
    "401": f". Its password, user:password, belongs into {CLIENT_AUTH_VARIABLE}",
    "CERTIFICATE_VERIFY_FAILED": (
        ". Its own certificate, or that of who signed it, belongs into "
        "PREFECT_API_SSL_CERT_FILE"
    ),
    "refused": ". Start it, or unset PREFECT_API_URL: a run does without",
    "404": ". Its address ends as its API's does, usually with /api",
}


class ServerRefused(DigitflowError):
    """Prefect's server doesn't answer, or not with success."""


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
    store: Store, environ: Mapping[str, str], quiet: bool = True
) -> dict[str, str]:
    """Return the variables to add to `environ`; what the user has set stays as it is.

    Parameters
    ----------
    store : Store
        Prefect's database goes to its folder, and results, unless they go to its bucket.
    environ : Mapping
        The environment so far.
    quiet : bool
        Keep Prefect's log off the console; the UI shows it all the same.
    """
    wanted = OFFLINE | LOOPBACK | BATCHES | LEASES | VACUUM | PATIENCE | LOGGING
    wanted = wanted | QUIET if quiet else wanted
    wanted["PREFECT_HOME"] = str(store.root / "prefect")
    wanted[POOL_VARIABLE] = USUAL_POOL
    if os.path.expanduser("~") == "~":  # noqa: PTH111, which raises where there is none
        wanted["HOME"] = wanted["PREFECT_HOME"]
    wanted["PREFECT_RESULTS_LOCAL_STORAGE_PATH"] = str(store.root / "results")
    if AUTH_VARIABLE in environ:
        wanted[CLIENT_AUTH_VARIABLE] = environ[AUTH_VARIABLE]
    unset = {name: value for name, value in wanted.items() if name not in environ}
    # Absolute, since a flow that a worker starts may run in another folder.
    return unset | _spare_loopback(environ) | store.variables()


def _spare_loopback(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what keeps a proxy, where one is set, out of what never leaves this machine."""
    if not any(name.lower() in PROXIES and environ[name] for name in environ):
        return {}
    spared = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    names = [name.strip() for name in spared.split(",") if name.strip()]
    spared = ",".join([*names, *(name for name in LOOPBACK_NAMES if name not in names)])
    # Some libraries read the one, some the other.
    return {} if "*" in names else dict.fromkeys(("no_proxy", "NO_PROXY"), spared)


def use_prefect_environment(store: Store, quiet: bool = True) -> None:
    """Apply `prefect_environment` to this process, before Prefect is imported.

    The server that `make up` started is used where it answers and no other is set.
    """
    os.environ.update(prefect_environment(store, os.environ, quiet))
    if "PREFECT_API_URL" not in os.environ and (server := find_running_server(store)):
        os.environ["PREFECT_API_URL"] = server


def find_running_server(store: Store) -> str | None:
    """Return the API's address of the server that `make up` started, if it answers."""
    state = read_state(store)
    if state is None or not state.url or not is_supervised(store):
        return None
    return state.api_url if is_answering(state.api_url) else None


def is_supervised(store: Store) -> bool:
    """Tell whether the process that `make up` left behind is alive."""
    with suppress(OSError, StorageError):
        return store.own_locks.is_locked(SERVICE_LOCK)
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


def is_answering(api_url: str) -> bool:
    """Tell whether a server answers."""
    return explain_silence(api_url) is None


def explain_silence(api_url: str) -> str | None:
    """Return why a server doesn't answer; None if it does.

    By hand, since whoever only asks that must not wait for the import of Prefect's client;
    every other question goes to `open_client`.
    """
    handlers: list[urllib.request.BaseHandler] = [
        urllib.request.HTTPSHandler(context=_trusted_certificates(os.environ))
    ]
    if is_here(api_url):
        handlers.append(urllib.request.ProxyHandler({}))
    try:
        opener = urllib.request.build_opener(*handlers)
        with opener.open(f"{api_url}/health", timeout=TIMEOUT_SECONDS):
            return None
    except (OSError, ValueError, http.client.HTTPException) as exc:
        return str(exc)


def is_here(url: str) -> bool:
    """Tell whether an address is one of this machine's own, to which no proxy leads."""
    with suppress(ValueError):
        return is_loopback(urlsplit(url).hostname or "")
    return False


def _trusted_certificates(environ: Mapping[str, str]) -> ssl.SSLContext | None:
    """Return what Prefect's client would trust, by its variables; None: what is usual."""
    if environ.get("PREFECT_API_TLS_INSECURE_SKIP_VERIFY", "").lower() in ("1", "true"):
        return ssl._create_unverified_context()  # noqa: S323, as asked for
    file = environ.get("PREFECT_API_SSL_CERT_FILE")
    with suppress(OSError):
        return ssl.create_default_context(cafile=file) if file else None
    return None


def require_server(api_url: str) -> None:
    """Raise `ServerRefused`, with the way out, unless a server answers and lets us in."""
    silence = explain_silence(api_url)
    if silence is None:
        try:
            with open_client(api_url) as client:
                client.read_work_pools(limit=1)
        except ServerRefused as exc:
            silence = str(exc)
    if silence is not None:
        hint = next((words for sign, words in HINTS.items() if sign in silence), "")
        raise ServerRefused(f"the server at PREFECT_API_URL={api_url}: {silence}{hint}")


@contextmanager
def open_client(api_url: str) -> Iterator["SyncPrefectClient"]:
    """Open Prefect's client of a server; one on this machine is asked without a proxy.

    Raises
    ------
    ServerRefused
        In the body, if nobody answers, or an answer tells of an error.
    """
    from httpx import HTTPError
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.exceptions import PrefectException
    from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

    client = SyncPrefectClient(
        api_url,
        auth_string=os.environ.get(AUTH_VARIABLE) or os.environ.get(CLIENT_AUTH_VARIABLE),
        httpx_settings={"timeout": ANSWER_SECONDS, "trust_env": not is_here(api_url)},
    )
    try:
        with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: MOST_RETRIES}), client:
            yield client
    except (HTTPError, PrefectException) as exc:
        raise ServerRefused(f"Prefect's server at {api_url}: {exc}") from exc


def service_environment(store: Store, url: str) -> dict[str, str]:
    """Return the whole environment of the server, the worker and what it runs."""
    ours = prefect_environment(store, os.environ, quiet=False)
    address = {
        "PREFECT_API_URL": f"{url}/api",
        # The page asks the server that it came from, whatever the port.
        "PREFECT_SERVER_UI_API_URL": "/api",
        "PYTHONUNBUFFERED": "1",
        # What they print goes to files of ours, whatever the terminal's encoding.
        "PYTHONIOENCODING": "utf-8",
        # `python` in prefect.yaml is this one, whichever environment is active.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
    }
    return {**os.environ, **ours, **address}


def choose_pool(environ: Mapping[str, str]) -> str:
    """Return the work pool in which the runs of prefect.yaml wait for a worker."""
    return environ.get(POOL_VARIABLE) or USUAL_POOL


def choose_folder() -> dict[str, str]:
    """Return where runs start, absolute: a step of prefect.yaml's `build`.

    The folder that `deploy` runs in, unless it is another where they run, in an image, say.
    """
    return {"directory": os.environ.get(FOLDER_VARIABLE) or str(Path.cwd())}


def choose_host(environ: Mapping[str, str]) -> str:
    """Return where the server listens: on this machine alone, or where the user says.

    Raises
    ------
    InputError
        If others could reach it without a password: who does may run anything here.
    """
    host = environ.get("PREFECT_SERVER_API_HOST", OWN_ADDRESS)
    if is_open(host) and AUTH_VARIABLE not in environ:
        raise InputError(
            f"PREFECT_SERVER_API_HOST={host} opens the server to other machines, and who "
            "reaches it may run anything on this one. Set a password too: "
            f"{AUTH_VARIABLE}=user:password"
        )
    return host


def is_open(host: str) -> bool:
    """Tell whether other machines may reach what listens on a host, a name or an address."""
    return not is_loopback(host)


def _read_address(host: str) -> IPv4Address | IPv6Address | None:
    """Return what a host is as a number; None for a name."""
    with suppress(ValueError):
        return ip_address(host)
    return None


def choose_port(environ: Mapping[str, str]) -> int | None:
    """Return the user's port; None where any will do.

    Raises
    ------
    InputError
        If it is no port.
    """
    wanted = environ.get(PORT_VARIABLE)
    if wanted is None:
        return None
    if not wanted.isdecimal() or int(wanted) > LAST_PORT:
        raise InputError(
            f"{PORT_VARIABLE} must be a port, 1 to {LAST_PORT}, or 0 for any free one; "
            f"it is {wanted!r}"
        )
    return int(wanted)


def write_url(host: str, port: int) -> str:
    """Return the address at which this machine reaches its server."""
    address = _read_address(host)
    name = OWN_ADDRESS if address is not None and address.is_unspecified else host
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"
