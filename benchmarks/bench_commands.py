"""The commands that only list: how long a person waits for them.

Contract, in one run on one machine: `digitflow runs`, `models`, `models history`,
`corrections` and `why`, each a whole process, take at most 0.3 s more than a process that does
nothing but import SQLAlchemy, rich and typer (medians, taking turns). `--help`, `status` and
`doctor` are printed beside them, without a limit. Processor seconds follow the clock's: they
tell what is ours where the machine is busy with something else.

A small model is trained first, in a folder of its own, so that there is something to list.

    python benchmarks/bench_commands.py
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import yaml

COMMAND = str(Path(sys.executable).with_name("digitflow"))
IMPORTS = (sys.executable, "-c", "import sqlalchemy, rich, typer")
LIMITED = ("runs", "models", "models history", "corrections", "why")
OTHERS = ("--help", "status", "doctor")
ROUNDS, MORE_SECONDS = 9, 0.3
CONFIG = {
    "model": "digits-sample",
    "candidates": [{"name": "tree", "estimator": "tree", "recipe": "pixels"}],
    "gate": {"floor": {"min_accuracy": 0.5}},
}


def main() -> int:
    """Measure each command and return the number of missed targets."""
    with tempfile.TemporaryDirectory() as work:
        environment = os.environ | {"DIGITFLOW_ARTIFACTS": str(Path(work) / "artifacts")}
        train_small_model(Path(work), environment)
        commands = {name: (COMMAND, *name.split()) for name in (*LIMITED, *OTHERS)}
        taken = take_turns({"imports": IMPORTS, **commands}, environment)
    return report(taken)


def train_small_model(work: Path, environment: dict[str, str]) -> None:
    """Train one candidate, so that every list has an entry."""
    config = work / "config.yaml"
    config.write_text(yaml.safe_dump(CONFIG))
    command = [COMMAND, "train", "--config", config]
    subprocess.run(command, env=environment, check=True, capture_output=True)


def take_turns(
    commands: dict[str, tuple[str, ...]], environment: dict[str, str]
) -> dict[str, tuple[float, float]]:
    """Return each command's medians: seconds of the clock, seconds of the processor."""
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _ in range(ROUNDS):
        for name, command in commands.items():
            seconds[name].append(time_process(command, environment))
    return {
        name: (median(clock for clock, _ in each), median(own for _, own in each))
        for name, each in seconds.items()
    }


def time_process(command: tuple[str, ...], environment: dict[str, str]) -> tuple[float, float]:
    """Return what a process took: seconds of the clock, and of the processor."""
    before, start = os.times(), time.perf_counter()
    # `status` ends with 3: nothing runs.
    subprocess.run(command, env=environment, check=False, capture_output=True)
    clock, after = time.perf_counter() - start, os.times()
    own = after.children_user - before.children_user
    return clock, own + after.children_system - before.children_system


def report(taken: dict[str, tuple[float, float]]) -> int:
    """Print each command beside the imports; return how many took too long."""
    imports, processor = taken.pop("imports")
    print(f"imports alone: {imports:.3f} s, {processor:.3f} s of the processor")
    missed = 0
    for name, (clock, own) in taken.items():
        limit = imports + MORE_SECONDS
        word = "" if name in OTHERS else "MISSED" if clock > limit else "ok"
        missed += word == "MISSED"
        print(
            f"digitflow {name}: {clock:.3f} s = {clock / imports:.2f} x the imports, "
            f"{clock - imports:+.3f} s (at most {MORE_SECONDS:+} s); "
            f"{own:.3f} s of the processor, {own - processor:+.3f} s {word}".rstrip()
        )
    return missed


if __name__ == "__main__":
    sys.exit(main())
