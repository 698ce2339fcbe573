"""How many small faults the tests of a module let pass.

A mutation is one step away from the code: another comparison, another operator, a constant one
larger, a returned value that is None. A sample of them is drawn over the rooms that decide
what becomes champion and what is kept; each is written into a copy of the repository, and the
tests of its module (`test_<stem>*.py`, the folder `<stem>`; all of its room where it has
neither) run there, the quickest first. Tests that pass let it live. Contract: of 150, at most
8 % live and change what a user sees; which of those that live change nothing is for a person to
say, so all of them are printed.

Not drawn is what changes no result by its nature: how many decimals are written, how far text
is indented, how much is done at a time and how long is waited (`UNSEEN`, `PACES`). The
libraries are imported once, by a process that each run of tests is forked from.

    python benchmarks/mutate.py [--sample 150] [--seed 0] [--processes N] [--passing] [ROOM ...]
"""

import argparse
import ast
import importlib.util
import json
import multiprocessing
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import SimpleQueue

# Nothing of ours is imported: in a forked process it comes from the copy.
REPOSITORY = Path(__file__).resolve().parent.parent
ROOMS = ("gate", "registry", "store", "monitoring", "feedback", "data", "studies")
MAX_SHARE = 0.08
# A mutation may never end: it is given so many times what the tests took, and no less.
PATIENCE, LEAST_SECONDS, MOST_SECONDS = 10, 30, 300
LIBRARIES = (
    "cv2", "matplotlib.pyplot", "mlflow", "pandas", "pandera.pandas", "psutil", "pytest",
    "scipy.stats", "skops.io", "sqlalchemy.orm", "xdist.scheduler", "sklearn.calibration",
    "sklearn.ensemble", "sklearn.gaussian_process", "sklearn.manifold", "sklearn.neighbors",
    "sklearn.neural_network", "sklearn.svm",
)  # fmt: skip
FORKED = multiprocessing.get_context("forkserver")
# Arguments that only say how a number is written, or how many share the work.
UNSEEN = ("decimals", "indent", "n_jobs", "timeout")
# Constants of how much is done at a time, and how long is waited.
PACES = re.compile(r"_?[A-Z_]*(CHUNK|SECONDS|AT_ONCE|HEAD_BYTES|PROGRESS)[A-Z_]*")

COMPARED = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}  # fmt: skip
COMPUTED = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.MatMult: ast.Add,
}  # fmt: skip


@dataclass(frozen=True)
class Mutation:
    """One changed place of one file: bytes from `start` to `end` become `after`."""

    path: Path
    kind: str
    line: int
    start: int
    end: int
    before: str
    after: str

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}"
        return f"{place} {self.kind}: {self.before!r} -> {self.after!r}"


def main(sample: int, seed: int, processes: int, passing: bool, rooms: list[str]) -> int:
    """Draw mutations, run the tests of each, and return whether too many live."""
    found = [each for room in rooms for each in list_mutations(room)]
    chosen = random.Random(seed).sample(found, min(sample, len(found)))
    print(f"{len(chosen)} of {len(found):,} mutations in {', '.join(rooms)}, seed {seed}")
    FORKED.set_forkserver_preload(list(LIBRARIES))
    lived = []
    with tempfile.TemporaryDirectory() as folder:
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(processes):
            copies.put(copy_repository(Path(folder) / str(number)))
        measured: dict[tuple[str, ...], dict[str, float]] | None = None if passing else {}
        with ThreadPoolExecutor(processes) as pool:
            for mutation, lives in zip(
                chosen, pool.map(partial(try_mutation, copies, measured), chosen), strict=True
            ):
                if lives:
                    lived.append(mutation)
                    print(f"lives: {mutation}", flush=True)
    return report(chosen, lived)


def report(chosen: list[Mutation], lived: list[Mutation]) -> int:
    """Print how many live, by room and by kind."""
    for title, name in (("room", lambda each: each.path.parts[1]), ("kind", lambda e: e.kind)):
        drawn, left = (Counter(map(name, part)) for part in (chosen, lived))
        print(f"by {title}: " + ", ".join(f"{key} {left[key]}/{drawn[key]}" for key in drawn))
    share = len(lived) / len(chosen)
    print(f"live: {len(lived)} of {len(chosen)} = {share:.1%}; {MAX_SHARE:.0%} may matter")
    return share > MAX_SHARE


