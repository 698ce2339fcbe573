"""The process behind `digitflow up`: starts Prefect's server and a worker, and watches them.

It holds a lock as long as it lives, writes down what it started, and ends all of it,
flow runs included, when it is told to end.
"""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from digitflow.errors import DigitflowError
from digitflow.service import repairs
from digitflow.service.attached import attach
from digitflow.service.environment import (
    SERVICE_LOCK,
    STATE_FILE,
    ServerRefused,
    ServiceState,
    choose_host,
    choose_pool,
    is_answering,
    open_client,
    service_environment,
    write_state,
    write_url,
)
from digitflow.service.processes import (
    TOKEN_VARIABLE,
    Child,
    ProcessMark,
    end_processes,
    kill_processes,
    list_family,
    log_path,
    start_module,
)
from digitflow.service.server import open_listener, read_end, server_module
from digitflow.store.artifacts import Store, open_store
from digitflow.store.locks import acquire_lock, release_lock

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

TRAINING_QUEUE = "training"
SERVER_PATIENCE_SECONDS = 180.0
# Without another line in its log: each deployment is one, and takes a second or two, or half
# a minute on a machine that is busy.
DEPLOY_PATIENCE_SECONDS = 300.0
POLL_SECONDS = 0.25
# What Prefect's server answers when SQLite kept it waiting, after a second kill, say.
BUSY, MOST_TRIES = "503 Service Unavailable", 3
SECONDS_BETWEEN_ROUNDS = 1.0
SECONDS_BETWEEN_LOOKS = 30.0
READY = "ready"
NOTIFICATIONS = "configs/notifications.yaml"


class ServiceFailed(DigitflowError):
    """The server, the worker or the deployment didn't come up."""


