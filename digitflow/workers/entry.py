"""On a worker of the cluster: take a request, have a child compute it, answer.

A request and its answer are bytes: a line of JSON that any version can read, and a pickle
that only the child opens, once the line has said that both sides have the same code.
"""

import json
import os
import pickle
import socket
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from digitflow.errors import CandidateFailed, DigitflowError, list_some
from digitflow.store.bucket import SCHEME, Bucket
from digitflow.store.files import TEMPORARY
from digitflow.store.lineage import (
    OUR_PACKAGE,
    RESULT_LIBRARIES,
    list_versions,
    read_digest,
    read_version,
)
from digitflow.workers.child import StaleProcess
from digitflow.workers.local import WorkerPool, count_cores

if TYPE_CHECKING:
    from distributed import Worker

# Threads of a worker, for all of its fits together; without it one for each of Dask's.
THREADS_VARIABLE = "DIGITFLOW_WORKER_THREADS"
# Bytes that each of its fits may take.
MEMORY_VARIABLE = "DIGITFLOW_WORKER_MEMORY"
# Attempts with another child, where one has loaded what was replaced since.
_CHILDREN = 3
TOPIC = "digitflow-progress"
RAISED, RETURNED = "raised", "returned"


def pack(head: Mapping[str, Any], body: bytes = b"") -> bytes:
    """Return a request or an answer: a line of JSON, then a pickle."""
    return json.dumps(head).encode() + b"\n" + body


def unpack(message: bytes) -> tuple[dict[str, Any], bytes]:
    """Return what `pack` was given."""
    head, _, body = message.partition(b"\n")
    return json.loads(head), body


def compute(request: bytes) -> bytes:
    """Compute a request on this worker; the answer says what came of it, whatever that is.

    The head of a request has `code` ({module: digest} and {library: version} behind the
    result), `time_limit` and `shared` (the name and the text of a file in the store). The
    head of an answer has `host`, `seconds`, and one of `refused`, `failed` (sentences) and
    `came` (whether the body was returned or raised).
    """
    from distributed import get_worker

    head, body = unpack(request)
    worker, began = get_worker(), time.monotonic()
    try:
        find_obstacle(head["shared"], worker)
        came, body = _compute_in_child(worker, head, body)
        said = {"came": came}
    except Refused as exc:
        said, body = {"refused": f"{_name(worker)}: {exc}"}, b""
    except CandidateFailed as exc:
        said, body = {"failed": str(exc)}, b""
    seconds = round(time.monotonic() - began, 3)
    return pack({"host": socket.gethostname(), "seconds": seconds, **said}, body)


class Refused(Exception):
    """This worker is not what the request needs."""


def find_obstacle(shared: list[str] | None, worker: "Worker") -> None:
    """Raise `Refused` if no fit could run here: no children, or another store."""
    import multiprocessing

    if multiprocessing.current_process().daemon:
        raise Refused(
            "its process may have no children, and a fit runs in one: start it by "
            "`digitflow worker`, by `dask worker --no-nanny`, or with "
            "DASK_DISTRIBUTED__WORKER__DAEMON=False"
        )
    if shared is None:
        return
    path, expected = shared
    try:
        found = _read_shared(path)
    except OSError as exc:
        found = str(exc.strerror)
    except DigitflowError as exc:
        found = str(exc)
    if found != expected and path.startswith(SCHEME):
        raise Refused(
            f"it doesn't see the bucket of artifacts that the run writes to ({path}: {found}): "
            "start it with the extra s3 and the AWS variables that the run has"
        )
    if found != expected:
        raise Refused(
            f"it doesn't see the folder of artifacts that the run writes to ({path}: "
            f"{found}): mount the same folder at the same path"
        )


def _read_shared(path: str) -> str:
    """Return the text of a file of the run's store, in a folder or in a bucket."""
    if not path.startswith(SCHEME):
        return Path(path).read_text(encoding="utf-8")
    bucket, _, name = path.rpartition(f"/{TEMPORARY}/")
    content = Bucket(bucket).read(f"{TEMPORARY}/{name}")
    return "it is not there" if content is None else content.decode()


