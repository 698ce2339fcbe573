"""How each candidate of configs/mnist.yaml grows with the number of its training images.

Contract: the champion's kind (`nystroem`, `cnn`, and their blend, which takes what both take)
needs processor time that grows no faster than the 1.05th power of the number of images, and
memory that does not grow.

From 10,000 to 600,000 images: MNIST's, and above its 60,000 altered copies of them. Each fit is
a process of its own, on features in a memory-mapped file as in a run; printed are seconds by
the clock and of the processors, the peak of its memory without what it maps, and the bytes of
the stored pipeline, which is a table of docs/scaling.md. A fit that would take more than
MOST_SECONDS of the processors, by what the smaller ones took, is left out, and said so. MNIST's
IDX files are found as in bench_flow.py.

    python benchmarks/bench_growth.py [MOST_SECONDS [CANDIDATE ...]]
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil
from measuring import MNIST_CONFIG, find_mnist

from digitflow.augment.backends.opencv import write_copies
from digitflow.config.data import MnistSource
from digitflow.config.reading import load_config
from digitflow.data.sources import mnist
from digitflow.models.building import EstimatorChoice, RecipeChoice
from digitflow.models.fitting import fit_candidate, prepare_recipe
from digitflow.store.artifacts import Store
from digitflow.workers.local import count_cores

THOUSANDS = (10, 20, 40, 60, 120, 300, 600)
HELD_OUT = 2_000
MOST_SECONDS = 600.0
# With fewer, what does not depend on the number of images is much of it.
LEAST_FITTED = 40
MOST_EXPONENT, MOST_GROWTH = 1.05, 1.2
BOUND = ("nystroem", "cnn")
SAMPLE_SECONDS = 0.05


def main(most_seconds=MOST_SECONDS, *names):
    """Measure, print a table, and return the number of missed targets."""
    folder = find_mnist()
    if folder is None:
        return 0
    os.environ[mnist.FOLDER_VARIABLE] = str(folder)
    config = load_config(MNIST_CONFIG)
    chosen = [c for c in config.candidates if not c.parts and (not names or c.name in names)]
    print(f"cores: {count_cores()}\n")
    print("| candidate | images | features, s | fit, s | of the processors, s | MB | bytes |")
    print("|---|---|---|---|---|---|---|", flush=True)
    missed = 0
    for candidate in chosen:
        with tempfile.TemporaryDirectory() as work:
            missed += measure_growth(Path(work), candidate, float(most_seconds))
    return missed


def measure_growth(work, candidate, most_seconds):
    """Print a row for each number of images; return whether a bound is missed."""
    rows = []
    for thousands in THOUSANDS:
        if rows and (expected := foresee(rows, thousands)) > most_seconds:
            print(f"| {candidate.name} | {thousands},000 | left out: about {expected:.0f} s |")
            break
        # Of its own, so that the next one begins with nothing in memory.
        command = [sys.executable, __file__, "--one", work, candidate.name, str(thousands)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
        row = json.loads(done.stdout)
        rows.append(row)
        cells = [candidate.name, f"{thousands},000"]
        cells += [f"{row[name]:.1f}" for name in ("features", "fit", "processor")]
        cells += [f"{row['megabytes']:.0f}", f"{row['bytes']:,}"]
        print(f"| {' | '.join(cells)} |", flush=True)
    return judge(candidate, rows)


def judge(candidate, rows):
    """Print by which powers of the number of images a fit grows; whether that is too much."""
    large = [row for row in rows if row["thousands"] >= LEAST_FITTED]
    if len(large) < 2:
        return False
    exponents = {name: fit_exponent(large, name) for name in ("features", "processor", "bytes")}
    grown = large[-1]["megabytes"] / large[0]["megabytes"]
    words = ", ".join(f"{name} {power:.2f}" for name, power in exponents.items())
    print(f"| {candidate.name} | exponents: {words}; memory {grown:.2f} x |", flush=True)
    if candidate.estimator not in BOUND:
        return False
    return bool(exponents["processor"] > MOST_EXPONENT or grown > MOST_GROWTH)


def fit_exponent(rows, name):
    """Return the power of the number of images by which something grows."""
    logs = np.log([[row["thousands"], row[name]] for row in rows])
    return np.polyfit(logs[:, 0], logs[:, 1], 1)[0]


def foresee(rows, thousands):
    """Return about how many processor seconds the next fit will take, by the last two."""
    last = rows[-1]
    power = max(1.0, fit_exponent(rows[-2:], "processor")) if len(rows) > 1 else 1.0
    return last["processor"] * (thousands / last["thousands"]) ** power


def measure_one(work, name, thousands):
    """Fit a candidate on so many images and print what that took."""
    config = load_config(MNIST_CONFIG)
    candidate = next(each for each in config.candidates if each.name == name)
    store, threads = Store(Path(work) / "artifacts"), count_cores()
    images, targets, held, held_targets = make_images(store, config, 1000 * int(thousands))
    recipe = RecipeChoice.from_candidate(candidate, config)
    began = time.perf_counter()
    prepared = prepare_recipe(store, recipe, images, held, held, config.seed, threads)
    features = time.perf_counter() - began
    choice = EstimatorChoice.from_candidate(candidate, config)
    before, peak = read_memory(), Peak()
    with peak:
        fitted = fit_candidate(store, choice, prepared, targets, held_targets, threads)
    found = {
        "thousands": int(thousands),
        "features": features,
        "fit": fitted.fit_seconds,
        "processor": fitted.processor_seconds,
        "megabytes": (peak.bytes - before) / 1e6,
        "bytes": fitted.model.bytes,
    }
    print(json.dumps(found))


def make_images(store, config, count):
    """Store so many training images, the first of one large set, and some held out."""
    digits = mnist.load(MnistSource(kind="mnist"))
    # By a seed: MNIST's own order is by writer.
    order = np.random.default_rng(config.seed).permutation(len(digits.train.labels))
    own, labels = digits.train.images[order], digits.train.labels[order]
    copies = -(-count // len(own)) - 1
    images = np.empty((len(own) * (1 + copies), *own.shape[1:]), np.uint8)
    settings = config.augment.model_copy(update={"copies": copies})
    write_copies(own, settings, config.seed, images)
    return (
        store.put_array(images[:count]),
        store.put_array(np.tile(labels, 1 + copies)[:count]),
        store.put_array(digits.test.images[:HELD_OUT]),
        store.put_array(digits.test.labels[:HELD_OUT]),
    )


def read_memory():
    """Return the bytes of this process that no file backs."""
    used = psutil.Process().memory_info()
    return used.rss - used.shared


class Peak:
    """The most memory that this process has while it lasts, which a thread looks at."""

    def __init__(self):
        self.bytes = read_memory()
        self._ended = threading.Event()
        self._looking = threading.Thread(target=self._look)

    def __enter__(self):
        self._looking.start()

    def __exit__(self, *_):
        self._ended.set()
        self._looking.join()

    def _look(self):
        while not self._ended.wait(SAMPLE_SECONDS):
            self.bytes = max(self.bytes, read_memory())


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        measure_one(*sys.argv[2:])
    else:
        sys.exit(main(*sys.argv[1:]) > 0)
