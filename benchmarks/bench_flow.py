"""A whole flow against the same steps in one plain scikit-learn script.

Contract, in one run on one machine, for configs/mnist.yaml and for configs/housing.yaml:

- the champion reads at least 99.4 % of MNIST's 10,000 test images; or is at most 39,500 USD
  off on 4,128 districts of California (RMSE), trained within ten minutes;
- the cold flow (empty artifacts, a server running) takes at most 1.10 x the plain script;
- the same flow again computes no array, model or metric, registers nothing, says that
  the champion is unchanged, writes the report, and takes at most 5 s, process and all;
- with one more candidate in the config only that candidate is trained.

MNIST's IDX files are found in DIGITFLOW_MNIST_DIR, the districts in DIGITFLOW_HOUSING_FILE,
else beside this repository; without them this says so and ends well.

    python benchmarks/bench_flow.py [CONFIG [ARTIFACTS]]

ARTIFACTS: a folder that is not there yet, which is kept, for the other benchmarks.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import yaml
from measuring import REPOSITORY, find_housing, find_mnist, report_ratio, run_server

from digitflow.config.reading import load_config
from digitflow.registry.listing import list_versions
from digitflow.store.artifacts import Store
from digitflow.store.runs import read_events, summarise_tasks
from digitflow.workers.local import count_cores

COMMAND = Path(sys.executable).with_name("digitflow")
MAX_RATIO, MAX_SECONDS_AGAIN = 1.10, 5.0
NEW = "one-more"


@dataclass(frozen=True)
class Work:
    """What a config is measured on: its data, the plain script, what is asked of it."""

    variable: str
    find: Callable[[], Path | None]
    script: str
    least: float
    seconds: float
    new: dict

    def reaches(self, score) -> bool:
        """Tell whether a champion's score is good enough, and print it."""
        print(f"champion: test {score['metric']} {score['value']:.6g} (bound {self.least:g})")
        sign = 1 if score["higher_is_better"] else -1
        return sign * score["value"] >= sign * self.least


WORKS = {
    "digits": Work(
        "DIGITFLOW_MNIST_DIR",
        find_mnist,
        "plain_mnist.py",
        0.994,
        float("inf"),
        {"estimator": "tree", "recipe": "pixels", "params": {"max_depth": 8}},
    ),
    "table": Work(
        "DIGITFLOW_HOUSING_FILE",
        find_housing,
        "plain_housing.py",
        39_500,
        600,
        {"estimator": "sklearn.linear_model.Ridge", "recipe": "columns"},
    ),
}


def main(config_path: Path, kept: Path | None = None) -> int:
    """Run it all and return the number of missed targets."""
    asked = WORKS[load_config(config_path).workload]
    data = asked.find()
    if data is None:
        return 0
    print(f"cores: {count_cores()}")
    with tempfile.TemporaryDirectory() as work:
        store = Store(kept or Path(work) / "artifacts")
        if store.require_format():
            raise SystemExit(f"{kept} holds something already: name a folder that is new")
        with run_server(store) as environment:
            environment |= {asked.variable: str(data)}
            cold = time_training(config_path, environment)
            again = [time_training(config_path, environment) for _ in range(3)]
            versions = len(list_versions(store))
            one_more = train_one_more(asked, config_path, Path(work), environment)
        plain = time_plain_script(asked, data, config_path)
        return judge(asked, store, cold, again, versions, one_more, plain)


def judge(asked, store, cold, again, versions, one_more, plain) -> int:
    """Print what was measured and return the number of missed targets."""
    best_again = min(again, key=lambda timed: timed.seconds)
    print(f"plain script: {plain.seconds:.1f} s, {plain.found}")
    print(f"winner: {cold.found['winner']}")
    misses = not asked.reaches(cold.found["champion"]["score"])
    misses += cold.seconds > asked.seconds
    title = "cold flow / plain script"
    misses += report_ratio(title, cold.seconds, plain.seconds, MAX_RATIO)
    used = cold.processor_seconds, plain.processor_seconds
    print(f"  of the processors: {used[0]:.1f} / {used[1]:.1f} s = {used[0] / used[1]:.2f} x")
    seconds = ", ".join(f"{timed.seconds:.2f}" for timed in again)
    print(f"again, nothing changed: {seconds} s (at most {MAX_SECONDS_AGAIN})")
    print(f"  the gate says {best_again.found['verdict']['reason']}")
    recomputed = computed_tasks(store, best_again.found)
    print(f"  computed: {sorted(recomputed) or 'nothing'}; versions: {versions}")
    misses += best_again.seconds > MAX_SECONDS_AGAIN or bool(recomputed) or versions != 1
    trained = {task for task in computed_tasks(store, one_more) if task.startswith("train")}
    print(f"one more candidate: trained {sorted(trained)}")
    return misses + (trained != {f"train {NEW}"})


class Timed(NamedTuple):
    """What a command took by the clock and of the processors, and the JSON that it printed."""

    seconds: float
    processor_seconds: float
    found: dict


def time_command(command, **options):
    """Run a command to its end; its processes' processor seconds are in it."""
    began, used = time.perf_counter(), count_processor_seconds()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, **options)
    seconds = time.perf_counter() - began
    return Timed(seconds, count_processor_seconds() - used, json.loads(done.stdout))


def count_processor_seconds():
    """Return what ended children, and theirs, have used so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def time_training(config_path, environment):
    """Return what a whole `digitflow train` process took, and its run's record."""
    command = [COMMAND, "train", "--config", str(config_path), "--json"]
    return time_command(command, env=environment, cwd=REPOSITORY)


def train_one_more(asked, config_path, work, environment):
    """Train with one more candidate and return the run's record."""
    values = yaml.safe_load(config_path.read_text())
    values["candidates"] = [*values["candidates"], {"name": NEW} | asked.new]
    path = work / "one-more.yaml"
    path.write_text(yaml.safe_dump(values))
    return time_training(path, environment).found


def time_plain_script(asked, data, config_path):
    """Return what the plain script took, and its result."""
    script = Path(__file__).with_name(asked.script)
    return time_command([sys.executable, str(script), str(data), str(config_path)])


def computed_tasks(store, record):
    """Return the cacheable tasks that a run computed."""
    tasks = summarise_tasks(read_events(store, record["run"]))
    return {
        name for name, task in tasks.items() if "key" in task and task["state"] == "computed"
    }


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.exit(main(*map(Path, sys.argv[1:])) > 0)
    shipped = [REPOSITORY / "configs" / name for name in ("mnist.yaml", "housing.yaml")]
    sys.exit(sum(map(main, shipped)) > 0)
