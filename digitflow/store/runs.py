"""What each run was given, did and why: runs/<run>/run.json and events.jsonl."""

import getpass
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from digitflow.errors import InputError, list_some
from digitflow.store.artifacts import Store
from digitflow.store.references import ArrayRef, FileRef, ModelRef

logger = logging.getLogger(__name__)

GC_LOCK = "gc"
LAST_NUMBER = "runs/last-number"
WAITING, INTERRUPTED = "waiting", "interrupted"
ENDING = ("status", "finished", "seconds", "error")


class RunLog:
    """The record of one run, appended to while it goes on.

    A run that was cut off, or that waited, and is begun again goes on with its record.

    Parameters
    ----------
    store : Store
        Where runs are kept.
    run : str
        The run's name; also the name of its folder under runs/ and reports/.
    """

    def __init__(self, store: Store, run: str) -> None:
        self.store = store
        self.run = run
        self.record: dict[str, Any] = _continue(_load(store, run) or {"run": run})
        self.events = read_events(store, run)
        already = max((entry["at"] for entry in self.events), default=0.0)
        self._started = time.monotonic() - already
        self._writing = threading.Lock()

    def update(self, **fields: Any) -> None:
        """Set fields of run.json, which is rewritten whole."""
        self.record |= fields
        text = json.dumps(self.record, indent=2, default=str)
        self.store.write_text(f"runs/{self.run}/run.json", text + "\n")

    def note(self, event: str, task: str, **fields: Any) -> None:
        """Append an event, and log it; its time is seconds since the run began."""
        entry = {"event": event, "task": task, "at": round(self.seconds(), 3), **fields}
        with self._writing:
            self.events.append(entry)
            line = json.dumps(entry, default=str)
            self.store.append_line(f"runs/{self.run}/events.jsonl", line)
        # Progress for whoever listens: the terminal shows it, Prefect keeps it.
        took = f" in {fields['seconds']} s" if "seconds" in fields else ""
        took += f" on {fields['host']}" if "host" in fields else ""
        took = f" ({fields['text']})" if "text" in fields else took
        level = logging.DEBUG if event == "key" else logging.INFO
        logger.log(level, "%s: %s%s", task, event, took, extra={"run_event": entry})

    def share_events(self) -> None:
        """Let other machines see the events so far."""
        self.store.share(f"runs/{self.run}/events.jsonl")

    def seconds(self) -> float:
        """Return the seconds since the run began; those in which it waited don't count."""
        return time.monotonic() - self._started

    def wait(self) -> None:
        """Say that the run ends here for now, and will be begun again."""
        self.update(**_ending(self, WAITING))


@contextmanager
def open_run(store: Store, run: str, **fields: Any) -> Iterator[RunLog]:
    """Record a run from start to end; while it lasts, it is known to be alive."""
    with store.lock(f"run-{run}"):
        log = RunLog(store, run)
        # Whoever frees files now must end first; the next one will see us.
        with store.lock(GC_LOCK):
            begun = {"started": now(), "number": _count_run(store, log.record)}
            where = {"host": socket.gethostname(), "home": store.home}
            log.update(**{**begun, **log.record, "status": "running", **where, **fields})
        try:
            yield log
            log.share_events()
        except BaseException as exc:
            # What is no error is a signal, or somebody who cancels the run.
            status = "failed" if isinstance(exc, Exception) else INTERRUPTED
            with suppress(Exception):  # a full disk must not hide why the run failed
                log.share_events()
                if log.record["status"] != WAITING:
                    log.update(**_ending(log, status), error=str(exc) or type(exc).__name__)
            raise
        log.update(**_ending(log, "completed"))


