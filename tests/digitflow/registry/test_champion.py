"""The pointer and the aliases follow the history, whatever happened to them."""

import shutil

import pytest

from digitflow.errors import DamagedArtifact, InputError, StorageError
from digitflow.models import golden
from digitflow.models.persistence import load_model
from digitflow.registry import champion as following
from digitflow.registry import history, listing, mlflow, promotion, rollback
from digitflow.registry.champion import mend, read_champion
from digitflow.registry.history import HISTORY
from digitflow.registry.listing import list_versions
from digitflow.registry.pointer import pointer_path, read_pointer
from digitflow.registry.versions import list_files
from digitflow.store.artifacts import Store


def set_alias(project, alias, version):
    with mlflow.open_client(project.store) as client:
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


def test_an_unchanged_history_is_read_without_a_database(project, run_python):
    project.champion()  # the copy's inode is new: mended here
    code = (
        "import sys; from pathlib import Path; from digitflow.store.artifacts import Store;"
        "from digitflow.registry.champion import read_champion;"
        "assert read_champion(Store(Path(sys.argv[1])), 'digits').version == '1';"
        "assert not {'mlflow', 'sqlalchemy'} & set(sys.modules)"
    )
    process = run_python(code, project.store.root)
    assert process.returncode == 0, process.stderr


def test_a_changed_history_is_read_without_mlflow(project, run_python):
    code = (
        "import sys; from pathlib import Path; from digitflow.store.artifacts import Store;"
        "from digitflow.registry.champion import read_champion;"
        "assert read_champion(Store(Path(sys.argv[1])), 'digits').version == '1';"
        "assert 'mlflow' not in sys.modules"
    )
    process = run_python(code, project.store.root)
    assert process.returncode == 0, process.stderr


def test_an_alias_that_somebody_moved_is_moved_back(project, caplog):
    project.promote(2, project.champion())
    set_alias(project, "champion", "1")
    set_alias(project, "previous", "2")
    assert project.champion().version == "2"
    assert project.versions() == {"2": ("challenger", "champion"), "1": ("previous",)}
    assert "the alias champion of digits was on 1, not 2: mended" in caplog.text
    caplog.clear()
    assert mend(project.store, "digits") == []
    assert not caplog.records


def test_what_was_behind_is_said_once(project):
    first = read_pointer(project.store, "digits")
    second = project.promote(2, project.champion())
    path = pointer_path(project.store, "digits")
    path.write_text(first.model_dump_json())
    with mlflow.open_client(project.store) as client:
        client.delete_registered_model_alias("digits", "champion")
    assert mend(project.store, "digits") == [
        "the alias champion of digits was on None, not 2",
        f"the pointer of digits named version 1 (entry {first.champion.entry}), "
        f"the history says version 2 (entry {second.entry})",
    ]
    assert mend(project.store, "digits") == []


@pytest.mark.parametrize("content", [None, "", "{}", '{"champion": 1', "\0" * 10])
def test_a_pointer_that_is_missing_or_damaged_is_written_again(project, content, caplog):
    champion = project.champion()
    path = pointer_path(project.store, "digits")
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
        with pytest.raises(DamagedArtifact, match=r"digits\.json"):
            read_pointer(project.store, "digits")
    assert project.champion() == champion
    assert "mended" in caplog.text
    assert project.pointed() == champion


def test_a_pointer_of_the_same_tick_of_the_clock_is_not_believed(project):
    """A change that leaves size and time as they were is still a change."""
    first = project.champion()
    store, stale = project.store, read_pointer(project.store, "digits")
    second = project.promote(2, first)
    # What a reader would have left that looked in the same tick as the promotion.
    now = HISTORY.stat(store)
    looked = stale.database | {"mtime_ns": now["mtime_ns"], "bytes": now["bytes"]}
    old = stale.model_copy(update={"database": looked})
    pointer_path(store, "digits").write_text(old.model_dump_json())
    assert project.champion() == second


