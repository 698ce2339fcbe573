"""How many small faults the tests of a module let pass.

A mutation is one step away from the code: another comparison, another operator, a constant one
larger, a returned value that is None. A sample of them is drawn over the rooms that decide
what becomes champion and what is kept; each is written into a copy of the repository, and the
tests of its module (`test_<stem>*.py`; those of its folder where it has none) run there. Tests
that pass let it live. Contract: of 150, at most 8 % live and change what a user sees; which of
those that live change nothing is for a person to say, so all of them are printed.

    python benchmarks/mutate.py [--sample 150] [--seed 0] [ROOM ...]
"""

import argparse
import ast
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import SimpleQueue

from measuring import REPOSITORY

from digitflow.workers import count_cores

ROOMS = ("gate", "registry", "store", "monitoring", "feedback", "data", "studies")
MAX_SHARE = 0.08
# A mutation may never end: it is given so many times what the tests took, and no less.
PATIENCE, LEAST_SECONDS = 10, 120

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


def main(sample: int, seed: int, rooms: list[str]) -> int:
    """Draw mutations, run the tests of each, and return whether too many live."""
    found = [each for room in rooms for each in list_mutations(room)]
    chosen = random.Random(seed).sample(found, min(sample, len(found)))
    print(f"{len(chosen)} of {len(found):,} mutations in {', '.join(rooms)}, seed {seed}")
    lived = []
    with tempfile.TemporaryDirectory() as folder:
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(count_cores()):
            copies.put(copy_repository(Path(folder) / str(number)))
        seconds = measure_tests({each.path for each in chosen}, copies)
        with ThreadPoolExecutor(count_cores()) as pool:
            for mutation, lives in zip(
                chosen, pool.map(partial(try_mutation, copies, seconds), chosen), strict=True
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
        if name in ("annotation", "returns", "decorator_list") or isinstance(
            node, ast.JoinedStr
        ):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from walk(child)


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


def find_tests(path: Path) -> list[str]:
    """Return the tests of a module: those of its stem, else of its folder."""
    folder = Path("tests") / path.parent
    found = sorted((REPOSITORY / folder).glob(f"test_{path.stem}*.py"))
    if found:
        return [str(file.relative_to(REPOSITORY)) for file in found]
    while not (REPOSITORY / folder).is_dir():
        folder = folder.parent
    return [str(folder)]


def measure_tests(paths: set[Path], copies: SimpleQueue) -> dict[Path, float]:
    """Return processor seconds of each module's tests, which must pass as they are."""

    def measure(path: Path) -> float:
        copy = copies.get()
        try:
            began = resource.getrusage(resource.RUSAGE_CHILDREN)
            passes = run_tests(copy, path, None)
            ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        finally:
            copies.put(copy)
        if not passes:
            sys.exit(f"the tests of {path} fail before anything is changed")
        return ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime

    with ThreadPoolExecutor(count_cores()) as pool:
        ordered = sorted(paths)
        return dict(zip(ordered, pool.map(measure, ordered), strict=True))


def try_mutation(copies: SimpleQueue, seconds: dict[Path, float], mutation: Mutation) -> bool:
    """Tell whether the tests of its module let a mutation live."""
    copy = copies.get()
    file = copy / mutation.path
    source = file.read_bytes()
    changed = source[: mutation.start] + mutation.after.encode() + source[mutation.end :]
    file.write_bytes(changed)
    try:
        limit = max(LEAST_SECONDS, PATIENCE * seconds[mutation.path])
        return run_tests(copy, mutation.path, limit)
    finally:
        file.write_bytes(source)
        copies.put(copy)


def run_tests(copy: Path, path: Path, limit: float | None) -> bool:
    """Run a module's tests in a copy; False if one fails, or computes for ever."""
    environment = os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    options = ["-x", "-q", "-n0", "-p", "no:cacheprovider", "-m", "not soak"]
    command = [sys.executable, "-m", "pytest", *options, *find_tests(path)]
    process = subprocess.Popen(
        command,
        cwd=copy,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=None if limit is None else partial(limit_processor, limit),
    )
    try:
        return process.wait(None if limit is None else 5 * limit) == 0
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.wait()
        return False


def limit_processor(seconds: float) -> None:
    """Let the system end this process after so many seconds of a processor."""
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds) + 5))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sample", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("rooms", nargs="*", default=ROOMS)
    asked = parser.parse_args()
    began = time.monotonic()
    ended = main(asked.sample, asked.seed, list(asked.rooms))
    print(f"took {(time.monotonic() - began) / 60:.0f} min")
    sys.exit(ended)