def _count_run(store: Store, record: Mapping[str, Any]) -> int:
    """Return the number of a run that begins, one more than the last one's.

    Names and times come from a clock, which may be set back.
    """
    if number := _find_place(record)[0]:
        return number
    try:
        last = int(store.read_shared(LAST_NUMBER) or b"")
    except (OSError, ValueError):
        last = max(map(_find_place, list_runs(store)), default=(0, ""))[0]
    store.write_text(LAST_NUMBER, f"{last + 1}\n")
    return last + 1


def _find_place(record: Mapping[str, Any]) -> tuple[int, str]:
    """Return what runs are sorted by: when they began, by their numbers."""
    number = record.get("number")
    return number if isinstance(number, int) else 0, str(record.get("started"))


def _continue(record: dict[str, Any]) -> dict[str, Any]:
    """Return the record without how the run ended before."""
    return {name: record[name] for name in record if name not in ENDING}


def _ending(log: RunLog, status: str) -> dict[str, Any]:
    return {"status": status, "finished": now(), "seconds": round(log.seconds(), 2)}


def now() -> str:
    """Return the current UTC time, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def name_user() -> str:
    """Return who this is: user@host."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        user = f"user {os.getuid()}"
    return f"{user}@{socket.gethostname()}"


def list_runs(store: Store, job: str | None = None) -> list[dict[str, Any]]:
    """Return the records of all runs, or of those of one job, the last begun first."""
    store.refresh("runs/", "/run.json")
    paths = (store.root / "runs").glob("*/run.json")
    found = [record for path in paths if (record := _read_record(store, path.parent.name))]
    records = [record for record in found if job in (None, record.get("job", "train"))]
    return sorted(records, key=_find_place, reverse=True)


def read_run(store: Store, run: str) -> dict[str, Any]:
    """Return one run's record; `latest` is the newest.

    Raises
    ------
    InputError
        If there is no such run.
    """
    runs = list_runs(store)
    for record in runs:
        if run in ("latest", record["run"]):
            return record
    known = list_some([record["run"] for record in runs]) or "none yet"
    raise InputError(f"there is no run {run!r}; runs in {store.place}: {known}")


def find_run(store: Store, run: str) -> dict[str, Any] | None:
    """Return the record of a run of this very name; None where there is none."""
    return _load(store, run) if run else None


def is_interrupted(store: Store, run: str) -> bool:
    """Tell whether a run was begun, didn't end, and no process is at it."""
    record = _load(store, run)
    return record is not None and record.get("status") == INTERRUPTED


def read_events(store: Store, run: str) -> list[dict[str, Any]]:
    """Return a run's events in order; a last line cut by a kill is passed over."""
    store.refresh(f"runs/{run}/events.jsonl")
    path = store.root / "runs" / run / "events.jsonl"
    if not path.is_file():
        return []
    events = []
    for line in path.read_text(encoding="utf-8").splitlines():
        with suppress(ValueError):
            events.append(json.loads(line))
    return events


def find_outputs(store: Store, run: str, task: str) -> dict[str, FileRef]:
    """Return what a task of a run gave, by name: arrays, models and other files.

    Nothing where the run or the task is not known, or the task has not ended.
    """
    facts = summarise_tasks(read_events(store, run)).get(task, {})
    refs: dict[str, FileRef] = {}
    for output in facts.get("outputs", ()):
        values = {name: value for name, value in output.items() if name != "name"}
        refs[output["name"]] = _choose_kind(values).model_validate(values)
    return refs


def _choose_kind(values: Mapping[str, object]) -> type[FileRef]:
    kinds: dict[str, type[FileRef]] = {"dtype": ArrayRef, "trusted": ModelRef}
    return next((kind for field, kind in kinds.items() if field in values), FileRef)


def _load(store: Store, run: str) -> dict[str, Any] | None:
    store.refresh(f"runs/{run}/run.json")
    return _read_record(store, run)


