"""A version's files are kept beside MLflow's run, and read back as they were."""

import numpy as np
import pytest
import yaml

from digitflow.models.bundle import Signature
from digitflow.registry import listing, mlflow, mlflow_client, mlflow_files
from digitflow.registry.mlflow_files import (
    download_file,
    find_folder,
    list_folders,
    list_sizes,
    put_files,
    read_pages,
)
from digitflow.registry.versions import MODEL_FILE, list_files


@pytest.fixture
def folder(project):
    """Where the files of version 1 are."""
    (found,) = list_folders(project.store)
    return found


def test_every_file_of_a_bundle_comes_back(project, folder):
    version = listing.find_registration(project.store, "digits", "1")
    with mlflow_client.open_client(project.store) as client:
        for name, ref in list_files(version.bundle).items():
            content = download_file(client, project.store, "digits", "1", name)
            assert content == project.store.path_of(ref).read_bytes()
        assert download_file(client, project.store, "digits", "1", "nosuch") is None
        assert download_file(client, project.store, "digits", "9", MODEL_FILE) is None
        run = client.get_model_version("digits", "1").run_id
    assert find_folder(project.store, run) == folder
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    assert sorted(list_sizes(project.store, run)) == sorted(sizes)
    assert list_sizes(project.store, "nosuch") == []


def test_the_pages_say_what_was_registered_and_nothing_where_one_is_missing(project, folder):
    version = listing.find_registration(project.store, "digits", "1")
    bundle, verdict, facts = read_pages(folder)
    assert bundle == version.bundle
    assert verdict == version.verdict
    assert facts.config == version.facts.config
    assert facts.run == version.facts.run
    (folder / "verdict.json").write_text("{")
    assert read_pages(folder) is None
    (folder / "verdict.json").unlink()
    assert read_pages(folder) is None


def test_the_page_tells_mlflow_how_to_load_and_what_goes_in(folder):
    page = yaml.safe_load((folder / "model" / "MLmodel").read_text())
    sklearn = page["flavors"]["sklearn"]
    assert sklearn["pickled_model"] == MODEL_FILE
    assert sklearn["serialization_format"] == "skops"
    assert sklearn["skops_trusted_types"]
    python = page["flavors"]["python_function"]
    assert (python["loader_module"], python["predict_fn"]) == (
        "mlflow.sklearn",
        "predict_proba",
    )
    assert '"shape": [-1, 28, 28]' in page["signature"]["inputs"]
    assert '"shape": [-1, 10]' in page["signature"]["outputs"]


def test_columns_are_texts_or_numbers_and_none_is_required():
    told = mlflow_files._describe(
        Signature(
            inputs=("float64", (-1, 2)),
            outputs=("float64", (-1,)),
            method="predict",
            columns=(("town", "<U9"), ("area", "<f8")),
        )
    )
    assert [(c.name, c.type.name, c.required) for c in told.inputs] == [
        ("town", "string", False),
        ("area", "double", False),
    ]
    assert told.outputs.inputs[0].shape == (-1,)
    assert told.outputs.inputs[0].type == np.dtype("float64")


def test_files_are_kept_under_their_names_and_replaced(project, folder, tmp_path):
    page = tmp_path / "page"
    run = folder.parent.name
    for text in ("one", "two"):
        page.write_text(text)
        put_files(None, project.store, run, {"about.txt": page}, "more")
        assert (folder / "more" / "about.txt").read_text() == text
    put_files(None, project.store, run, {"top.txt": page})
    assert (folder / "top.txt").read_text() == "two"


def test_a_server_keeps_them_itself(project, monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert mlflow_client.is_remote()
    assert find_folder(project.store, "a") is None
    assert list_folders(project.store) == list_sizes(project.store, "a") == []
    kept = []

    class Client:
        def log_artifacts(self, run, folder, place):
            kept.append(
                (run, place, sorted(p.name for p in tmp_path.__class__(folder).iterdir()))
            )

    page = tmp_path / "page"
    page.write_text("x")
    put_files(Client(), project.store, "a", {"b.txt": page, "c.txt": page}, "more")
    put_files(Client(), project.store, "a", {"b.txt": page})
    assert kept == [("a", "more", ["b.txt", "c.txt"]), ("a", None, ["b.txt"])]


def test_versions_are_mirrored_the_newest_first_and_others_passed_over(project):
    project.register(2, project.champion(), "keep")
    with mlflow_client.open_client(project.store) as client:
        mlflow.skip_version(client, "digits")
        client.create_model_version("digits", "file:///nowhere")
        found = mlflow.list_versions(client, "digits")
        assert [str(each.version) for each in found] == ["2", "1"]
        champions, runs = mlflow.list_mirrored(client)
        assert champions == {"digits": "1"}
        assert sorted(each.version for each in runs.values()) == ["1", "2"]
        at = next(each.registered_at for each in runs.values() if each.version == "1")
        version = client.get_model_version("digits", "1")
        assert at.endswith("+00:00")
        seconds = np.datetime64(at[:19]) - np.datetime64("1970-01-01T00:00:00")
        assert seconds.astype(int) == version.creation_timestamp // 1000
        assert len(mlflow.list_runs(client, "digits")) == 2
        assert mlflow.list_runs(client, "digit") == []
        # A number that was skipped is given to nobody.
        assert str(client.create_model_version("digits", "file:///nowhere").version) == "5"
        mlflow.skip_version(client, "other")
        assert mlflow.find_registered(client, "other").name == "other"
        run = version.run_id
        metrics = client.get_run(run).data.metrics
        assert metrics["test_accuracy"] == 0.96
        assert metrics["test_samples"] == 1000
        moments = client.get_metric_history(run, "test_accuracy")
        assert moments[0].timestamp == pytest.approx(version.creation_timestamp, abs=600_000)
        assert client.get_run(run).info.status == "FINISHED"
        mlflow.delete_run(client, project.store, run)
        assert not find_folder(project.store, run).exists()
        assert len(mlflow.list_runs(client, "digits")) == 1


def test_equal_models_are_one_version_that_is_brought_up_to_date(project):
    champion = project.champion()
    version, verdict = project.register(1, champion, "keep")
    assert version == "1"
    with mlflow_client.open_client(project.store) as client:
        tags = client.get_model_version("digits", "1").tags
    assert tags["digitflow.outcome"] == "keep"
    assert tags["digitflow.run"] == "run-1"
    assert tags["digitflow.model_digest"] == champion.model.digest
    assert verdict.outcome == "keep"