def describe_worker(
    shared: list[str] | None, dask_worker: "Worker | None" = None
) -> dict[str, Any]:
    """Return what a client asks of a worker that it finds: versions, host, obstacle."""
    assert dask_worker is not None
    try:
        find_obstacle(shared, dask_worker)
        obstacle = None
    except Refused as exc:
        obstacle = str(exc)
    libraries = {each for names in RESULT_LIBRARIES.values() for each in names}
    return {
        "name": _name(dask_worker),
        "host": socket.gethostname(),
        "slots": dask_worker.state.nthreads,
        "cores": count_cores(),
        "obstacle": obstacle,
        "versions": list_versions({name: read_version(name) for name in sorted(libraries)}),
    }


def _name(worker: "Worker") -> str:
    return f"worker {worker.name} on {socket.gethostname()}"


def _compute_in_child(
    worker: "Worker", head: Mapping[str, Any], body: bytes
) -> tuple[str, bytes]:
    from distributed.core import Status

    key, alive = worker.get_current_task(), (Status.running, Status.paused)

    def is_wanted() -> bool:
        task = worker.state.tasks.get(key)
        # A worker that closes, also since its scheduler is gone, waits for what it executes.
        return task is not None and task.state == "executing" and worker.status in alive

    def hear(text: str) -> None:
        worker.log_event(TOPIC, {"key": key, "text": text})

    pool = _find_pool(worker)
    for _ in range(_CHILDREN):
        try:
            return pool.run(
                open_and_call,
                head["code"],
                body,
                time_limit=head["time_limit"],
                hear=hear,
                wanted=is_wanted,
            )
        except StaleProcess as exc:
            stale = exc
    raise Refused(str(stale))


def _find_pool(worker: "Worker") -> WorkerPool:
    """Return the worker's pool; it ends with its process."""
    slots = worker.state.nthreads
    threads = int(os.environ.get(THREADS_VARIABLE) or slots)
    memory = int(os.environ.get(MEMORY_VARIABLE) or 0) or None
    kept = vars(worker).setdefault("digitflow_pool", WorkerPool(slots, threads, memory))
    assert isinstance(kept, WorkerPool)
    return kept


def open_and_call(code: Mapping[str, Mapping[str, str]], body: bytes) -> tuple[str, bytes]:
    """In a child: compare the code, open the pickle, call what is in it, pickle the result.

    Raises
    ------
    Refused
        If the code or a library here is another.
    StaleProcess
        If it was replaced since this process has loaded it.
    """
    compare_code(code)
    try:
        function = pickle.loads(body)  # noqa: S301  # from who may submit, may run all anyway
    except Exception as exc:
        raise Refused(f"can't open what was submitted ({type(exc).__name__}: {exc})") from exc
    try:
        return RETURNED, pickle.dumps(function())
    except Exception as exc:
        return RAISED, _pickle_error(exc)


def _pickle_error(error: Exception) -> bytes:
    error.add_note("".join(traceback.format_exception(error)))
    try:
        pickle.loads(content := pickle.dumps(error))  # noqa: S301  # our own
    except Exception:
        return pickle.dumps(CandidateFailed(f"{type(error).__name__}: {error}"))
    return content


# Of modules and libraries, as they were when this process first was asked for them.
_loaded: dict[str, str] = {}


def compare_code(expected: Mapping[str, Mapping[str, str]]) -> None:
    """Raise unless modules and libraries are here as expected; see `open_and_call`."""
    found = {
        name: read_digest(name)
        for name in expected["modules"]
        if name.partition(".")[0] == OUR_PACKAGE  # a project's travel as text
    } | {name: read_version(name) for name in expected["libraries"]}
    wanted = {**expected["modules"], **expected["libraries"]}
    other = [
        f"{name} (expected {wanted[name][:12]}, came {here[:12]})"
        for name, here in found.items()
        if here != wanted[name]
    ]
    if other:
        raise Refused(
            f"it has other code or libraries than the run, whose results it would spoil: "
            f"{list_some(other)}. Install the same there, and start it again"
        )
    if any(_loaded.setdefault(name, here) != here for name, here in found.items()):
        raise StaleProcess("its processes have loaded code that was replaced since")