def test_a_pointer_that_is_overtaken_while_it_is_written_is_written_again(project, monkeypatch):
    """Without locks, the slower of two writers must not leave the older champion."""
    first, real = project.champion(), following.write_pointer

    def be_overtaken(store, pointer):
        monkeypatch.setattr(following, "write_pointer", real)
        history.append_entry(store, first, first.entry, "rollback", "quicker")
        real(store, pointer)

    monkeypatch.setattr(following, "write_pointer", be_overtaken)
    assert following.point(project.store, "digits").entry == first.entry + 1
    assert project.pointed().entry == first.entry + 1


def test_a_lost_history_is_an_error_and_not_a_first_run(project):
    (project.store.root / "registry" / "history.db").unlink()
    for read in (
        project.champion,
        lambda: list_versions(project.store),
        lambda: project.register(2, None),
    ):
        with pytest.raises(DamagedArtifact, match=r"version 1 \(entry 1\) of digits was"):
            read()
    pointer_path(project.store, "digits").unlink()
    assert project.champion().version == "1"  # from MLflow's aliases


def test_a_lost_mlflow_still_has_a_champion_and_takes_no_other(project):
    first = project.champion()
    (project.store.root / mlflow.DATABASE).unlink()
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
    assert rollback.rollback(moved.store, "digits").version == "1"
    assert not project.store.root.exists()  # nothing was written to the old place
    with mlflow.open_client(moved.store) as client:
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
    with pytest.raises(StorageError, match=rf"{name}\.db can't be used"):
        list_versions(project.store)


def forget_history(project):
    """Make the registry one from before there were histories and bundles."""
    (project.store.root / "registry" / "history.db").unlink()
    pointer_path(project.store, "digits").unlink()
    with mlflow.open_client(project.store) as client:
        for version in mlflow.list_versions(client, "digits"):
            for name in ("bundle", "test", "feedback", "costs"):
                client.delete_model_version_tag("digits", version.version, f"digitflow.{name}")


def test_an_older_registry_is_adopted_with_who_was_champion_before(project, caplog):
    project.promote(2, project.champion())
    forget_history(project)
    champion = project.champion()
    assert (champion.version, champion.score.correct, champion.run) == ("2", 960, "run-2")
    assert champion.bundle.reject_option is None
    assert champion.bundle.golden.images.shape == (32, 28, 28)
    assert "begins with what MLflow's aliases said" in caplog.text
    assert [entry.kind for entry in listing.list_history(project.store, "digits")] == [
        "adopt",
        "adopt",
    ]
    assert project.chain() == ["1", "2"]
    assert project.champion() == champion
    # It can be judged against, replaced, and gone back from.
    third = project.promote(3, champion)
    assert (third.version, project.versions()["2"]) == ("3", ("previous",))
    assert rollback.rollback(project.store, "digits", to="1").version == "1"


def test_an_alias_on_a_version_of_somebody_else_is_not_adopted(project):
    forget_history(project)
    with mlflow.open_client(project.store) as client:
        client.create_model_version("digits", "file:///nowhere")
        client.set_registered_model_alias("digits", "champion", "2")
    with pytest.raises(InputError, match="version 2 of digits was not registered by digitflow"):
        read_champion(project.store, "digits")


def test_without_an_alias_nothing_is_adopted(project):
    forget_history(project)
    with mlflow.open_client(project.store) as client:
        client.delete_registered_model_alias("digits", "champion")
    assert project.champion() is None
    assert project.promote(2, None).entry == 1


def test_who_reads_while_another_promotes_sees_no_damage(project, caplog, monkeypatch):
    """A reader that waited for the promotion finds all in line, and warns of nothing."""
    first = project.champion()
    version, verdict = project.register(2, first)
    real = following._is_current

    def promote_meanwhile(*args):
        current = real(*args)
        monkeypatch.setattr(following, "_is_current", real)
        promotion.promote(project.store, "digits", version, verdict)
        return current and False

    monkeypatch.setattr(following, "_is_current", promote_meanwhile)
    assert project.champion().version == "2"
    assert not caplog.records
