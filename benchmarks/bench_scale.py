"""How a run would scale: 1 to 64 workers, 1 to 100 times the data, from its own record.

Contract: what the simulation says of one worker and of two is within a tenth of what two runs
take that compute all of it, on two cores: with `training: {parallel: 1}`, and with 2.

Printed are those two, then a table, which is one of docs/scaling.md: seconds by workers and
data, and the ceiling, beyond which another worker brings nothing: the longest chain of tasks of
which each waits for the one before. Fits grow with the data by the exponents in docs/scaling.md
(bench_growth.py measures them), whatever is not there in proportion.

    python benchmarks/bench_scale.py [CONFIG]             # trains it twice; else digits.yaml
    python benchmarks/bench_scale.py --run ARTIFACTS RUN  # only the table, of a run of yours
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml
from measuring import COMMAND, REPOSITORY, find_mnist, run_server
from simulation import grow, read_exponents, read_works, simulate

from digitflow.store.artifacts import Store
from digitflow.store.runs import list_runs, read_events

WORKERS = (1, 2, 4, 8, 16, 32, 64)
FACTORS = (1, 10, 100)
MOST_APART = 0.1
PAGE = REPOSITORY / "docs" / "scaling.md"


def main(config=REPOSITORY / "configs" / "digits.yaml"):
    """Train with one worker and with two, compare, print the table; return missed targets."""
    missed = 0
    with tempfile.TemporaryDirectory() as work:
        works = {}
        for workers in (1, 2):
            store = Store(Path(work) / f"artifacts-{workers}")
            run, seconds = train(Path(work), Path(config), store, workers)
            works[workers] = read_works(store, run)
            foreseen = simulate(works[workers], workers)
            print(f"{workers} worker(s): took {seconds:.1f} s, the simulation of that record "
                  f"says {foreseen:.1f} s: {foreseen / seconds:.2f} x")  # fmt: skip
            missed += abs(foreseen / seconds - 1) > MOST_APART
        crossed = simulate(works[1], 2) / simulate(works[1], 1)
        print(f"two against one, foreseen from the run of one: {crossed:.2f} x\n")
        print_table(works[1])
    return missed


def train(folder, config, store, workers):
    """Train a config whose computations take turns on so many slots; return run, seconds."""
    chosen = yaml.safe_load(config.read_text())
    chosen.setdefault("training", {}).update(parallel=workers, threads=workers)
    file = folder / f"config-{workers}.yaml"
    file.write_text(yaml.safe_dump(chosen))
    with run_server(store) as environment:
        variables = environment | {"DIGITFLOW_ARTIFACTS": str(store.root)}
        subprocess.run(
            [COMMAND, "train", "--config", file], env=variables, check=True,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
    run = list_runs(store)[0]["run"]
    return run, read_events(store, run)[-1]["at"]


def print_table(works):
    """Print seconds for each number of workers and amount of data, and the ceilings."""
    exponents = read_exponents(PAGE) if PAGE.is_file() else {}
    print(
        f"| data | {' | '.join(f'{count} workers' for count in WORKERS)} | ceiling | at most |"
    )
    print(f"|---|{'---|' * (len(WORKERS) + 2)}")
    for factor in FACTORS:
        grown = grow(works, factor, exponents)
        took = [simulate(grown, count) for count in WORKERS]
        ceiling = simulate(grown, len(grown))
        cells = [f"{seconds:,.0f} s" for seconds in (*took, ceiling)]
        print(f"| {factor} x | {' | '.join(cells)} | {took[0] / ceiling:.1f} x |")
        chain = ", ".join(find_chain(grown))
        print(f"  the chain: {chain}")


def find_chain(works, shown=5):
    """Return the longest of the tasks that wait for each other, those that take most of it."""
    longest, before = {}, {}
    for work in sorted(works, key=lambda each: len(each.needs)):
        longest[work.name] = 0.0
    by_name = {work.name: work for work in works}

    def end(name):
        if not longest[name]:
            needs = {need: end(need) for need in by_name[name].needs}
            before[name] = max(needs, key=needs.get) if needs else None
            longest[name] = by_name[name].seconds + (max(needs.values()) if needs else 0.0)
        return longest[name]

    name = max(by_name, key=end)
    chain = []
    while name is not None:
        chain.append(by_name[name])
        name = before.get(name)
    most = sorted(chain, key=lambda each: -each.seconds)[:shown]
    return [f"{each.name} {each.seconds:,.1f} s" for each in chain[::-1] if each in most]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        print_table(read_works(Store(Path(sys.argv[2])), sys.argv[3]))
        sys.exit(0)
    if "mnist" in " ".join(sys.argv[1:]):
        if (mnist := find_mnist()) is None:
            sys.exit(0)
        os.environ["DIGITFLOW_MNIST_DIR"] = str(mnist)
    sys.exit(main(*sys.argv[1:]) > 0)
