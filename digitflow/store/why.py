"""Why a run computed what it did: its keys against those of the run before."""

from collections.abc import Iterator, Mapping
from typing import Any

from digitflow.store.artifacts import Store
from digitflow.store.runs import list_runs, read_events, read_run

PARTS = ("inputs", "modules", "libraries")
SINGULAR = {"inputs": "input", "modules": "module", "libraries": "library"}
EVENT_FACTS = ("seconds", "outputs", "error")


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
        elif not (kind == "cached" and task["state"] == "computed"):
            # Asked for again after a repair, a task that was computed stays computed.
            facts = {name: event[name] for name in EVENT_FACTS if name in event}
            task.update(state=kind, **facts)
    return tasks


def _run_before(store: Store, record: Mapping[str, Any]) -> str | None:
    """Return the newest older run that did the same job for the same model."""
    kind = _name_kind(record)
    older = [
        other["run"]
        for other in list_runs(store)
        if _name_kind(other) == kind and other["run"] < record["run"]
    ]
    return max(older, default=None)


def _name_kind(record: Mapping[str, Any]) -> tuple[Any, Any]:
    return record.get("model"), record.get("job", "train")


def _public(task: Mapping[str, Any]) -> dict[str, Any]:
    return {name: task.get(name) for name in ("task", "state", "seconds", "key", "error")}


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