class Supervisor:
    """Starts, watches and ends the service of one store.

    Parameters
    ----------
    store : Store
        Where Prefect's database, the logs and the state are kept.
    folder : Path
        The folder of prefect.yaml; flows run in it.
    """

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self.folder = folder
        self.stopping = threading.Event()
        self.pool = choose_pool(os.environ)
        self.environ: dict[str, str] = {}
        self.children: dict[str, Child] = {}
        self.state = ServiceState(phase="starting", processes={})
        self._is_noted = False
        self._token = os.environ[TOKEN_VARIABLE]
        self._worker_seen: datetime | None = None
        self._looked_at = datetime.now(UTC)
        self._suspects: repairs.Suspects = {}
        self._next_look = 0.0

    def run(self) -> None:
        """Hold the lock, start all, watch until told to end, end all.

        Raises
        ------
        ServiceFailed
            If another supervisor is there, or something doesn't come up.
        """
        lock = self.store.lock_path(SERVICE_LOCK)
        try:
            descriptor = acquire_lock(lock, timeout=2.0)
        except TimeoutError as exc:
            raise ServiceFailed("the service is being started already") from exc
        try:
            self._start_and_watch()
        finally:
            self._end_all()
            self.store.remove(STATE_FILE)
            release_lock(lock, descriptor)

    def stop(self, *_: object) -> None:
        """End soon; also a signal handler."""
        self.stopping.set()

    def _start_and_watch(self) -> None:
        # Held from now on, also while a server that was killed is started again.
        listener = open_listener(os.environ)
        url = write_url(choose_host(os.environ), listener.getsockname()[1])
        self.environ = service_environment(self.store, url)
        os.environ.update(self.environ)  # before Prefect is imported here too
        self._note(url=url, phase="starting the server")
        self._start("server", server_module(listener), inherited=[listener.fileno()])
        import_module("prefect.client.orchestration")  # while the server starts
        self._wait_for("server", lambda: is_answering(self.state.api_url))
        self._wait_for("server", lambda: self._ask_server(self._look_back))
        # Before the worker: what it starts would keep the server's database busy, and would
        # still be what was deployed before.
        self._note(phase="deploying prefect.yaml")
        self._wait_for(
            "server", lambda: self._ask_server(partial(prepare_pool, pool=self.pool))
        )
        self._run_to_end("deploy", ["prefect", "--no-prompt", "deploy", "--all"])
        if (self.folder / NOTIFICATIONS).is_file():
            self._note(phase="reading notifications.yaml")
            module = "digitflow.service.notifications"
            self._run_to_end("notifications", [module, NOTIFICATIONS])
        self._note(phase="starting a worker")
        worker = [*attach(os.getpid(), "prefect"), "worker", "start", "--pool", self.pool]
        worker += ["--type", "process"]
        since = datetime.now(UTC)
        self._start("worker", [*worker, "--name", repairs.WORKER])
        self._wait_for(
            "worker", lambda: self._ask_server(partial(has_worker, pool=self.pool, since=since))
        )
        self._note(phase=READY)
        self._watch()

    def _watch(self) -> None:
        while not self.stopping.wait(SECONDS_BETWEEN_ROUNDS):
            try:
                self._keep_alive()
            except Exception:
                # A full disk, say. Who ends by it takes the server and all runs along.
                logger.exception("a round failed; the next one follows")

    def _start(self, name: str, arguments: list[str], inherited: Sequence[int] = ()) -> None:
        child = self.children[name] = Child(name, arguments, inherited)
        child.start(self.store, self.folder, self.environ)
        self._note()

    def _run_to_end(self, name: str, arguments: list[str]) -> None:
        """Run a command of Prefect's, again where the server was too busy to take it."""
        for _ in range(MOST_TRIES):
            if self._run_once(name, arguments) == 0:
                return
            if BUSY not in read_end(log_path(self.store, name)):
                break
            logger.warning("`%s`: the server's database was locked; once more", name)
        raise ServiceFailed(f"`{name}` failed; {self._see_log(name)}")

    def _run_once(self, name: str, arguments: list[str]) -> int:
        """Run a command and return its exit code."""
        process = start_module(name, arguments, self.store, self.folder, self.environ)
        log, said = log_path(self.store, name), 0
        deadline = time.monotonic() + DEPLOY_PATIENCE_SECONDS
        while (code := process.poll()) is None:
            self._pause()
            if (size := log.stat().st_size) != said:
                said, deadline = size, time.monotonic() + DEPLOY_PATIENCE_SECONDS
            if time.monotonic() > deadline:
                raise ServiceFailed(f"`{name}` does nothing any more; {self._see_log(name)}")
        return code

    def _wait_for(self, name: str, is_up: Callable[[], object]) -> None:
        deadline = time.monotonic() + SERVER_PATIENCE_SECONDS
        while not is_up():
            self._pause()
            if self.children[name].has_ended():
                raise ServiceFailed(f"the {name} ended at once; {self._see_log(name)}")
            if time.monotonic() > deadline:
                raise ServiceFailed(f"the {name} doesn't answer; {self._see_log(name)}")

    def _pause(self) -> None:
        if self.stopping.wait(POLL_SECONDS):
            raise ServiceFailed("it was told to end before it was ready")

    def _keep_alive(self) -> None:
        if not self._is_noted:
            self._note()
        server, worker = self.children["server"], self.children["worker"]
        if server.is_due():
            self._start_again(server)
        if worker.has_ended():
            # What it started would write to nobody, and nobody could cancel it.
            kill_processes(list_family(worker.mark.token))
        else:
            self._worker_seen = datetime.now(UTC)
        # Its dead runs must be looked after first: none of them would begin again later.
        if worker.is_due() and self._ask_server(self._restart_runs):
            self._start_again(worker)
        if time.monotonic() >= self._next_look:
            self._ask_server(self._look_at_runs)
            self._next_look = time.monotonic() + SECONDS_BETWEEN_LOOKS

    def _start_again(self, child: Child) -> None:
        code = child.process.returncode
        logger.warning("the %s ended (exit code %s): starting it", child.name, code)
        child.start(self.store, self.folder, self.environ)
        self._note()

    def _look_back(self, client: "SyncPrefectClient") -> bool:
        """Look after what an earlier service has left behind."""
        repairs.skip_missed_runs(client, datetime.now(UTC))
        repairs.restart_crashed(client, self.pool)
        return True

    def _restart_runs(self, client: "SyncPrefectClient") -> bool:
        """Let the runs begin again that a worker left."""
        repairs.restart_crashed(client, self.pool, self._worker_seen)
        return True

    def _look_at_runs(self, client: "SyncPrefectClient") -> None:
        """Free what runs by its own account, and has no process; a look alone says little."""
        repairs.mark_crashed_commands(client, self.store)
        self._suspects = repairs.restart_stuck(client, self.pool, self._suspects)
        moment = datetime.now(UTC)
        repairs.restart_unsubmitted(client, self.pool, self._looked_at)
        self._looked_at = moment

    def _ask_server(self, act: Callable[["SyncPrefectClient"], Result]) -> Result | None:
        """Do something with the server's client; return its result, None if that failed.

        That the server refuses, or doesn't answer, is logged, and no reason to end.
        """
        try:
            if not is_answering(self.state.api_url):
                raise ServerRefused(f"{self.state.api_url} doesn't answer")
            with open_client(self.state.api_url) as client:
                return act(client)
        except ServerRefused as exc:
            logger.warning("can't look after the flow runs: %s", exc)
            return None

    def _end_all(self) -> None:
        """End the worker and its runs while the server can still take down their states."""
        server = self.children["server"].process.pid if "server" in self.children else -1
        end_processes([one for one in list_family(self._token) if one.pid != server])
        self._ask_server(lambda client: repairs.mark_crashed(client, self.pool))
        for left in end_processes(list_family(self._token)):
            logger.warning("can't end process %d", left.pid)

    def _note(self, **fields: str) -> None:
        marks = {"supervisor": ProcessMark(pid=os.getpid(), token=self._token)}
        marks |= {child.name: child.mark for child in self.children.values()}
        self.state = self.state.model_copy(update={**fields, "processes": marks})
        self._is_noted = False
        write_state(self.store, self.state)
        self._is_noted = True

    def _see_log(self, name: str) -> str:
        return read_end(log_path(self.store, name))


