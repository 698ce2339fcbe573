"""Memory: predicting from many and from large files, and two trainings at once against one.

Contract: `digitflow predict` of 5,000 files, and of a picture of 64 million pixels, takes at
most 0.4 GB at its peak (resident, the whole process); 0.55 GB if that is a PNG in colours,
which its decoder knows only whole. What only importing scikit-learn, OpenCV and skops takes
is printed beside it. The champion is found as in bench_predict.py.

Contract: training two candidates in parallel on the same features of MNIST with four
shifts (300,000 images, 0.9 GB of float32) takes at most 1.5 x the memory of training one
of them, since both read the same memory-mapped file. Memory is the peak, over a whole
`digitflow train`, of the proportional set size (PSS) summed over all its processes.

MNIST's IDX files are found as in bench_flow.py.

    python benchmarks/bench_memory.py
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import psutil
import yaml
from bench_predict import IMPORTS, find_store, write_pictures
from measuring import REPOSITORY, find_mnist, report_ratio, run_server

from digitflow.store.artifacts import Store
from digitflow.store.files import ARTIFACTS_VARIABLE
from digitflow.workers.local import count_cores

COMMAND = Path(sys.executable).with_name("digitflow")
MAX_RATIO = 1.5
SAMPLE_SECONDS = 0.1
MAX_GIGABYTES, MAX_WHOLE_GIGABYTES = 0.4, 0.55
FILES, SIDES = 5_000, (8000, 8000)
# Asked by a small process between: what a fork has of its parent counts to its peak.
PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
FIRST = {
    "name": "sgd",
    "estimator": "sgd",
    "recipe": "pixels",
    "params": {"max_iter": 5, "tol": None},
}
SECOND = {"name": "tree", "estimator": "tree", "recipe": "pixels", "params": {"max_depth": 12}}


def main() -> int:
    """Measure and return the number of missed targets."""
    print(f"cores: {count_cores()}")
    missed = measure_predictions()
    folder = find_mnist()
    return missed if folder is None else missed + measure_trainings(folder)


def measure_predictions():
    """Print the peak of each prediction; return how many are above the target."""
    missed = 0
    with tempfile.TemporaryDirectory() as work:
        store = find_store(Path(work))
        environment = os.environ | {ARTIFACTS_VARIABLE: str(store.root.resolve())}
        imports = measure_peak([sys.executable, "-c", IMPORTS], environment)
        print(f"only importing scikit-learn, OpenCV and skops: {imports:.2f} GB")
        files = write_pictures(Path(work))
        pages = write_large(Path(work))
        given = {f"{FILES:,} files": files * (FILES // len(files))} | {
            f"64 million pixels, {name}": [path] for name, path in pages.items()
        }
        for name, paths in given.items():
            # Whether every one is found is not what is measured.
            one = ["--one"] if len(paths) > 1 else []
            command = [COMMAND, "predict", "--no-log", "--json", *one, *paths]
            peak = measure_peak(command, environment)
            most = MAX_WHOLE_GIGABYTES if "progressive" in name else MAX_GIGABYTES
            missed += report_ratio(f"{name}: GB at the peak", peak, most, 1.0)
    return missed


def write_large(folder):
    """Write a page of digits of 64 million pixels in several ways; return their files."""
    digits = 255 - cv2.imread(str(folder / "0.png"), cv2.IMREAD_GRAYSCALE)
    page = np.full(SIDES, 235, np.uint8)
    for row in range(500, 7000, 1000):
        for column in range(500, 7000, 1000):
            page[row : row + len(digits), column : column + len(digits)] -= digits // 2
    colours, opaque = cv2.merge([page, page, page // 2 + 100]), np.full_like(page, 255)
    ways = {
        "a gray JPEG": ("gray.jpg", page),
        "a JPEG": ("colours.jpg", colours),
        "a gray PNG": ("gray.png", page),
        "a progressive JPEG": ("later.jpg", colours),
        "a PNG in colours": ("colours.png", colours),
        "a PNG with transparency": ("clear.png", cv2.merge([*cv2.split(colours), opaque])),
    }
    for name, picture in ways.values():
        settings = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1] if name == "later.jpg" else []
        cv2.imwrite(str(folder / name), picture, settings)
    return {way: folder / name for way, (name, _) in ways.items()}


def measure_peak(command, environment):
    """Run a command; return the gigabytes of memory that it had at its peak."""
    measured = [sys.executable, "-c", PEAK, *command]
    done = subprocess.run(measured, env=environment, stdout=subprocess.PIPE, check=True)
    return int(done.stdout) * 1024 / 1e9


def measure_trainings(folder):
    """Train one candidate and two at once; return whether two take too much."""
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
