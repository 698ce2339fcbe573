"""How long a run would take on other numbers of workers, from what its record says of it.

A task begins when all that it reads is there; one that computes also needs a worker, and of
those that wait the one that was asked for first gets it. What a task reads, and which task made
it, follows from the digests in the record; a task without a key (it looks at the world, or
changes it) follows all that had ended when it began, and is followed by all that began after.
"""

import heapq
import json
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from digitflow.store.runs import read_events, summarise_tasks

DIGEST_CHARACTERS = 32
THE_GATE_BEGINS = "find the champion"


@dataclass(frozen=True)
class Work:
    """One task of a run.

    Attributes
    ----------
    seconds : float
        How long it computed, without its wait for a slot.
    needs : tuple of str
        The tasks that must have ended.
    computes : bool
        Whether it takes a worker; else it runs beside, in the run's own process.
    estimator : str or None
        Of a fit: which algorithm's.
    grows : bool
        Whether it takes longer with more data: what looks at the world does not, nor what the
        gate asks for, which reads test images that are frozen.
    """

    name: str
    seconds: float
    needs: tuple[str, ...]
    computes: bool
    estimator: str | None
    grows: bool = True


def read_works(store, run):
    """Return the tasks that a run computed, in the order in which it asked for them."""
    events = read_events(store, run)
    # By their order: two that come within a millisecond have the same time.
    begun = {e["task"]: n for n, e in enumerate(events) if e["event"] == "started"}
    ended = {e["task"]: n for n, e in enumerate(events) if e["event"] == "computed"}
    tasks = {name: facts for name, facts in summarise_tasks(events).items() if name in ended}
    # The last ones first: what two tasks put out, the earlier one has made.
    made_by = {
        output["digest"]: name
        for name in sorted(tasks, key=ended.__getitem__, reverse=True)
        for output in tasks[name].get("outputs", ())
    }
    slots = list_computing()
    works = []
    for name, facts in tasks.items():
        read = find_digests(facts.get("inputs", {}))
        needs = {made_by[digest] for digest in read if made_by.get(digest, name) != name}
        before = [other for other in tasks if ended[other] <= begun[name] and other != name]
        if "key" in facts:
            needs |= {other for other in before if "key" not in tasks[other]}
        else:
            needs |= set(before)
        works.append(
            Work(
                name,
                facts["seconds"],
                tuple(sorted(needs)),
                facts.get("function") in slots,
                find_estimator(facts.get("inputs", {})),
                "key" in facts and THE_GATE_BEGINS not in needs,
            )
        )
    return works


def list_computing():
    """Return the dotted names of the functions whose tasks take a slot."""
    from prefect import Task

    import tasks as package
    from tasks.wiring import TAKES_A_SLOT

    modules = [import_module(f"tasks.{each.name}") for each in iter_modules(package.__path__)]
    found = [each for module in modules for each in vars(module).values()]
    return {
        each.cache_policy.function
        for each in found
        if isinstance(each, Task) and hasattr(each.fn, TAKES_A_SLOT)
        and hasattr(each.cache_policy, "function")
    }  # fmt: skip


def find_digests(value):
    """Return every digest in a task's inputs."""
    text = json.dumps(value)
    return {part for part in text.split('"') if len(part) == DIGEST_CHARACTERS}


def find_estimator(inputs):
    """Return which algorithm a fit is of; None for other tasks."""
    choice = inputs.get("choice")
    return choice.get("estimator") if isinstance(choice, dict) else None


def simulate(works, workers):
    """Return how many seconds a run takes on so many workers.

    Raises
    ------
    ValueError
        If tasks wait for each other in a circle, or for one that is not there.
    """
    missing = {work.name: set(work.needs) for work in works}
    followers = {work.name: [] for work in works}
    for work in works:
        for name in work.needs:
            followers[name].append(work.name)
    place = {work.name: number for number, work in enumerate(works)}
    by_name = {work.name: work for work in works}
    waiting, running, now, free = [], [], 0.0, workers
    ready = [work.name for work in works if not work.needs]
    done = 0
    while ready or waiting or running:
        for name in ready:
            if by_name[name].computes:
                heapq.heappush(waiting, (place[name], name))
            else:
                heapq.heappush(running, (now + by_name[name].seconds, name))
        while waiting and free:
            _, name = heapq.heappop(waiting)
            heapq.heappush(running, (now + by_name[name].seconds, name))
            free -= 1
        now, ended = heapq.heappop(running)
        free += by_name[ended].computes
        done += 1
        ready = []
        for name in followers[ended]:
            missing[name].discard(ended)
            if not missing[name]:
                ready.append(name)
    if done < len(works):
        raise ValueError(f"{len(works) - done} tasks wait for each other")
    return now


def grow(works, factor, exponents):
    """Return the tasks with so many times the data; each grows by a power of it.

    Parameters
    ----------
    exponents : dict
        Of an algorithm's fit; whatever is not in it grows with the data.
    """
    return [
        replace(work, seconds=work.seconds * factor ** exponents.get(work.estimator, 1.0))
        if work.grows
        else work
        for work in works
    ]


def read_exponents(page):
    """Return {algorithm: power of its fit's time} from the table of docs/scaling.md."""
    found = {}
    for line in Path(page).read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if (
            len(cells) > 2
            and cells[0].startswith("`")
            and cells[1].replace(".", "").isdecimal()
        ):
            found[cells[0].strip("`")] = float(cells[1])
    return found