def _read_record(store: Store, run: str) -> dict[str, Any] | None:
    try:
        text = (store.root / "runs" / run / "run.json").read_text(encoding="utf-8")
        record: dict[str, Any] = json.loads(text)
    except (OSError, ValueError):
        return None
    # Of another home, whose locks are not seen here, it says itself how it ended, or doesn't.
    is_seen = record.get("status") == "running" and store.sees_locks_of(record.get("home", ""))
    if is_seen and not store.is_locked(f"run-{run}"):
        record["status"] = INTERRUPTED
    return record


PARTS = ("inputs", "modules", "libraries")
SINGULAR = {"inputs": "input", "modules": "module", "libraries": "library"}
EVENT_FACTS = ("seconds", "host", "outputs", "error")


def explain_run(store: Store, run: str) -> dict[str, Any]:
    """Return {run, before, tasks: [{task, state, seconds, key, reasons}]}.

    Parameters
    ----------
    run : str
        A run's name, or "latest".

    Raises
    ------
    InputError
        If there is no such run.
    """
    record = read_run(store, run)
    before = _run_before(store, record)
    tasks = summarise_tasks(read_events(store, record["run"]))
    old = {} if before is None else summarise_tasks(read_events(store, before))
    return {
        "run": record["run"],
        "before": before,
        "tasks": [
            _public(task) | {"reasons": list(_find_reasons(task, old.get(name)))}
            for name, task in tasks.items()
        ],
    }


def summarise_tasks(events: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the last known state of each task, by name, in the order they came up."""
    tasks: dict[str, dict[str, Any]] = {}
    for event in events:
        task = tasks.setdefault(event["task"], {"task": event["task"], "state": "waiting"})
        kind = event["event"]
        if kind == "key":
            task.update({name: event[name] for name in (*PARTS, "key", "function")})
        elif kind == "started":
            task["state"] = "started"
        elif kind != "progress" and not (kind == "cached" and task["state"] == "computed"):
            # Asked for again after a repair, a task that was computed stays computed.
            facts = {name: event[name] for name in EVENT_FACTS if name in event}
            task.update(state=kind, **facts)
    return tasks


def _run_before(store: Store, record: Mapping[str, Any]) -> str | None:
    """Return the newest older run that did the same job for the same model."""
    kind, place = _name_kind(record), _find_place(record)
    older = (
        other["run"]
        for other in list_runs(store)
        if _name_kind(other) == kind and _find_place(other) < place
    )
    return next(older, None)


def _name_kind(record: Mapping[str, Any]) -> tuple[Any, Any]:
    return record.get("model"), record.get("job", "train")


def _public(task: Mapping[str, Any]) -> dict[str, Any]:
    names = ("task", "state", "seconds", "host", "key", "error")
    return {name: task.get(name) for name in names}


def _find_reasons(task: Mapping[str, Any], old: Mapping[str, Any] | None) -> Iterator[str]:
    if task["state"] == "cached":
        return
    if "key" not in task:
        yield "always runs: it looks at the world or changes it"
    elif old is None or "key" not in old:
        yield "new: the run before had no such task"
    elif task["key"] == old["key"]:
        yield "same key: its result was missing or damaged, or it had not ended"
    else:
        for part in PARTS:
            yield from _compare(part, task[part], old[part])


def _compare(part: str, new: Mapping[str, Any], old: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(new.keys() | old.keys()):
        if new.get(name) != old.get(name):
            yield f"{SINGULAR[part]} {name}: {_describe_change(old.get(name), new.get(name))}"


def _describe_change(old: Any, new: Any) -> str:
    if isinstance(old, dict) and isinstance(new, dict):
        changed = [
            key for key in sorted(new.keys() | old.keys()) if new.get(key) != old.get(key)
        ]
        return ", ".join(
            f"{key} {_describe_change(old.get(key), new.get(key))}" for key in changed
        )
    return f"{_short(old)} -> {_short(new)}"


def _short(value: Any) -> str:
    if value is None:
        return "nothing"
    text = str(value)
    return text if len(text) <= 40 else f"{text[:12]}..."
