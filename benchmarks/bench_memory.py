"""Two trainings at once that share one recipe, against one of them.

Contract: training two candidates in parallel on the same features of MNIST with four
shifts (300,000 images, 0.9 GB of float32) takes at most 1.5 x the memory of training one
of them, since both read the same memory-mapped file. Memory is the peak, over a whole
`digitflow train`, of the proportional set size (PSS) summed over all its processes.

MNIST's IDX files are found as in bench_flow.py.

    python benchmarks/bench_memory.py
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import yaml
from measuring import REPOSITORY, find_mnist, report_ratio, run_server

from digitflow.store.artifacts import Store
from digitflow.workers import count_cores

COMMAND = Path(sys.executable).with_name("digitflow")
MAX_RATIO = 1.5
SAMPLE_SECONDS = 0.1
FIRST = {
    "name": "sgd",
    "estimator": "sgd",
    "recipe": "pixels",
    "params": {"max_iter": 5, "tol": None},
}
SECOND = {"name": "tree", "estimator": "tree", "recipe": "pixels", "params": {"max_depth": 12}}


def main() -> int:
    """Measure and return 1 if the target is missed."""
    folder = find_mnist()
    if folder is None:
        return 0
    print(f"cores: {count_cores()}")
    with tempfile.TemporaryDirectory() as work:
        store = Store(Path(work) / "artifacts")
        with run_server(store) as environment:
            train(Path(work), folder, [FIRST], environment, seed=1)  # databases are made once
            one = train(Path(work), folder, [FIRST], environment, seed=2)
            two = train(Path(work), folder, [FIRST, SECOND], environment, seed=3)
    print(f"peak memory of one training {one / 2**20:.0f} MiB, of two {two / 2**20:.0f} MiB")
    return report_ratio("two trainings / one", two, one, MAX_RATIO)


def train(work, folder, candidates, environment, seed):
    """Train from a cold cache of features and return the peak of bytes."""
    config = {
        "model": f"memory-{seed}",
        "seed": seed,
        "source": {"kind": "mnist", "folder": str(folder)},
        "split": {"validation": 0.04},
        "augment": {"backend": "shift", "pixels": 1},
        "candidates": candidates,
        "gate": {"floor": {"min_accuracy": 0.5}},
    }
    path = work / "memory.yaml"
    path.write_text(yaml.safe_dump(config))
    process = subprocess.Popen(
        [COMMAND, "train", "--config", path],
        env=environment,
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    peak = 0
    while process.poll() is None:
        peak = max(peak, sum_memory(process.pid))
        time.sleep(SAMPLE_SECONDS)
    if process.returncode:
        raise RuntimeError(f"the training ended with {process.returncode}")
    return peak


def sum_memory(pid):
    """Return the proportional set size of a process and all below it, in bytes."""
    try:
        parent = psutil.Process(pid)
        family = [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    return sum(measure(process) for process in family)


def measure(process):
    """Return one process's share, 0 if it has just ended."""
    try:
        return process.memory_full_info().pss
    except (psutil.NoSuchProcess, psutil.AccessDenied, ProcessLookupError):
        return 0


if __name__ == "__main__":
    sys.exit(main())
