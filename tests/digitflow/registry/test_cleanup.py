import json
from types import SimpleNamespace

import numpy as np
import pytest

from digitflow.data.sets import SampleSet
from digitflow.errors import StorageError
from digitflow.models.bundle import Golden, ModelBundle, RejectOption
from digitflow.models.checking import CHECKED
from digitflow.registry import cleanup, listing, mlflow_client
from digitflow.registry.cleanup import (
    Freed,
    collect_garbage,
    collect_within,
    free_versions,
    measure_store,
)
from digitflow.registry.promotion import rollback
from digitflow.registry.usage import measure_usage
from digitflow.store.references import ModelRef
from digitflow.store.runs import list_runs, open_run


@pytest.fixture
def crowd(project):
    """Champions 1, 2 and 3; 4 to 6 were refused."""
    champion = project.champion()
    for strength in (2, 3):
        champion = project.promote(strength, champion)
    for strength in (4, 5, 6):
        project.register(strength, champion, outcome="keep")
    return project


def count_files(project):
    folder = project.store.root / "registry" / "artifacts"
    return sum(path.is_file() for path in folder.rglob("*"))


def count_folders(project):
    return len(list((project.store.root / "registry" / "artifacts").iterdir()))


def test_the_champion_the_one_before_and_what_has_an_alias_stay(crowd):
    with mlflow_client.open_client(crowd.store) as client:
        client.set_registered_model_alias("digits", "best", "4")
    files = count_files(crowd)
    freed = free_versions(crowd.store, keep_versions=0, dry_run=False)
    assert freed.versions == ["digits 5", "digits 1"]
    assert [found.version for found in freed.kept] == ["6", "4", "3", "2"]
    assert crowd.versions().keys() == {"6", "4", "3", "2"}
    assert count_folders(crowd) == 4
    assert freed.files == files - count_files(crowd) >= 2 * 8
    assert freed.bytes > 0
    assert crowd.chain() == ["1", "2", "3"]  # the history says what was
    assert rollback(crowd.store, "digits").version == "2"


def test_the_newest_stay(crowd):
    freed = free_versions(crowd.store, keep_versions=5, dry_run=False)
    assert freed.versions == ["digits 1"]


def test_a_dry_run_counts_the_same_and_frees_nothing(crowd):
    planned = free_versions(crowd.store, keep_versions=1, dry_run=True)
    assert count_folders(crowd) == len(crowd.versions()) == 6
    freed = free_versions(crowd.store, keep_versions=1, dry_run=False)
    assert (freed.versions, freed.bytes) == (planned.versions, planned.bytes)


def test_a_model_whose_version_was_freed_is_registered_anew(crowd):
    free_versions(crowd.store, keep_versions=0, dry_run=False)
    version, _ = crowd.register(5, crowd.champion(), outcome="keep")
    assert version == "7"


