"""Where the disk space goes is what the files take, each counted once."""

import json

import numpy as np

from digitflow.registry import usage
from digitflow.registry.usage import measure_usage


def note(store, run, number, task, *refs):
    store.write_text(
        f"runs/{run}/run.json", json.dumps({"run": run, "number": number, "status": "failed"})
    )
    outputs = [{"name": name, "path": ref.path, "bytes": ref.bytes} for name, ref in refs]
    event = {"event": "computed", "task": task, "outputs": outputs}
    store.append_line(f"runs/{run}/events.jsonl", json.dumps(event))


def test_what_tasks_made_is_listed_the_largest_first_by_the_run_that_came_first(project):
    store = project.store
    small, large, gone = (store.put_array(np.full(n, n)) for n in (10, 9000, 50))
    note(store, "a-1", 1, "split", ("train", small), ("gone", gone))
    note(store, "a-2", 2, "augment", ("train", small), ("copies", large))
    store.remove(gone.path)
    made = measure_usage(store, 5)["largest"]
    assert made == [
        {"bytes": large.bytes, "run": "a-2", "task": "augment: copies", "path": large.path},
        {"bytes": small.bytes, "run": "a-1", "task": "split: train", "path": small.path},
    ]


def test_only_the_ten_largest_are_listed(project):
    refs = [(str(n), project.store.put_array(np.full(100 + n, n))) for n in range(12)]
    note(project.store, "a-1", 1, "split", *refs)
    made = measure_usage(project.store, 5)["largest"]
    assert [each["task"] for each in made] == [f"split: {n}" for n in range(11, 1, -1)]


def test_bytes_are_counted_by_folder_and_by_reason_each_once(project):
    store = project.store
    project.register(2, project.champion(), "keep")
    spare = store.put_array(np.zeros(5000))
    kept = store.put_array(np.ones(3000))
    note(store, "a-1", 1, "split", ("kept", kept))
    found = measure_usage(store, 5)
    sizes = {
        path: path.stat().st_size
        for path in store.root.rglob("*")
        if path.is_file() and not path.is_symlink()
    }
    assert found["total"] == sum(sizes.values())
    arrays = sum(size for path, size in sizes.items() if path.parent.name == "arrays")
    assert found["folders"]["arrays"] == arrays
    assert list(found["folders"].values()) == sorted(found["folders"].values(), reverse=True)
    reasons = found["kept_for"]
    assert list(reasons) == [
        "champions",
        "other versions",
        "the newest runs",
        "nothing (digitflow gc)",
    ]
    assert reasons["the newest runs"] == kept.bytes
    assert reasons["nothing (digitflow gc)"] >= spare.bytes
    champion, other = (project.make_bundle(strength).model for strength in (1, 2))
    assert reasons["champions"] >= champion.bytes
    # The second has its model for itself, and the rest with the champion.
    assert other.bytes <= reasons["other versions"] < 2 * other.bytes + 1000
    # Of no run is anything kept where none of them is.
    assert measure_usage(store, 0)["kept_for"]["the newest runs"] == 0


def test_a_database_takes_what_lies_beside_it_too(tmp_path):
    path = tmp_path / "a.db"
    assert usage._measure_database(path) == 0
    path.write_bytes(b"12345")
    path.with_name("a.db-wal").write_bytes(b"123")
    path.with_name("a.db-journal").write_bytes(b"1")
    path.with_name("a.db-other").write_bytes(b"1")
    assert usage._measure_database(path) == 9
