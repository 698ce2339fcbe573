"""A history or a registry that is lost is made again of what the other one knows."""

import shutil
from contextlib import closing

import pytest

from digitflow.registry import history, listing, mlflow_client, mlflow_files
from digitflow.registry.history import HISTORY
from digitflow.registry.promotion import rollback
from digitflow.registry.recovery import rebuild_history, rebuild_mirror
from digitflow.registry.versions import MIRROR_FILE
from digitflow.store.artifacts import Store
from digitflow.store.runs import open_run
from digitflow.store.sqlite_files import open_file


@pytest.fixture
def crowd(project):
    """Champions 1, 2, 3 and 1 again; 4 was refused against it."""
    champion = project.champion()
    for strength in (2, 3):
        champion = project.promote(strength, champion)
    champion = rollback(project.store, project.model, "1", "because")
    project.register(4, champion, outcome="keep")
    history.add_judgement(
        project.store, "digits", "4", project.register(5, champion, "keep")[1], "run-5"
    )
    return project


def lose(project, name):
    (project.store.root / name).rename(project.store.root / f"{name}.lost")


def test_a_history_is_made_again_of_mlflow_and_the_verdicts(crowd):
    chain, versions = crowd.chain(), crowd.versions()
    lose(crowd, history.FILE)
    said = rebuild_history(crowd.store, {})
    assert crowd.chain() == chain == ["1", "2", "3", "1"]
    assert crowd.versions() == versions
    kinds = [entry.kind for entry in listing.list_history(crowd.store, "digits")]
    assert kinds == ["rollback", "promote", "promote", "bootstrap"]
    assert crowd.champion().version == "1"
    assert said[0] == "digits: 4 entries and 5 versions, its champion is version 1 (entry 4)"
    assert "entries 1, 2, 3, 4" in said[1]
    # From here on it goes on as ever.
    assert crowd.promote(6, crowd.champion()).version == "6"


def test_rows_that_can_still_be_read_come_first(crowd):
    rows = HISTORY.salvage(crowd.store.root / history.FILE)
    whole = listing.list_history(crowd.store, "digits")
    lost = rows["promotions"].pop(1)
    rows["versions"] = rows["versions"][:2]
    lose(crowd, history.FILE)
    said = rebuild_history(crowd.store, rows)
    found = listing.list_history(crowd.store, "digits")
    assert [(e.id, e.predecessor, e.version) for e in found] == [
        (e.id, e.predecessor, e.version) for e in whole
    ]
    assert found[0] == whole[0]  # with who did it, and why
    assert found[2].who == "unknown"
    assert f"entries {lost['id']}," in said[1]
    assert crowd.versions().keys() == {"1", "2", "3", "4", "5"}


def test_what_mlflow_lost_too_is_known_from_the_records_of_runs(crowd):
    with open_run(crowd.store, "run-2", job="train", model="digits") as log:
        champion = listing.list_history(crowd.store, "digits")[2].champion
        log.update(version="2", champion=champion.model_dump(mode="json"))
    lose(crowd, history.FILE)
    lose(crowd, MIRROR_FILE)
    rebuild_history(crowd.store, {})
    assert crowd.chain() == ["2"]
    assert crowd.champion().entry == 2
    assert crowd.champion().promoted_at == champion.promoted_at


def test_mlflow_is_made_again_of_the_history_and_keeps_files_and_numbers(crowd, run_python):
    history.remove_version(crowd.store, "digits", "4")
    with mlflow_client.open_client(crowd.store) as client:
        client.delete_model_version("digits", "4")
    before = crowd.mirrored(), crowd.versions()
    report = next((crowd.store.root / mlflow_files.ARTIFACTS).glob("*/artifacts/model/MLmodel"))
    report.with_name("index.html").write_text("a page")
    lose(crowd, MIRROR_FILE)
    shutil.rmtree(crowd.store.root / "models")  # MLflow's copies are all that is left
    # In a process of its own: here MLflow still has the lost file open.
    code = "import sys; from pathlib import Path; from digitflow.store.artifacts import Store;"
    code += "from digitflow.registry.recovery import rebuild_mirror as again;"
    done = run_python(code + "print(*again(Store(Path(sys.argv[1]))))", crowd.store.root)
    assert done.stdout == "digits: 4 versions from the history\n", done.stderr
    shutil.move(crowd.store.root, crowd.store.root.with_name("moved"))
    crowd = type(crowd)(Store(crowd.store.root.with_name("moved")))
    assert (crowd.mirrored(), crowd.versions()) == before
    assert len(list(crowd.store.root.glob("registry/artifacts/*/artifacts/model/index.html")))
    assert crowd.champion().version == "1"
    assert crowd.store.path_of(crowd.champion().model).is_file()
    assert crowd.promote(7, crowd.champion()).version == "6"


def test_where_nothing_is_known_nothing_is_made_up(empty_project):
    assert rebuild_history(empty_project.store, {}) == []
    assert rebuild_mirror(empty_project.store) == []


def test_a_history_without_its_tables_is_not_taken_for_a_new_one(project):
    with closing(open_file(project.store.root / history.FILE, 1)) as connection, connection:
        for table in ("promotions", "judgements", "versions"):
            connection.execute(f"DROP TABLE {table}")
    with pytest.raises(Exception, match=r"has no tables, but .* doctor --repair"):
        project.predicting()
    with pytest.raises(Exception, match="has no tables"):
        project.register(2, None)


def test_a_champion_that_no_verdict_names_is_known_from_mlflows_alias(project):
    project.promote(2, project.champion())
    rollback(project.store, project.model, "1", "because")
    lose(project, history.FILE)
    rebuild_history(project.store, {})
    # Who was it in between is lost: no verdict and no run names them.
    assert project.chain() == ["1"]
    assert project.champion().version == "1"
