"""The champion of configs/mnist.yaml against a tuned convolutional network in PyTorch.

Contract, in one run on one machine, both on the same training images and the same cores:

- the champion, chosen by validation alone, reads at least 99.50 % of the validation and 99.60 %
  of the test images, with a log loss of at most .011 on the test images;
- the fits of what it is made of take at most 1.2 x the network's fit of four epochs in float32;
- our own convolutional network takes at most 1.0 x the fit of the PyTorch network that reads as
  many of the validation images.

Accuracy and log loss of the network are printed for 2, 4 and 8 epochs, also where they beat
ours; seconds by the clock and of the processors. PyTorch is no dependency of digitflow: without
it (or a Python that has it, in DIGITFLOW_TORCH_PYTHON) this says so and ends well. MNIST's IDX
files are found in DIGITFLOW_MNIST_DIR, else beside this repository.

    python benchmarks/bench_anchor.py [ARTIFACTS]

ARTIFACTS: a folder in which configs/mnist.yaml was trained by this machine; else it is trained.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from measuring import MNIST_CONFIG, find_mnist, open_training, report_ratio
from sklearn.metrics import accuracy_score, log_loss

from digitflow.config.reading import load_config
from digitflow.data.ingestion import load_digits
from digitflow.data.splits import split_rows
from digitflow.data.validation import check_digits
from digitflow.predict.predictor import Predictor

SCRIPT = Path(__file__).with_name("plain_network.py")
EPOCHS, ANCHOR_EPOCHS = (2, 4, 8), 4
LEAST_VALIDATION, LEAST_TEST, MOST_LOSS = 0.995, 0.996, 0.011
MOST_RATIO, MOST_RATIO_ALONE = 1.2, 1.0


def main(artifacts: Path | None = None) -> int:
    """Compare them, print a table, and return the number of missed targets."""
    folder = find_mnist()
    if folder is None:
        return 0
    os.environ["DIGITFLOW_MNIST_DIR"] = str(folder)
    with open_training(artifacts) as (store, record), tempfile.TemporaryDirectory() as work:
        digits = read_digits()
        own = describe_own(store, record, digits.test)
        print_row(f"champion: {own['name']}", own)
        parts = [describe_fit(record, name) for name in own["parts"]]
        for part in parts:
            print_row(part["name"], part)
        misses = judge_champion(own)
        python = find_torch()
        if python is None:
            return misses
        arrays = save_arrays(Path(work) / "arrays.npz", digits)
        networks = [train_network(python, arrays, epochs) for epochs in EPOCHS]
        for network in networks:
            print_row(f"PyTorch, {network['epochs']} epochs, {network['precision']}", network)
    return misses + compare(parts, networks)


def describe_fit(record, name):
    """Return how a candidate reads the validation images, and what its fit took."""
    entry = next(e for e in record["leaderboard"] if e["candidate"]["name"] == name)
    metrics, fitted = entry["evaluation"]["metrics"], entry["fitted"]
    return {
        "name": name,
        "estimator": entry["candidate"]["estimator"],
        "parts": entry["candidate"].get("parts") or [name],
        "validation": {"accuracy": metrics["accuracy"], "log_loss": metrics["log_loss"]},
        "seconds": fitted["fit_seconds"],
        "processor_seconds": fitted["processor_seconds"],
    }


def describe_own(store, record, images):
    """Return the same of the winner, with how it reads the test images."""
    winner = describe_fit(record, record["winner"])
    fits = [describe_fit(record, name) for name in winner["parts"]]
    found = Predictor.load(store, record["model"]).pipeline.predict_proba(images.images)
    test = {
        "accuracy": accuracy_score(images.labels, found.argmax(axis=1)),
        "log_loss": log_loss(images.labels, found),
    }
    sums = {key: sum(fit[key] for fit in fits) for key in ("seconds", "processor_seconds")}
    return winner | sums | {"test": test}


def read_digits():
    """Return the images of the config, as its flow reads and checks them."""
    config = load_config(MNIST_CONFIG)
    return check_digits(load_digits(config.source), config.validation)


def save_arrays(path, digits):
    """Save the images that the flow trains, calibrates, validates and tests on."""
    config = load_config(MNIST_CONFIG)
    found = digits.train
    rows = split_rows(found.labels, found.writers, config.split, True, config.seed)
    parts = {part: (found.images[rows[part]], found.labels[rows[part]]) for part in rows}
    parts["test"] = digits.test.images, digits.test.labels
    arrays = {f"{part}_images": images for part, (images, _) in parts.items()}
    np.savez(
        path, **arrays, **{f"{part}_labels": labels for part, (_, labels) in parts.items()}
    )
    return path


def find_torch():
    """Return a Python that has PyTorch; None, and say so, where there is none."""
    python = os.environ.get("DIGITFLOW_TORCH_PYTHON", sys.executable)
    if subprocess.run([python, "-c", "import torch"], capture_output=True).returncode == 0:
        return python
    print("skipped: PyTorch is not installed; name a Python that has it in ", end="")
    print("DIGITFLOW_TORCH_PYTHON")
    return None


def train_network(python, arrays, epochs, precision="float32"):
    """Train the network in a process of its own, and return what it printed."""
    command = [python, str(SCRIPT), str(arrays), str(epochs), precision]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def print_row(name, row):
    """Print how one reads and what its fit took."""
    words = [f"{name:34}"]
    for part in ("validation", "test"):
        if part in row:
            words.append(f"{part} {100 * row[part]['accuracy']:.2f} %")
            words.append(f"log loss {row[part]['log_loss']:.4f}")
    words.append(f"fit {row['seconds']:.1f} s")
    words.append(f"{row['processor_seconds']:.1f} s of the processors")
    print(", ".join(words), flush=True)


def judge_champion(own):
    """Print what is asked of the champion and return how much it misses."""
    asked = (
        ("validation", own["validation"]["accuracy"] >= LEAST_VALIDATION, LEAST_VALIDATION),
        ("test", own["test"]["accuracy"] >= LEAST_TEST, LEAST_TEST),
        ("log loss on the test images", own["test"]["log_loss"] <= MOST_LOSS, MOST_LOSS),
    )
    for name, holds, bound in asked:
        print(f"  {name} (bound {bound:g}): {'ok' if holds else 'MISSED'}")
    return sum(not holds for _, holds, _ in asked)


def compare(parts, networks):
    """Print ratios of fits and return the number of missed targets."""
    anchor = next(each for each in networks if each["epochs"] == ANCHOR_EPOCHS)
    name = f"fits of the champion's parts / PyTorch, {ANCHOR_EPOCHS} epochs"
    misses = 0
    for unit, limit in (("seconds", MOST_RATIO), ("processor_seconds", MOST_RATIO)):
        ours = sum(part[unit] for part in parts)
        misses += report_ratio(f"{name}, {unit.replace('_', ' ')}", ours, anchor[unit], limit)
    for part in parts:
        if part["estimator"] != "cnn":
            continue
        least = part["validation"]["accuracy"]
        equals = [each for each in networks if each["validation"]["accuracy"] >= least]
        if not equals:
            print(f"no PyTorch network here reads as many validation images as {part['name']}")
            continue
        first = min(equals, key=lambda each: each["seconds"])
        title = f"{part['name']} / PyTorch, {first['epochs']} epochs"
        misses += report_ratio(title, part["seconds"], first["seconds"], MOST_RATIO_ALONE)
    return misses


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])) > 0)
