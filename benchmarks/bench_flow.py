"""The whole MNIST flow against the same steps in one plain scikit-learn script.

Contract, in one run on one machine:

- the champion of configs/mnist.yaml reads at least 99.4 % of MNIST's 10,000 test images;
- the cold flow (empty artifacts, a server running) takes at most 1.10 x the plain script;
- the same flow again computes no array, model or metric, registers nothing, says that
  the champion is unchanged, writes the report, and takes at most 5 s, process and all;
- with one more candidate in the config only that candidate is trained.

MNIST's IDX files are found in DIGITFLOW_MNIST_DIR, else beside this repository; without
them this says so and ends well.

    python benchmarks/bench_flow.py [CONFIG]
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from measuring import REPOSITORY, find_mnist, report_ratio, run_server

from digitflow.config.reading import load_config
from digitflow.registry.listing import list_versions
from digitflow.store.artifacts import Store
from digitflow.store.runs import read_events, summarise_tasks
from digitflow.workers import count_cores

COMMAND = Path(sys.executable).with_name("digitflow")
MIN_ACCURACY, MAX_RATIO, MAX_SECONDS_AGAIN = 0.994, 1.10, 5.0
NEW = {
    "name": "one-more",
    "estimator": "tree",
    "recipe": "pixels",
    "params": {"max_depth": 8},
}


def main(config_path: Path) -> int:
    """Run it all and return the number of missed targets."""
    folder = find_mnist()
    if folder is None:
        return 0
    print(f"cores: {count_cores()}")
    with tempfile.TemporaryDirectory() as work:
        store = Store(Path(work) / "artifacts")
        with run_server(store) as environment:
            environment |= {"DIGITFLOW_MNIST_DIR": str(folder)}
            cold, first = time_training(config_path, environment)
            again = [time_training(config_path, environment) for _ in range(3)]
            versions = len(list_versions(store))
            one_more = train_one_more(config_path, Path(work), environment)
        plain = time_plain_script(folder, config_path)
        return judge(store, cold, first, again, versions, one_more, plain)


def judge(store, cold, first, again, versions, one_more, plain) -> int:
    """Print what was measured and return the number of missed targets."""
    plain_seconds, plain_result = plain
    best_again, record = min(again, key=lambda timed: timed[0])
    score = first["champion"]["score"]
    accuracy = score["value"]
    print(f"plain script: {plain_seconds:.1f} s, {plain_result}")
    print(
        f"champion: {first['winner']}, test accuracy {accuracy:.4f} (at least {MIN_ACCURACY})"
    )
    misses = accuracy < MIN_ACCURACY
    misses += report_ratio("cold flow / plain script", cold, plain_seconds, MAX_RATIO)
    seconds = ", ".join(f"{timed[0]:.2f}" for timed in again)
    print(f"again, nothing changed: {seconds} s (at most {MAX_SECONDS_AGAIN})")
    print(f"  the gate says {record['verdict']['reason']}")
    recomputed = computed_tasks(store, record)
    print(f"  computed: {sorted(recomputed) or 'nothing'}; versions: {versions}")
    misses += best_again > MAX_SECONDS_AGAIN or bool(recomputed) or versions != 1
    trained = {task for task in computed_tasks(store, one_more) if task.startswith("train")}
    print(f"one more candidate: trained {sorted(trained)}")
    return misses + (trained != {f"train {NEW['name']}"})


def time_training(config_path, environment):
    """Return the seconds of a whole `digitflow train` process, and its run's record."""
    command = [COMMAND, "train", "--config", str(config_path), "--json"]
    began = time.perf_counter()
    done = subprocess.run(
        command, env=environment, cwd=REPOSITORY, check=True, stdout=subprocess.PIPE
    )
    return time.perf_counter() - began, json.loads(done.stdout)


def train_one_more(config_path, work, environment):
    """Train with one more candidate and return the run's record."""
    values = yaml.safe_load(config_path.read_text())
    values["candidates"] = [*values["candidates"], NEW]
    path = work / "one-more.yaml"
    path.write_text(yaml.safe_dump(values))
    return time_training(path, environment)[1]


def time_plain_script(folder, config_path):
    """Return the seconds and the result of the plain script."""
    script = Path(__file__).with_name("plain_mnist.py")
    command = [sys.executable, str(script), str(folder), str(config_path)]
    began = time.perf_counter()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=dict(os.environ))
    return time.perf_counter() - began, json.loads(done.stdout)


def computed_tasks(store, record):
    """Return the cacheable tasks that a run computed."""
    tasks = summarise_tasks(read_events(store, record["run"]))
    return {
        name for name, task in tasks.items() if "key" in task and task["state"] == "computed"
    }


if __name__ == "__main__":
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY / "configs" / "mnist.yaml"
    load_config(path)
    sys.exit(bool(main(path)))
