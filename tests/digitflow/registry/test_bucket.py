"""A registry's store in a bucket: what gc, du, doctor, backup and another home do with it."""

import numpy as np
import pytest

from digitflow.cli.doctor import examine
from digitflow.errors import InputError
from digitflow.models.persistence import load_model
from digitflow.registry.champion import open_registry
from digitflow.registry.cleanup import collect_garbage, collect_within, measure_store
from digitflow.registry.history import find_champion
from digitflow.registry.listing import list_versions
from digitflow.registry.usage import measure_usage
from digitflow.service.backup import back_up, restore
from digitflow.store.artifacts import Store
from digitflow.store.bucket import Bucket
from digitflow.store.runs import open_run

ARRAY = np.arange(5000.0)


@pytest.fixture
def store(tmp_path, bucket_url):
    """A store in a bucket."""
    return Store(tmp_path / "here", bucket_url)


@pytest.fixture
def there(tmp_path, bucket_url):
    return Store(tmp_path / "there", bucket_url)


@pytest.fixture
def project(store, first_project):
    """A project in the bucket, in which nothing is registered."""
    return type(first_project)(store)


def load_champion(store):
    return load_model(find_champion(store, "digits").bundle.model, store)


def note_array(store, run, array):
    with open_run(store, run) as log:
        ref = store.put_array(array)
        outputs = [{"name": "result", **ref.model_dump(mode="json")}]
        log.note("computed", "make", seconds=1.0, outputs=outputs)
    return ref


def test_gc_frees_the_bucket_and_the_copies(store, there, bucket_url):
    old, new = (note_array(store, f"run-{n}", ARRAY + n) for n in (1, 2))
    store.write_shared("results/key", b"x")
    there.open_array(old)
    planned = collect_garbage(there, keep_runs=1, keep_versions=1, dry_run=True)
    assert store.has(old)
    freed = collect_garbage(there, keep_runs=1, keep_versions=1)
    assert freed["bytes"] == planned["bytes"] == old.bytes + 1
    assert not there.path_of(old).exists()
    names = [each.name for each in Bucket(bucket_url).list_objects("")]
    assert [name for name in names if name.startswith(("arrays/", "results/"))] == [new.path]
    left = collect_within(there, 1, keep_runs=1, keep_versions=1)["left"]
    assert left == measure_store(there)
    assert not list(there.list_files("arrays"))


def test_usage_counts_the_bucket_and_tells_the_copies(store, there):
    ref = note_array(store, "run-1", ARRAY)
    found = measure_usage(there, keep_runs=5)
    assert found["folders"]["arrays"] == ref.bytes
    assert found["kept_for"]["the newest runs"] == ref.bytes
    assert [made["path"] for made in found["largest"]] == [ref.path]
    assert found["copies"] == 0
    there.open_array(ref)
    assert measure_usage(there, keep_runs=5)["copies"] == ref.bytes
    assert measure_usage(there, keep_runs=5)["total"] == measure_store(there)


def test_the_doctor_hashes_what_lies_in_the_bucket(store, there, bucket_url):
    ref = note_array(store, "run-1", ARRAY)
    Bucket(bucket_url).write(ref.path, bytes(ref.bytes))
    found = {each["what"]: each for each in examine(there, verify=True)}
    assert found["files"]["level"] == "error"
    assert ref.path in found["files"]["found"]
    assert bucket_url in found["store"]["found"]
    assert Bucket(bucket_url).size_of(ref.path) is None


def test_a_backup_of_a_bucket_is_restored_into_another_one(project, tmp_path, bucket_url):
    project.promote(1, None)
    about = back_up(project.store, tmp_path / "all.zip")
    assert about["champions"] == {"digits": "1"}
    with pytest.raises(InputError, match="holds something already"):
        restore(Store(tmp_path / "empty", bucket_url), tmp_path / "all.zip")
    other = Store(tmp_path / "other", f"{bucket_url}-restored")
    restore(other, tmp_path / "all.zip")
    folder = Store(tmp_path / "folder")
    restore(folder, tmp_path / "all.zip")
    for restored in (other, folder):
        assert load_champion(restored).steps
        assert [found.version for found in list_versions(restored, "digits")] == ["1"]
    third = Store(tmp_path / "third", other.bucket)
    assert third.has(find_champion(other, "digits").bundle.model)


def test_another_home_lists_and_predicts_with_a_history_on_a_server(
    project, there, postgres_url, monkeypatch
):
    monkeypatch.setenv("DIGITFLOW_DATABASE_URL", postgres_url)
    project.promote(1, None)
    assert [found.version for found in list_versions(there, "digits")] == ["1"]
    assert load_champion(there).steps
    # Versions are numbered by MLflow: two of them would number their own.
    with (
        pytest.raises(InputError, match=r"another home.*MLFLOW_TRACKING_URI"),
        open_registry(there, "digits"),
    ):
        pass
