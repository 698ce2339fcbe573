"""The same slots on other machines: a pool over a Dask scheduler and its workers.

What is distributed is the computation alone. Keys, locks, records and the registry stay in
the run's process; references travel, and every worker sees the same folder of artifacts.
"""

import logging
import pickle
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from digitflow.errors import CandidateFailed, ClusterError, InputError, list_some
from digitflow.project.code import Code
from digitflow.store.lineage import list_versions
from digitflow.workers import entry
from digitflow.workers.address import CLUSTER_VARIABLE, check_address
from digitflow.workers.local import WorkerPool
from digitflow.workers.turns import Turns

if TYPE_CHECKING:
    from distributed import Client, Future

Result = TypeVar("Result")
CONNECT_SECONDS, ANSWER_SECONDS, CLOSE_SECONDS = 10.0, 30.0, 3.0
# A cluster without a worker may be about to get one.
PATIENCE_SECONDS = 60.0
_LOOK_SECONDS = 1.0


class ClusterPool:
    """Slots on a cluster, one for each thread that Dask counts there; see `WorkerPool`.

    Parameters
    ----------
    address : str
        The scheduler's.
    here : WorkerPool
        For what stays on this machine.
    shared : (Path or str, str), optional
        A file in the folder, or the bucket, that all share, and its text, by which workers
        know it.

    Raises
    ------
    ClusterError
        If the scheduler doesn't answer, or a worker there is not what the run needs.
    """

    def __init__(
        self, address: str, here: WorkerPool, shared: tuple[Path | str, str] | None
    ) -> None:
        self.here, self._address = here, check_address(address)
        self._shared = None if shared is None else [str(shared[0]), shared[1]]
        self._turns = Turns(0)
        self._mine = threading.local()
        self._said: dict[str, SimpleQueue[str]] = {}
        self._lost: ClusterError | None = None
        self._closed = threading.Event()
        self._client = connect(address)
        try:
            check_workers(self._client, self._address, self._shared)
            self._client.subscribe_topic(entry.TOPIC, self._note)
            self._alone_since = time.monotonic()
            self._look()
        except BaseException:
            close(self._client)
            raise
        threading.Thread(target=self._keep_looking, daemon=True).start()

    def run(
        self,
        function: Callable[..., Result],
        *args: Any,
        time_limit: float | None = None,
        place: int = 0,
        hear: Callable[[str], None] | None = None,
        code: Callable[[], Code] | None = None,
    ) -> Result:
        """Do as `WorkerPool.run`, on whatever worker has a free slot.

        Work that is lost with its worker begins again on another.

        Raises
        ------
        CandidateFailed
            As there; or if the workers that computed it died, one after the other.
        ClusterError
            If the cluster is gone, or a worker has other code than this process.
        """
        request = self._write_request(partial(function, *args), time_limit, code)
        asked = time.monotonic()
        self._turns.take(place)
        try:
            answer = self._ask(request, place, hear)
        finally:
            self._turns.give_back()
        head, body = entry.unpack(answer)
        waited = time.monotonic() - asked - head["seconds"]
        self._mine.waited = self.seconds_waited() + waited
        result = _open_answer(head, body)
        self._mine.host = head["host"]
        return result

    def _write_request(
        self, function: Callable[[], Any], limit: float | None, code: Callable[[], Code] | None
    ) -> bytes:
        behind = Code({}, {}) if code is None else code()
        head = {"code": behind._asdict(), "time_limit": limit, "shared": self._shared}
        try:
            return entry.pack(head, pickle.dumps(function))
        except Exception as exc:
            raise InputError(f"{function} can't travel to another process: {exc}") from exc

    def _ask(self, request: bytes, place: int, hear: Callable[[str], None] | None) -> bytes:
        key = f"digitflow-{secrets.token_hex(16)}"
        self._said[key] = SimpleQueue()
        ended = threading.Event()
        future = self._client.submit(
            entry.compute, request, key=key, priority=-place, pure=False
        )
        future.add_done_callback(lambda _: ended.set())
        try:
            while not ended.wait(_LOOK_SECONDS) and self._lost is None:
                self._tell(key, hear)
            answer = self._wait(future)
            self._tell(key, hear)
            return answer
        finally:
            del self._said[key]
            future.release()

    def _wait(self, future: "Future") -> bytes:
        from distributed import KilledWorker

        try:
            if self._lost is not None:
                raise self._lost
            answer: bytes = future.result(timeout=CONNECT_SECONDS)
            return answer
        except KilledWorker as exc:
            raise CandidateFailed(
                f"the workers that computed it died, {exc.allowed_failures + 1} one after the "
                f"other, the last one {exc.last_worker.address}; out of memory?"
            ) from exc
        except ClusterError:
            raise
        except Exception as exc:
            if self._closed.is_set():
                raise CandidateFailed("the run is being ended") from exc
            raise self._describe_loss("the connection to its scheduler is lost") from exc

    def _describe_loss(self, why: str) -> ClusterError:
        return ClusterError(
            f"the cluster at {self._address} is gone ({why}). What was finished is kept: with "
            "a cluster again, the same command goes on from there"
        )

    def _note(self, event: tuple[float, dict[str, str]]) -> None:
        said = event[1]
        if (queue := self._said.get(said["key"])) is not None:
            queue.put(said["text"])

    def _tell(self, key: str, hear: Callable[[str], None] | None) -> None:
        try:
            while True:
                text = self._said[key].get_nowait()
                if hear is not None:
                    hear(text)
        except Empty:
            pass

    def _keep_looking(self) -> None:
        while not self._closed.wait(_LOOK_SECONDS):
            try:
                self._look()
            except ClusterError as exc:
                self._lose(exc)
                return
            except Exception as exc:
                if not self._closed.is_set():
                    self._lose(self._describe_loss(str(exc) or type(exc).__name__))
                return

    def _look(self) -> None:
        """Count the slots; they change as workers come and go."""
        if self._client.status != "running":
            raise self._describe_loss("the connection to its scheduler is lost")
        slots = sum(self._client.nthreads().values())
        self._turns.resize(slots)
        if slots:
            self._alone_since = time.monotonic()
        elif time.monotonic() - self._alone_since > PATIENCE_SECONDS:
            raise self._describe_loss(f"it has had no worker for {PATIENCE_SECONDS:g} s")

    def _lose(self, error: ClusterError) -> None:
        self._lost = error
        self._turns.refuse(error)

    def seconds_waited(self) -> float:
        """Return how long this thread has waited for slots so far, here and there."""
        waited: float = getattr(self._mine, "waited", 0.0)
        return waited + self.here.seconds_waited()

    def take_host(self) -> str | None:
        """Return the host that computed this thread's last work, once."""
        host: str | None = vars(self._mine).pop("host", None)
        return host

    def __enter__(self) -> "ClusterPool":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give up what is still computed: workers see within a second that nobody waits."""
        self._closed.set()
        self._turns.refuse(CandidateFailed("the run is being ended"))
        close(self._client)


def close(client: "Client") -> None:
    """Close a client, also one whose scheduler is gone."""
    with suppress(Exception):
        client.close(timeout=CLOSE_SECONDS)


def connect(address: str) -> "Client":
    """Return a client of a scheduler, or raise `ClusterError`."""
    try:
        from distributed import Client
    except ModuleNotFoundError as exc:
        raise InputError(
            "a cluster needs the extra cluster: pip install 'digitflow[cluster]'"
        ) from exc
    _require_certificate(address)
    # What it would log of a lost scheduler, in tracebacks, our errors say in a sentence.
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
    try:
        return Client(address, timeout=CONNECT_SECONDS, set_as_default=False, name="digitflow")
    except Exception as exc:
        raise ClusterError(
            f"no scheduler answers at {address} ({exc}): start one by `dask scheduler --host "
            f"127.0.0.1`, or unset `training.cluster` and {CLUSTER_VARIABLE}"
        ) from exc


def _require_certificate(address: str) -> None:
    """Raise `InputError` where Dask's settings name none that an encrypted address needs."""
    from distributed import Security

    if not address.startswith("tls://"):
        return
    try:
        if Security().get_connection_args("client").get("ssl_context") is not None:
            return
        why = "none is named"
    except (OSError, ValueError) as exc:
        why = str(exc)
    raise InputError(
        f"{address} needs a certificate ({why}): name it in Dask's settings, such as "
        "DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT, see docs/cluster.md"
    )


