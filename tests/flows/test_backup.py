"""A backup is made while a training goes on, and predicts where nothing else is."""

import json
import zipfile

import pytest
from real_service import BETTER

from digitflow.registry import listing
from digitflow.store.artifacts import Store

MODEL = "digits-sample"
MOST = 4


@pytest.mark.soak
def test_backups_made_while_a_training_goes_on_predict_elsewhere(project, digit):
    project.run("predict", digit)
    project.run("correct", digit, "0")
    project.config["candidates"].append(BETTER)
    training, files = project.start("train", "--config", "config.yaml"), []
    while training.poll() is None:
        if len(files) < MOST:
            files.append(project.folder / f"backup-{len(files)}.zip")
            project.run("backup", files[-1])
    _, errors = training.communicate()
    assert training.returncode == 0, errors
    assert files
    files.append(project.folder / "after.zip")
    about = json.loads(project.run("backup", files[-1], "--json"))
    assert about["champions"] == {MODEL: "2"}
    for number, file in enumerate(files):
        folder = project.folder / f"restored-{number}"
        elsewhere = {"DIGITFLOW_ARTIFACTS": str(folder)}
        about = json.loads(project.run("restore", file, "--json", **elsewhere))
        (read,) = json.loads(project.run("predict", digit, "--json", **elsewhere))
        assert (read["digit"], read["version"]) == (0, about["champions"][MODEL])
        assert "error" not in project.run("doctor", **elsewhere)
        assert "1 correction" in project.run("corrections", **elsewhere)
        entries = listing.list_history(Store(folder), MODEL)
        assert [entry.version for entry in entries] in (["1"], ["2", "1"])
    # Who was it before is whole too, and the copies that MLflow keeps of both.
    assert "version 1" in project.run("rollback", **elsewhere)
    assert len(list(folder.glob("registry/artifacts/*/artifacts/model/model.skops"))) == 2


def test_a_backup_goes_into_an_empty_folder_whole_or_not_at_all(project):
    file = project.folder / "backup.zip"
    project.run("backup", file)
    project.run("backup", file, code=2)
    assert "is there already" in project.errors
    project.run("restore", file, code=2)
    assert "holds something already" in project.errors

    cut, foreign = project.folder / "cut.zip", project.folder / "foreign.zip"
    cut.write_bytes(file.read_bytes()[:-1000])
    with zipfile.ZipFile(foreign, "w") as archive:
        archive.writestr("photo.png", b"")
    spoilt = bytearray(file.read_bytes())
    spoilt[len(spoilt) // 2] ^= 255
    (project.folder / "spoilt.zip").write_bytes(spoilt)
    again = project.folder / "again"
    for name, said in {
        "cut.zip": "no whole backup",
        "foreign.zip": "no backup of digitflow",
        "spoilt.zip": "no whole backup",
        "nowhere.zip": "No such file",
    }.items():
        project.run("restore", name, code=2, DIGITFLOW_ARTIFACTS=str(again))
        assert said in project.errors
        assert not again.exists() or not [*again.iterdir()]
    project.run("backup", "x.zip", code=2, DIGITFLOW_ARTIFACTS=str(again))
    assert "nothing is stored" in project.errors
    # Named elsewhere, the restored history would be read by nobody.
    url = {"DIGITFLOW_DATABASE_URL": f"sqlite:///{project.folder}/other.db"}
    project.run("restore", file, code=2, DIGITFLOW_ARTIFACTS=str(again), **url)
    assert "DIGITFLOW_DATABASE_URL names another place" in project.errors