def list_mutations(room: str) -> Iterator[Mutation]:
    """Yield every mutation of a room's modules."""
    for file in sorted((REPOSITORY / "digitflow" / room).rglob("*.py")):
        source = file.read_text()
        lines = [0]
        for line in source.encode().splitlines(keepends=True):
            lines.append(lines[-1] + len(line))
        path = file.relative_to(REPOSITORY)
        for node, kind, changed in walk(ast.parse(source)):
            start = lines[node.lineno - 1] + node.col_offset
            end = lines[node.end_lineno - 1] + node.end_col_offset
            before = source.encode()[start:end].decode()
            after = ast.unparse(changed)
            # In brackets, as what stands around may bind closer or go over several lines.
            after = f"({after})" if isinstance(changed, ast.expr) else after
            yield Mutation(path, kind, node.lineno, start, end, before, after)


def walk(node: ast.AST) -> Iterator[tuple[ast.AST, str, ast.AST]]:
    """Yield (node, kind, changed node) of a tree, but for types and texts."""
    yield from mutate(node)
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list") or is_unseen(node, name):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from walk(child)


def is_unseen(node: ast.AST, name: str) -> bool:
    """Tell whether a field of a node changes no result: a text, decimals, a pace."""
    match node:
        case ast.JoinedStr():
            return True
        case ast.keyword(arg=argument):
            return argument in UNSEEN
        case ast.Call(func=ast.Name(id="round")):
            return name == "args" and len(node.args) > 1
        case ast.Assign(targets=[ast.Name(id=constant)]):
            return PACES.fullmatch(constant) is not None
    return False


def mutate(node: ast.AST) -> Iterator[tuple[ast.AST, str, ast.AST]]:
    """Yield what one step makes of a node."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARED:
        ops = [COMPARED[type(node.ops[0])](), *node.ops[1:]]
        yield node, "comparison", ast.Compare(node.left, ops, node.comparators)
    if isinstance(node, ast.BinOp) and type(node.op) in COMPUTED and not is_text(node):
        changed = ast.BinOp(node.left, COMPUTED[type(node.op)](), node.right)
        yield node, "arithmetic", changed
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield node, "arithmetic", node.operand
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield node, "constant", ast.Constant(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        yield node, "constant", ast.Constant(node.value + 1)
    if isinstance(node, ast.Return) and node.value is not None and not is_none(node.value):
        yield node, "returned value", ast.Return(ast.Constant(None))


def is_text(node: ast.BinOp) -> bool:
    """Tell whether texts are put together, where no other operator makes sense."""
    sides = (node.left, node.right)
    return any(
        isinstance(side, ast.JoinedStr)
        or (isinstance(side, ast.Constant) and isinstance(side.value, str))
        for side in sides
    )


def is_none(node: ast.AST) -> bool:
    """Tell whether a node is None."""
    return isinstance(node, ast.Constant) and node.value is None


def copy_repository(folder: Path) -> Path:
    """Copy what is kept under version control, as it is now."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, check=True, capture_output=True, text=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (REPOSITORY / name).is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, target)
    return folder


def find_tests(path: Path) -> tuple[str, ...]:
    """Return the tests of a module: those of its stem, else of its folder."""
    folder = Path("tests") / path.parent
    found = sorted((REPOSITORY / folder).glob(f"test_{path.stem}*.py"))
    if (REPOSITORY / folder / path.stem).is_dir():
        found.append(REPOSITORY / folder / path.stem)
    if found:
        return tuple(str(file.relative_to(REPOSITORY)) for file in found)
    while not (REPOSITORY / folder).is_dir():
        folder = folder.parent
    return (str(folder),)


def measure_tests(copy: Path, tests: tuple[str, ...]) -> dict[str, float]:
    """Return the seconds that each test takes; they must pass as they are."""
    taken = copy / "seconds.json"
    # Once more, as what fails on a busy machine alone says nothing of the code.
    if not any(run_tests(copy, tests, taken, {}, None) for _ in range(2)):
        raise RuntimeError(f"{', '.join(tests)} fail before anything is changed")
    seconds: dict[str, float] = json.loads(taken.read_text())
    return seconds


