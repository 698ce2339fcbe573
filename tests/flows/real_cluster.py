"""A real Dask scheduler and its workers, each a process of its own, for the tests."""

import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

DASK = Path(sys.executable).with_name("dask")
START_SECONDS = 120
# What tests submit is in their own modules.
TESTS = {
    "PYTHONPATH": os.pathsep.join(map(str, (Path(__file__).parent, Path(__file__).parents[2])))
}


class Cluster:
    """A scheduler on the loopback, and workers of one slot.

    Parameters
    ----------
    folder : Path
        For logs, and what Dask keeps on the disk.
    **variables
        Of the scheduler's environment.
    """

    def __init__(self, folder, **variables):
        self.folder = folder
        self.workers = {}
        self.address, self._variables = "tcp://127.0.0.1:0", variables
        self.start_scheduler()

    def start_scheduler(self):
        """Start the scheduler, a second time at the address that it had."""
        port = self.address.rpartition(":")[2]
        self.scheduler = self._start("scheduler", "--port", port, **self._variables)
        self.address = self._read("scheduler", r"Scheduler at: +(tcp://\S+)")

    def start_worker(self, name, *options, wait=True, **variables):
        """Start a worker; with no nanny, unless the options say otherwise."""
        local = ("--local-directory", str(self.folder / "local"))
        self.workers[name] = self._start(
            "worker", self.address, "--name", name, "--nthreads", "1", *local, *options,
            log=name, **variables,
        )  # fmt: skip
        if wait:
            self._read(name, r"Registered to: +(\S+)")
        return self.workers[name]

    def start_ours(self, name, *options):
        """Start a worker as people do: `digitflow worker`."""
        with (self.folder / f"{name}.log").open("w") as output:
            self.workers[name] = subprocess.Popen(
                [DASK.with_name("digitflow"), "worker", "--scheduler", self.address,
                 "--name", name, "--debug", *options],
                stdout=output, stderr=output, env=os.environ | TESTS,
            )  # fmt: skip
        self._read(name, r"Registered to: +(\S+)")
        return self.workers[name]

    def _start(self, kind, *options, log=None, **variables):
        command = [DASK, kind, *options, "--host", "127.0.0.1", "--no-dashboard"]
        with (self.folder / f"{log or kind}.log").open("w") as output:
            return subprocess.Popen(
                command, stdout=output, stderr=output, env=os.environ | TESTS | variables
            )

    def _read(self, log, pattern):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            text = (self.folder / f"{log}.log").read_text()
            if found := re.search(pattern, text):
                return found[1]
            time.sleep(0.05)
        raise AssertionError(f"{log} did not start: {text[-2000:]}")

    def end(self):
        """End all that was started, the workers first."""
        for process in (*self.workers.values(), self.scheduler):
            process.kill()
            process.wait()


@contextmanager
def open_cluster(folder, workers=2, **variables):
    """Start a cluster; all of it ends with the block."""
    folder.mkdir(exist_ok=True)
    cluster = Cluster(folder, **variables)
    try:
        for number in range(workers):
            cluster.start_worker(f"worker-{number}", "--no-nanny")
        yield cluster
    finally:
        cluster.end()


def compute_when_let(folder):
    """Say who computes, wait for the file `go`, and return 42."""
    (folder / f"began-{os.getpid()}-{os.getppid()}").touch()
    while not (folder / "go").exists():
        time.sleep(0.02)
    return 42