def check_workers(client: "Client", address: str, shared: list[str] | None) -> None:
    """Raise `ClusterError` unless there are workers, and each is what a run needs."""
    described = describe_workers(client, shared)
    if not described:
        raise ClusterError(
            f"the scheduler at {address} has no worker: start one by `digitflow worker "
            f"--scheduler {address}`"
        )
    obstacles = [said for each in described if (said := find_obstacle(each))]
    if obstacles:
        raise ClusterError("; ".join(obstacles[:3]))


def describe_workers(client: "Client", shared: list[str] | None) -> list[dict[str, Any]]:
    """Return what `entry.describe_worker` says of each worker, or its name and `obstacle`."""
    # Of the standard library, so that a worker without digitflow can answer, too.
    found = _ask_all(client, version, "digitflow")
    able = [name for name, said in found.items() if isinstance(said, str)]
    asked: dict[str, Any] = {}
    if able:
        asked = _ask_all(client, entry.describe_worker, shared, workers=able)
    return [_describe(name, asked.get(name)) for name in sorted(found)]


def _ask_all(
    client: "Client", function: Callable[..., Any], *args: Any, workers: list[str] | None = None
) -> dict[str, Any]:
    """Return what a function says on each worker; one that doesn't answer is an error."""
    options = {"workers": workers, "on_error": "return", "callback_timeout": ANSWER_SECONDS}
    try:
        answers: dict[str, Any] = client.sync(client._run, function, *args, **options)
        return answers
    except TimeoutError as exc:
        raise ClusterError(
            f"a worker doesn't answer within {ANSWER_SECONDS:g} s: one of "
            f"{list_some(client.nthreads())}. End it, and start another"
        ) from exc


