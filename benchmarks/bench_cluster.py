"""What a cluster costs on one machine, and what a second worker of one core brings.

Contract: a command whose computations go to two workers of one core each takes at most 1.05
times as long as with two local processes on the same cores; with one such worker it takes at
least 1.7 times as long as with two. All three have equal digests of all that their tasks put
out.

A command is a training of the config (default configs/mnist.yaml; MNIST's IDX files are found
as in bench_flow.py; of configs/digits.yaml half the time is no computation), or its study of
the named sections, each in a folder of its own, against one Prefect server; its seconds are
those of the run's record. Processor seconds, beside them, are those of the command, the
scheduler, the workers and all of their children. The machine should have nothing else to do.

    python benchmarks/bench_cluster.py [CONFIG [SECTION ...]]
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
from measuring import COMMAND, MNIST_CONFIG, find_mnist, run_server

from digitflow.store.artifacts import Store
from digitflow.store.runs import list_runs, read_events

MOST_OVERHEAD, LEAST_GAIN = 1.05, 1.7
START_SECONDS = 60


def main(config=MNIST_CONFIG, *sections):
    """Measure, print both ratios, and return the number of missed targets."""
    command = ["study", *sections] if sections else ["train"]
    data = {}
    if "mnist" in Path(config).name:
        if (folder := find_mnist()) is None:
            return 0
        data["DIGITFLOW_MNIST_DIR"] = str(folder)
    words = [*command, "--config", str(Path(config).resolve())]
    with ExitStack() as stack:
        made = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        environment = stack.enter_context(run_server(Store(made / "server"))) | data
        measured = {
            workers: _measure(words, workers, made / str(workers), environment)
            for workers in (0, 2, 1)
        }
    for workers, (seconds, used, outputs) in measured.items():
        name = f"{workers} workers of one core" if workers else "2 local processes"
        print(
            f"{name}: {seconds:.1f} s, {used:.1f} s of the processors, {len(outputs)} digests"
        )
    (local, _, digests), (two, _, there), (one, _, alone) = measured.values()
    print(f"overhead of the cluster: {two / local:.3f} (at most {MOST_OVERHEAD})")
    print(f"two workers against one: {one / two:.2f} (at least {LEAST_GAIN})")
    print(f"digests are {'equal' if digests == there == alone else 'NOT equal'}")
    missed = (two / local > MOST_OVERHEAD, one / two < LEAST_GAIN)
    return sum(missed) + (not digests == there == alone)


def _measure(words, workers, folder, environment):
    """Return seconds, processor seconds and {(task, output): digest} of a command."""
    folder.mkdir()
    environment = environment | {"DIGITFLOW_ARTIFACTS": str(folder / "artifacts")}
    with ExitStack() as stack:
        cluster = []
        if workers:
            address, cluster = stack.enter_context(_start_cluster(workers, folder))
            environment["DIGITFLOW_CLUSTER"] = address
        before = _count_seconds(cluster)
        log = stack.enter_context((folder / "command.log").open("w"))
        process = subprocess.Popen(
            [COMMAND, *words], env=environment, cwd=folder, stdout=log, stderr=log
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        used = usage.ru_utime + usage.ru_stime + _count_seconds(cluster) - before
    if process.returncode:
        raise SystemExit((folder / "command.log").read_text()[-2000:])
    store = Store(folder / "artifacts")
    record = list_runs(store)[0]
    return record["seconds"], used, _list_outputs(store, record["run"])


@contextmanager
def _start_cluster(workers, folder):
    """Start a scheduler and workers of one core; yield its address and all processes."""
    with (folder / "scheduler.log").open("w") as log:
        options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
        dask = [COMMAND.with_name("dask"), "scheduler", *options]
        processes = [psutil.Popen(dask, stdout=log, stderr=log)]
    address = _read(folder / "scheduler.log", r"Scheduler at: +(tcp://\S+)")
    ours = [COMMAND, "worker", "--scheduler", address, "--threads", "1", "--debug"]
    for number in range(workers):
        with (folder / f"{number}.log").open("w") as log:
            processes.append(psutil.Popen(ours, stdout=log, stderr=log))
        _read(folder / f"{number}.log", r"Registered to: +(\S+)")
    try:
        yield address, processes
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait()


def _read(log, pattern):
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if found := re.search(pattern, log.read_text()):
            return found[1]
        time.sleep(0.1)
    raise SystemExit(f"{log.name} did not start: {log.read_text()[-500:]}")


def _count_seconds(processes):
    """Return the processor seconds of processes and of all that they have started."""
    family = [each for one in processes for each in (one, *one.children(recursive=True))]
    times = [each.cpu_times() for each in family]
    ended = sum(each.children_user + each.children_system for each in times)
    return sum(each.user + each.system for each in times) + ended


def _list_outputs(store, run):
    return {
        (event["task"], output["name"]): output["digest"]
        for event in read_events(store, run)
        for output in event.get("outputs", ())
    }


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
