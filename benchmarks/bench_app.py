"""The app: from the end of a stroke to the new reading, for one person and for ten at once.

Contract, in one run on one machine, against a real `digitflow app`:

- one person: from the message that a stroke's end sends to the last part of the page that
  answers it, at most 300 ms (95th percentile);
- after 1,000 of that person's readings the app's process has at most 1.10 x the memory that
  it had after 100;
- ten people at once, each with a stroke a second after each answer: at most 1.5 s, no error;
- a new champion reads the next stroke, and nobody's page breaks.

People are websockets that say what Streamlit's own page says; the browser's part, which is
to encode the canvas and to paint the answer, is not in these figures. Processor time follows
the clock's: it tells what is ours where the machine is busy with something else. The champion
is found as in bench_predict.py; it is copied, so that the new champion is nobody else's.

    python benchmarks/bench_app.py
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import psutil
from bench_predict import COMMAND, find_store
from people import Answer, Person, draw_digit

from digitflow.registry.history import append_entry, find_champion
from digitflow.registry.versions import Champion, list_files
from digitflow.store.artifacts import Store
from digitflow.store.files import ARTIFACTS_VARIABLE
from digitflow.workers.local import count_cores

ONE_SECONDS, TEN_SECONDS, MAX_GROWTH = 0.3, 1.5, 1.10
STROKES, PEOPLE, ROUNDS, PAUSE = 100, 10, 15, 1.0
LAST = 1000
START_SECONDS = 60
NEW_VERSION = "4711"


def main() -> int:
    """Measure all and return the number of missed targets."""
    print(f"cores: {count_cores()}")
    with tempfile.TemporaryDirectory() as work:
        store, champion = copy_champion(find_store(Path(work)), Store(Path(work) / "copy"))
        print(f"model: {champion.name} version {champion.version}")
        with run_app(store) as (port, process):
            return measure(store, champion, port, process)


def copy_champion(store: Store, copy: Store) -> tuple[Store, Champion]:
    """Return a store that holds a champion's files and no more, and the champion in it."""
    champion = find_champion(store)
    copy.begin()
    for ref in list_files(champion.bundle).values():
        target = copy.path_of(ref)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(store.path_of(ref), target)
    entry = append_entry(copy, champion, 0, "bootstrap", "copied for a measurement")
    return copy, entry.champion


@contextmanager
def run_app(store: Store):
    """Run the app on a store; yield its port and its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {ARTIFACTS_VARIABLE: str(store.root.resolve())}
    command = [COMMAND, "app", "--no-browser", "--port", str(port)]
    began = time.monotonic()
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            while not is_up(port):
                if process.poll() is not None or time.monotonic() - began > START_SECONDS:
                    raise RuntimeError("the app did not start")
                time.sleep(0.05)
            print(f"up after {time.monotonic() - began:.1f} s")
            yield port, psutil.Process(process.pid)
        finally:
            process.terminate()


def is_up(port: int) -> bool:
    """Tell whether Streamlit answers."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def measure(store: Store, champion: Champion, port: int, process: psutil.Process) -> int:
    """Measure what the contract says, in its order; return how much of it is missed."""
    rng = np.random.default_rng(0)
    strokes = [draw_digit(rng, place % 10) for place in range(STROKES)]
    with Person(port) as person:
        opened = person.open_page("read")
        print(f"the page Read, first time: {opened.seconds:.1f} s, {opened.parts} parts")
        person.end_stroke(strokes[0])
        with count_seconds(process) as own:
            alone = [person.end_stroke(png) for png in strokes[1:]]
        missed = report("one person", alone, ONE_SECONDS, own[0])
        before = measure_memory(process)
        for place in range(LAST - STROKES):
            person.end_stroke(strokes[place % STROKES])
        missed += report_memory(before, measure_memory(process))
        with count_seconds(process) as own:
            together = draw_together(port, strokes)
        missed += report(f"{PEOPLE} people at once", together, TEN_SECONDS, own[0])
        print(f"memory with what {PEOPLE} more sessions left: {measure_memory(process):.0f} MB")
        missed += change_champion(store, champion, person, strokes[0])
    return missed


@contextmanager
def count_seconds(process: psutil.Process):
    """Yield a list that holds, after the block, how long a process had a processor in it."""
    own, before = [], process.cpu_times()
    yield own
    after = process.cpu_times()
    own.append(after.user + after.system - before.user - before.system)


def draw_together(port: int, strokes: list[bytes]) -> list[Answer]:
    """Let people draw at once, each at a pace of their own; return all answers."""

    def draw(number: int) -> list[Answer]:
        with Person(port) as person:
            person.open_page("read")
            answers = []
            for place in range(ROUNDS):
                time.sleep(PAUSE)
                answers.append(person.end_stroke(strokes[(7 * number + place) % STROKES]))
        return answers

    with ThreadPoolExecutor(PEOPLE) as pool:
        return [answer for answers in pool.map(draw, range(PEOPLE)) for answer in answers]


def report(name: str, answers: list[Answer], limit: float, own: float) -> int:
    """Print how long answers took; count what is over its limit, errors and empty answers."""
    seconds = np.array([answer.seconds for answer in answers])
    p95, middle = np.quantile(seconds, 0.95), np.median(seconds)
    errors = [error for answer in answers for error in answer.errors]
    empty = sum(not answer.parts for answer in answers)
    word = "ok" if p95 <= limit and not errors and not empty else "MISSED"
    print(
        f"{name}: {len(answers)} strokes, median {1000 * middle:.0f}, p95 {1000 * p95:.0f} ms "
        f"(at most {1000 * limit:.0f}), most {1000 * seconds.max():.0f}; "
        f"{1000 * own / len(answers):.0f} ms of the processor each; {len(errors)} errors, "
        f"{empty} without an answer {word}"
    )
    for error in sorted(set(errors))[:3]:
        print(f"  {error}")
    return word == "MISSED"


def measure_memory(process: psutil.Process) -> float:
    """Return what a process alone has in memory, in MB."""
    return process.memory_full_info().uss / 2**20


def report_memory(before: float, after: float) -> int:
    """Print how much memory grew between the readings; return whether that is too much."""
    ratio = after / before
    word = "ok" if ratio <= MAX_GROWTH else "MISSED"
    print(
        f"memory after {LAST:,} readings: {after:.0f} MB / {before:.0f} MB after {STROKES} = "
        f"{ratio:.3f} x (at most {MAX_GROWTH} x) {word}"
    )
    return word == "MISSED"


def change_champion(store: Store, champion: Champion, person: Person, png: bytes) -> int:
    """Promote the same model under another number; return whether the page missed it."""
    successor = champion.model_copy(update={"version": NEW_VERSION, "entry": 0})
    append_entry(store, successor, champion.entry, "promote", "promoted for a measurement")
    answer = person.end_stroke(png)
    seen = NEW_VERSION in answer.text and not answer.errors
    word = "ok" if seen else "MISSED"
    print(f"a new champion reads the next stroke, {answer.seconds * 1000:.0f} ms: {word}")
    return not seen


if __name__ == "__main__":
    sys.exit(main())