def _describe(worker: str, said: Any) -> dict[str, Any]:
    if isinstance(said, dict):
        return said
    why = "has no digitflow" if said is None else f"has another digitflow, it says {said!r}"
    return {"name": f"worker {worker}", "host": "", "obstacle": why}


def find_obstacle(described: dict[str, Any]) -> str | None:
    """Return why a worker can compute nothing for this process, or None."""
    if described["obstacle"]:
        return f"{described['name']}: {described['obstacle']}"
    return compare_versions(described, list_versions({}))


def compare_versions(described: dict[str, Any], here: Mapping[str, str]) -> str | None:
    """Return which versions of a worker's differ from these, or None."""
    there = described["versions"]
    other = [
        f"{name} (expected {here[name]}, came {there.get(name)})"
        for name in here
        if _shorten(name, there.get(name, "")) != _shorten(name, here[name])
    ]
    return f"{described['name']} has {list_some(other)}" if other else None


def _shorten(name: str, version: str) -> str:
    """Return what counts of a version: Python's patches change no result, and no pickle."""
    return version.rpartition(".")[0] if name == "python" else version


def _open_answer(head: dict[str, Any], body: bytes) -> Any:
    if "refused" in head:
        raise ClusterError(head["refused"])
    if "failed" in head:
        raise CandidateFailed(head["failed"])
    value = pickle.loads(body)  # noqa: S301  # from whom we trust to compute
    if head["came"] == entry.RAISED:
        raise value
    return value
