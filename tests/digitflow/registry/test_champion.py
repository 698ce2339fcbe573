"""Files and aliases follow the history, whatever happened to them."""

import io
import shutil
from typing import ClassVar

import numpy as np
import pytest

from digitflow.errors import DamagedArtifact, StorageError
from digitflow.models import golden
from digitflow.models.persistence import load_model
from digitflow.registry import history, listing, mlflow_client, promotion, versions
from digitflow.registry.champion import _put_array_back, mend
from digitflow.registry.listing import list_versions
from digitflow.registry.versions import list_files
from digitflow.store.artifacts import Store


def set_alias(project, alias, version):
    with mlflow_client.open_client(project.store) as client:
        client.set_registered_model_alias(project.model, alias, version)


def test_before_the_first_promotion_there_is_nothing_and_nobody_is_asked(tmp_path, run_python):
    code = (
        "import sys; from pathlib import Path; from digitflow.store.artifacts import Store;"
        "from digitflow.registry.champion import read_champion;"
        "from digitflow.registry.listing import count_looks, list_versions;"
        "store = Store(Path(sys.argv[1]));"
        "assert read_champion(store, 'digits') is None; assert list_versions(store) == [];"
        "assert 'mlflow' not in sys.modules"
    )
    process = run_python(code, tmp_path)
    assert process.returncode == 0, process.stderr
    assert not list(tmp_path.iterdir())


def test_the_history_is_read_without_mlflow_and_without_sqlalchemy(project, run_python):
    code = (
        "import sys; from pathlib import Path; from digitflow.store.artifacts import Store;"
        "from digitflow.registry.champion import read_champion;"
        "from digitflow.registry.listing import list_history, list_versions;"
        "store = Store(Path(sys.argv[1]));"
        "assert read_champion(store, 'digits').version == '1';"
        "assert list_versions(store)[0].aliases == ('challenger', 'champion');"
        "assert len(list_history(store, 'digits')) == 1;"
        "assert not {'mlflow', 'sqlalchemy'} & set(sys.modules)"
    )
    process = run_python(code, project.store.root)
    assert process.returncode == 0, process.stderr


def test_a_read_only_folder_still_has_its_champion(project):
    folder = project.store.root / "registry"
    for path in (folder / "history.db", folder):
        path.chmod(0o555)
    try:
        assert history.find_champion(project.store).version == "1"
    finally:
        folder.chmod(0o755)


def test_aliases_that_somebody_moved_are_moved_back_and_said_once(project):
    project.promote(2, project.champion())
    set_alias(project, "champion", "1")
    with mlflow_client.open_client(project.store) as client:
        client.delete_registered_model_alias("digits", "previous")
    assert project.champion().version == "2"
    assert project.versions() == {"2": ("challenger", "champion"), "1": ("previous",)}
    assert mend(project.store, "digits") == [
        "the alias champion of digits was on 1, not 2",
        "the alias previous of digits was on None, not 1",
    ]
    assert mend(project.store, "digits") == []
    assert project.mirrored() == {"champion": "2", "challenger": "2", "previous": "1"}


def test_a_lost_history_is_an_error_and_not_a_first_run(project):
    (project.store.root / "registry" / "history.db").unlink()
    for read in (
        project.champion,
        project.predicting,
        lambda: list_versions(project.store),
        lambda: project.register(2, None),
    ):
        with pytest.raises(DamagedArtifact, match=r"history\.db is missing, but .*mlflow\.db"):
            read()
    (project.store.root / versions.MIRROR_FILE).unlink()
    assert project.champion() is None


def test_another_history_than_the_one_that_mlflow_mirrors_takes_no_champion(
    project, tmp_path, monkeypatch
):
    monkeypatch.setenv("DIGITFLOW_DATABASE_URL", f"sqlite:///{tmp_path}/new.db")
    history.HISTORY.initialise(project.store)
    with pytest.raises(DamagedArtifact, match=r"MLflow names version 1 of digits.*new\.db"):
        project.register(2, None)
    assert listing.list_models(project.store) == []


def test_a_lost_mlflow_still_has_a_champion_and_takes_no_other(project):
    first = project.champion()
    (project.store.root / versions.MIRROR_FILE).unlink()
    assert project.champion() == first
    with pytest.raises(DamagedArtifact, match=r"mlflow\.db is missing"):
        project.register(2, first)


