import pytest

from digitflow.registry import listing, mlflow, mlflow_client
from digitflow.registry.cleanup import free_versions
from digitflow.registry.rollback import rollback


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
    assert [found.version.version for found in freed.kept] == ["6", "4", "3", "2"]
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
    monkeypatch.setattr(mlflow, "put_bundle", lambda *_: 1 / 0)
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