def test_what_a_killed_registration_left_is_freed(crowd, monkeypatch):
    monkeypatch.setattr("digitflow.registry.mlflow.put_bundle", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        crowd.register(7, crowd.champion(), outcome="keep")
    monkeypatch.undo()
    assert count_folders(crowd) == 7
    freed = free_versions(crowd.store, keep_versions=10, dry_run=False)
    assert freed.versions == []
    assert count_folders(crowd) == 6


def test_models_are_freed_apart(crowd):
    other = type(crowd)(crowd.store, "digits-sample")
    other.promote(8, None)
    freed = free_versions(crowd.store, keep_versions=0, dry_run=False)
    assert all(name.startswith("digits ") for name in freed.versions)
    assert other.champion().version == "1"
    assert listing.list_models(crowd.store) == ["digits", "digits-sample"]


def test_nothing_is_freed_where_nothing_is(empty_project):
    assert free_versions(empty_project.store, keep_versions=0, dry_run=False).kept == []


def _finish_run(store, name, *arrays):
    with open_run(store, name) as log:
        for number, array in enumerate(arrays):
            ref = store.put_array(array)
            key = f"{name}-{number}"
            store.write_text(f"results/{key}", "{}")
            log.note("key", f"task {number}", key=key)
            outputs = [{"name": "result", **ref.model_dump(mode="json")}]
            log.note("computed", f"task {number}", outputs=outputs)
    return ref


def _age(store, name, started):
    path = f"runs/{name}/run.json"
    record = json.loads((store.root / path).read_text()) | {"started": started}
    store.write_text(path, json.dumps(record))


@pytest.fixture
def two_runs(store):
    shared = np.zeros(3)
    old = _finish_run(store, "old", shared, np.ones(100))
    new = _finish_run(store, "new", shared, np.ones(200))
    _age(store, "old", "2026-01-01")
    return old, new


def test_what_only_old_runs_used_is_freed(store, two_runs):
    old, new = two_runs
    freed = collect_garbage(store, keep_runs=1, keep_versions=1)
    assert freed["by_folder"]["arrays"] == old.bytes
    assert not store.path_of(old).exists()
    assert store.is_intact(new)
    assert {path.name for path in (store.root / "results").iterdir()} == {"new-0", "new-1"}
    assert len(list((store.root / "stats").iterdir())) == 2


def test_a_dry_run_only_counts(store, two_runs):
    old, _ = two_runs
    store.write_text(f"{CHECKED}/a-digest", "")
    assert collect_garbage(store, keep_runs=1, keep_versions=1, dry_run=True)["files"] == 3
    assert store.is_intact(old)
    assert (store.root / CHECKED).is_dir()
    collect_garbage(store, keep_runs=1, keep_versions=1)
    assert not (store.root / CHECKED).exists()


def test_records_of_older_looks_of_the_monitor_go(store):
    for day in range(1, 5):
        with open_run(store, f"monitor-{day}", job="monitor"):
            pass
        _age(store, f"monitor-{day}", f"2026-01-0{day}")
    _finish_run(store, "training", np.zeros(3))
    collect_garbage(store, keep_runs=2, keep_versions=1)
    assert {run["run"] for run in list_runs(store)} == {"monitor-4", "monitor-3", "training"}


def test_records_of_runs_stay(store, two_runs):
    collect_garbage(store, keep_runs=0, keep_versions=1)
    assert (store.root / "runs" / "old" / "run.json").is_file()
    assert not list((store.root / "arrays").iterdir())


def test_nothing_is_freed_while_a_run_goes_on(store, two_runs):
    with open_run(store, "now"), pytest.raises(StorageError, match="now"):
        collect_garbage(store, keep_runs=0, keep_versions=1)
    collect_garbage(store, keep_runs=3, keep_versions=1)


def _keep_version(store, monkeypatch):
    """Let the registry keep one version; return what it is made of and was judged on."""
    names = ("samples", "targets", "writers", "series")
    images = SampleSet(
        **{name: store.put_array(np.full(3, value)) for value, name in enumerate(names)},
        slices={"some": store.put_array(np.array([True, False, True]))},
    )
    golden = [store.put_array(np.full(4, number)) for number in range(2)]
    model, detector = (
        ModelRef(**store.put_bytes(content, "models", ".skops").model_dump())
        for content in (b"model", b"detector")
    )
    bundle = ModelBundle(
        model=model,
        reject_option=RejectOption(
            coverage=0.9, min_probability=0.5, risk=0.1, detector=detector, max_outlier_score=1
        ),
        golden=Golden(samples=golden[0], predictions=golden[1], libraries={}, machine=""),
    )
    found = SimpleNamespace(
        bundle=bundle,
        facts=SimpleNamespace(test=images, feedback=None),
    )
    freed = Freed(versions=["digits 1"], files=3, bytes=500, kept=[found])
    monkeypatch.setattr(cleanup, "free_versions", lambda *_: freed)
    return [
        images.samples,
        images.targets,
        images.writers,
        images.series,
        images.slices["some"],
        *golden,
        model,
        detector,
    ]


def test_what_kept_versions_are_made_of_and_were_judged_on_stays(store, two_runs, monkeypatch):
    refs = _keep_version(store, monkeypatch)
    left = store.put_bytes(b"a candidate that lost", "models", ".skops")
    freed = collect_garbage(store, keep_runs=0, keep_versions=1)
    assert all(store.is_intact(ref) for ref in refs)
    assert not store.path_of(left).exists()
    assert freed["versions"] == ["digits 1"]
    assert freed["by_folder"]["registry"] == 500
    assert freed["bytes"] == sum(freed["by_folder"].values())


def test_an_empty_store_frees_nothing(store):
    assert collect_garbage(store, keep_runs=1, keep_versions=1)["files"] == 0


def test_the_room_in_databases_goes_back_to_the_disk(project):
    from digitflow.feedback.predictions import PredictionLog, forget_predictions
    from digitflow.feedback.tables import FEEDBACK, name_images

    store, images = project.store, np.random.default_rng(0).integers(0, 256, (3000, 28, 28))
    shares = np.full((3000, 10), 0.1)
    with PredictionLog(store) as log:
        log.add(name_images(images.astype(np.uint8)), shares, ["read"] * 3000, "digits", "1")
    with FEEDBACK.removing(store, "predictions") as connection:
        connection.exec_driver_sql("DROP TRIGGER predictions_refuse_UPDATE")
        connection.exec_driver_sql("UPDATE predictions SET at = '2020'")
    path = store.root / FEEDBACK.file
    before = path.stat().st_size
    assert forget_predictions(store, days=1) == 3000
    assert path.stat().st_size >= before
    planned = collect_garbage(store, 10, 10, dry_run=True)["by_folder"]["databases"]
    freed = collect_garbage(store, 10, 10)
    assert freed["by_folder"]["databases"] == planned > 0.8 * before
    assert path.stat().st_size == before - planned
    assert freed["bytes"] == sum(freed["by_folder"].values())


def test_a_budget_keeps_the_best_and_frees_no_more_than_it_must(crowd):
    _finish_run(crowd.store, "old", np.zeros(500_000))
    _finish_run(crowd.store, "new", np.ones(500_000))
    _age(crowd.store, "old", "2026-01-01")
    total = measure_store(crowd.store)
    kept = collect_within(crowd.store, total, keep_runs=2, keep_versions=6)
    assert (kept["bytes"], kept["left"]) == (0, total)
    planned = collect_within(crowd.store, total - 1_000_000, 2, 6, dry_run=True)
    freed = collect_within(crowd.store, total - 1_000_000, 2, 6)
    assert freed["versions"] == []
    assert freed["by_folder"]["arrays"] == planned["by_folder"]["arrays"] == 4_000_128
    assert measure_store(crowd.store) == freed["left"] < total - 1_000_000
    least = collect_within(crowd.store, 1, 2, 6)
    assert least["left"] > least["budget"] == 1
    assert crowd.versions().keys() == {"6", "3", "2"}


def test_usage_says_what_files_are_kept_for(crowd):
    ref = _finish_run(crowd.store, "one", np.zeros(500_000))
    left = crowd.store.put_array(np.ones(300_000))
    usage = measure_usage(crowd.store, keep_runs=1)
    assert usage["total"] == measure_store(crowd.store)
    assert usage["kept_for"]["the newest runs"] >= ref.bytes
    assert usage["kept_for"]["nothing (digitflow gc)"] >= left.bytes
    assert usage["kept_for"]["champions"] > 0
    freeable = sum(usage["folders"].get(name, 0) for name in cleanup.FOLDERS)
    assert sum(usage["kept_for"].values()) == freeable
    first = usage["largest"][0]
    assert (first["run"], first["task"], first["bytes"]) == ("one", "task 0: result", ref.bytes)
    assert usage["databases"].keys() >= {"registry/history.db", "registry/mlflow.db"}