def try_mutation(copies: SimpleQueue, measured: dict | None, mutation: Mutation) -> bool:
    """Tell whether the tests of its module let a mutation live; measure them when first run.

    Without `measured` they are known to pass, in whatever order and time.
    """
    copy = copies.get()
    try:
        tests = find_tests(mutation.path)
        if measured is not None and tests not in measured:
            measured[tests] = measure_tests(copy, tests)
        return run_mutated(copy, tests, {} if measured is None else measured[tests], mutation)
    finally:
        copies.put(copy)


def run_mutated(
    copy: Path, tests: tuple[str, ...], seconds: dict[str, float], mutation: Mutation
) -> bool:
    """Write a mutation into the copy, run the tests, and put back what was there."""
    file = copy / mutation.path
    source = file.read_bytes()
    changed = source[: mutation.start] + mutation.after.encode() + source[mutation.end :]
    file.write_bytes(changed)
    # Compiled files are known by a time in whole seconds, and a size.
    Path(importlib.util.cache_from_source(str(file))).unlink(missing_ok=True)
    try:
        taken = PATIENCE * sum(seconds.values())
        limit = max(LEAST_SECONDS, taken) if seconds else MOST_SECONDS
        return run_tests(copy, tests, None, seconds, limit)
    finally:
        file.write_bytes(source)


def run_tests(
    copy: Path,
    tests: tuple[str, ...],
    taken: Path | None,
    seconds: dict[str, float],
    limit: float | None,
) -> bool:
    """Run tests in a copy; False if one fails, or computes for ever."""
    process = FORKED.Process(target=call_pytest, args=(copy, tests, taken, seconds, limit))
    process.start()
    process.join(None if limit is None else 5 * limit)
    ended = process.exitcode
    with suppress(ProcessLookupError):
        os.killpg(process.pid, 9)
    process.join()
    return ended == 0


def call_pytest(
    copy: Path,
    tests: tuple[str, ...],
    taken: Path | None,
    seconds: dict[str, float],
    limit: float | None,
) -> None:
    """Run tests in this forked process, and end it; note what they took if none is known."""
    os.setsid()
    os.chdir(copy)
    sys.path[:] = [str(copy), *(p for p in sys.path if Path(p) != REPOSITORY / "benchmarks")]
    os.environ["PYTHONPATH"] = str(copy)
    os.environ.setdefault("DIGITFLOW_MNIST_DIR", str(REPOSITORY / "../shared/data/mnist"))
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_CPU, (int(limit), int(limit) + 5))
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        sys.dont_write_bytecode = True
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nothing, stream)
    import pytest

    order = QuickestFirst(seconds)
    # Nobody reads what a failed assertion says.
    options = ["-x", "-q", "-n0", "--assert=plain", "-p", "no:cacheprovider", "-m", "not soak"]
    ended = pytest.main([*options, *tests], plugins=[order])
    if taken is not None:
        taken.write_text(json.dumps(order.taken))
    os._exit(ended)


class QuickestFirst:
    """A plugin that runs tests in the order of the seconds that they took, and notes them."""

    def __init__(self, seconds: dict[str, float]) -> None:
        self.seconds = seconds
        self.taken: Counter[str] = Counter()

    def pytest_collection_modifyitems(self, items: list) -> None:
        """Sort the tests; those that are not known stay as they are."""
        items.sort(key=lambda item: self.seconds.get(item.nodeid, 0.0))

    def pytest_runtest_logreport(self, report) -> None:
        """Note what a part of a test took."""
        self.taken[report.nodeid] += report.duration


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sample", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    said = "the tests are known to pass: don't run them as they are first"
    parser.add_argument("--passing", action="store_true", help=said)
    parser.add_argument("rooms", nargs="*", default=ROOMS)
    asked = parser.parse_args()
    began = time.monotonic()
    ended = main(asked.sample, asked.seed, asked.processes, asked.passing, list(asked.rooms))
    print(f"took {(time.monotonic() - began) / 60:.0f} min")
    sys.exit(ended)