def prepare_pool(client: "SyncPrefectClient", pool: str) -> bool:
    """Make the work pool, and the queue in which one training waits for the other.

    What is there was changed by somebody, or made by us: it is left alone.
    """
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.workers.process import ProcessWorker

    if not any(each.name == pool for each in client.read_work_pools()):
        template = ProcessWorker.get_default_base_job_template()
        kind = ProcessWorker.type
        client.create_work_pool(
            WorkPoolCreate(name=pool, type=kind, base_job_template=template)
        )
    queues = client.match_work_queues([TRAINING_QUEUE], work_pool_name=pool)
    if not any(queue.name == TRAINING_QUEUE for queue in queues):
        client.create_work_queue(TRAINING_QUEUE, concurrency_limit=1, work_pool_name=pool)
    return True


def has_worker(client: "SyncPrefectClient", pool: str, since: datetime) -> bool:
    """Tell whether the worker has reported to the server after a moment with a time zone."""
    return any(
        each.name == repairs.WORKER
        and each.last_heartbeat_time is not None
        and each.last_heartbeat_time >= since
        for each in client.read_workers_for_work_pool(pool)
    )


def main(folder: Path) -> None:
    """Be the process that `digitflow up` leaves in the background."""
    logging.basicConfig(format="%(asctime)s %(message)s")
    supervisor = Supervisor(open_store(), folder)
    # SIGINT too: what a shell starts in the background inherits it ignored, and a worker
    # that can't receive it doesn't end. With a handler here, children have the default.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, supervisor.stop)
    try:
        supervisor.run()
    except DigitflowError as exc:
        sys.exit(str(exc))  # into the log, which `digitflow up` shows


if __name__ == "__main__":
    main(Path(sys.argv[1]))