def test_lost_files_of_a_champion_come_back_from_mlflow(project, caplog):
    champion = project.champion()
    files = [project.store.path_of(ref) for ref in list_files(champion.bundle).values()]
    for path in files:
        path.unlink()
    assert project.champion() == champion
    assert caplog.text.count("brought back from MLflow") == len(files) == 3
    assert golden.repeats(
        load_model(champion.model, project.store), champion.bundle.golden, project.store
    ).repeated


def test_a_copy_in_mlflow_that_was_changed_does_not_come_back(project, caplog):
    champion = project.champion()
    (copy,) = project.store.root.glob("registry/artifacts/*/artifacts/model/model.skops")
    copy.write_bytes(copy.read_bytes() + b"?")
    path = project.store.path_of(champion.model)
    path.unlink()
    assert project.champion() == champion
    assert "MLflow has no copy of it" in caplog.text
    assert not path.exists()


def test_the_list_of_trusted_types_beside_a_model_is_never_read(project):
    """MLflow keeps such a list; who can write it can't make us load anything."""
    for page in project.store.root.glob("registry/artifacts/*/artifacts/model/MLmodel"):
        page.write_text("flavors:\n  sklearn:\n    skops_trusted_types: [os.system]\n")
    champion = project.champion()
    project.store.path_of(champion.model).unlink()
    assert load_model(project.champion().model, project.store).predict_proba


def test_a_moved_folder_still_has_its_champion_and_goes_on(project, tmp_path):
    first = project.champion()
    shutil.move(project.store.root.parent, tmp_path / "elsewhere")
    moved = type(project)(Store(tmp_path / "elsewhere" / "artifacts"))
    moved.store.path_of(first.model).unlink()
    assert moved.champion() == first  # its file came back from the new place
    assert moved.promote(2, first).version == "2"
    assert moved.register(1, moved.champion(), outcome="keep")[0] == "1"
    assert promotion.rollback(moved.store, "digits").version == "1"
    assert not project.store.root.exists()  # nothing was written to the old place
    with mlflow_client.open_client(moved.store) as client:
        source = client.get_model_version("digits", "2").source
    assert source.startswith(moved.store.root.resolve().as_uri())


def test_another_mlflow_and_another_history_are_asked_every_time(
    empty_project, tmp_path, monkeypatch
):
    project = empty_project
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/other.db")
    monkeypatch.setenv("DIGITFLOW_DATABASE_URL", f"sqlite:///{tmp_path}/history.db")
    monkeypatch.chdir(tmp_path)
    first = project.promote(5, None)
    second = project.promote(6, first)
    assert not (project.store.root / "registry").exists()
    assert (first.version, second.version) == ("1", "2")
    path = project.store.path_of(second.model)
    path.unlink()
    assert project.champion() == second
    assert path.is_file()
    # Somebody elsewhere, who shares both, finds the same and nothing else.
    other = type(project)(Store(tmp_path / "other"))
    assert other.champion() == second
    assert other.versions() == {"2": ("challenger", "champion"), "1": ("previous",)}


@pytest.mark.parametrize("name", ["history", "mlflow"])
def test_a_registry_that_cannot_be_read_is_one_clear_error(project, name):
    (project.store.root / "registry" / f"{name}.db").write_bytes(b"not a database" * 100)
    with pytest.raises(StorageError, match=rf"{name}\.db holds something else"):
        mend(project.store, "digits")


class Trap:
    """Notes that it was unpickled."""

    sprung: ClassVar[list[str]] = []

    def __reduce__(self):
        return self.sprung.append, ("unpickled",)


def test_nothing_is_unpickled_of_an_array_that_comes_back(store):
    ref = store.put_array(np.arange(3))
    content = io.BytesIO()
    np.save(content, np.array([Trap()], dtype=object), allow_pickle=True)
    assert not _put_array_back(store, content.getvalue(), ref)
    assert Trap.sprung == []
    content = io.BytesIO()
    np.save(content, np.arange(4))
    assert not _put_array_back(store, content.getvalue(), ref)
    content = io.BytesIO()
    np.save(content, np.arange(3))
    store.path_of(ref).unlink()
    assert _put_array_back(store, content.getvalue(), ref)
    assert store.is_intact(ref)
