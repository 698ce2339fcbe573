import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from digitflow.evaluation.evidence import TestScore
from digitflow.predict.predictor import Predictor
from digitflow.registry.listing import list_versions
from digitflow.store.artifacts import Store
from digitflow.store.runs import list_runs
from digitflow.workers.local import count_cores

NEW_CANDIDATE = {"name": "logistic-pca", "estimator": "logistic", "recipe": "pca"}
# More neighbours than images: nobody can tell before the fit.
FAILING = {
    "name": "too-many",
    "estimator": "knn",
    "recipe": "pca",
    "params": {"n_neighbors": 10**6},
}


def _read_parts(record, figure):
    return {part["name"]: part[figure] for part in record["data"]["splits"]}


def test_the_first_run_promotes_a_champion_and_writes_all_it_decided_down(trained_once):
    (record,) = list_runs(trained_once.store)
    assert record["verdict"]["outcome"] == "bootstrap"
    assert record["status"] == "completed"
    score = TestScore.model_validate(record["champion"]["score"])
    low, high = score.interval
    assert score.value > 0.9
    assert low < score.value < high
    for fact in ("config", "versions", "code", "data", "leaderboard", "cores", "flow_run_id"):
        assert record[fact]
    report = trained_once.store.root / "reports" / "latest" / "index.html"
    assert "data:image/png" in report.read_text()
    Predictor.load(trained_once.store, "digits-sample")


def test_the_same_run_again_computes_nothing_and_registers_nothing(project):
    versions = list_versions(project.store)
    record = project.train("--json")
    assert json.loads(project.output)["leaderboard"] == record["leaderboard"]
    assert record["leaderboard"][0]["candidate"]["name"] == record["winner"]
    assert project.computed() == set()
    assert record["verdict"]["outcome"] == "unchanged"
    assert not record["promoted"]
    assert list_versions(project.store) == versions
    assert (project.store.root / "reports" / record["run"] / "index.html").is_file()


def test_only_a_new_candidate_is_trained_and_one_that_fails_is_reported(project):
    project.config["candidates"] += [
        NEW_CANDIDATE,
        FAILING,
        {"name": "no-time", "estimator": "mlp", "recipe": "pixels", "time_limit": 0.05},
    ]
    record = project.train()
    new = {task for task in project.computed() if task.startswith(("prepare", "train"))}
    assert new == {"train logistic-pca"}
    rows = record["leaderboard"]
    read = {row["candidate"]["name"] for row in rows if not row["error"]}
    assert read == {"knn-pca", "tree-pixels", "logistic-pca"}
    errors = {row["candidate"]["name"]: row["error"] for row in rows if row["error"]}
    assert "n_neighbors" in errors["too-many"]
    assert "limit of 0.05 s" in errors["no-time"]
    assert record["status"] == "completed"
    report = (project.store.root / "reports/latest/index.html").read_text()
    assert "no-time" in report


SCALED = {"name": "logistic-scaled", "estimator": "logistic", "recipe": "scaled"}
BLEND = {"name": "both", "estimator": "blend", "parts": ["logistic-scaled", "knn-pca"]}


def test_a_blend_takes_its_parts_fits_from_the_cache_and_is_a_model_like_any_other(
    project, digit
):
    project.config["candidates"] = [BLEND, *project.config["candidates"], SCALED]
    record = project.train("--json")
    new = {task for task in project.computed() if task.startswith(("prepare", "train"))}
    assert new == {"prepare scaled on samples", "train logistic-scaled", "train both"}
    both, *others = json.loads(project.output)["leaderboard"]
    assert both["candidate"]["name"] == "both"
    fits = [row["fitted"] for row in others if row["candidate"]["name"] in BLEND["parts"]]
    spent = sum(fit["processor_seconds"] for fit in fits)
    assert spent < both["fitted"]["processor_seconds"] < spent + 5
    assert record["verdict"]["outcome"] == "promote"
    (read,) = json.loads(project.run("predict", digit, "--json"))
    assert read["digit"] == 0

    project.config["refit"] = True
    project.config["candidates"] += [
        FAILING,
        {"name": "half", "estimator": "blend", "parts": ["knn-pca", "too-many"]},
    ]
    record = project.train()
    errors = {row["candidate"]["name"]: row["error"] for row in record["leaderboard"]}
    assert errors["half"] == "it is made of too-many, which failed"
    assert record["winner"] == "both"
    assert {task for task in project.computed() if "fit" in task} == {
        *(f"refit {part}" for part in BLEND["parts"]),
        *(f"refit {part} without fold {n}" for part in BLEND["parts"] for n in (1, 2, 3)),
        *(f"complete the refit of {name}" for name in (*BLEND["parts"], "both")),
    }
    predictor = Predictor.load(project.store)
    images = np.zeros((3, 28, 28), np.uint8)
    images[:, 4:24, 12:16] = 255
    # Explained, and told from what is no digit, by the first part's features.
    assert predictor.compute_features(images).shape == (3, 784)
    assert (predictor.predict_frames(images)[1] != 0).all()


MY_MODELS = """
from my_sizes import LEAVES
from sklearn.ensemble import RandomForestClassifier

def build(params, seed, threads):
    return RandomForestClassifier(20, max_leaf_nodes=LEAVES, random_state=seed)
"""
MY_FEATURES = """
from digitflow.features.recipes.scaled import build_steps as build_scaled
from sklearn.decomposition import PCA

def build_steps(seed, components=10):
    return [*build_scaled(seed), ("pca", PCA(components, random_state=seed))]
"""


def test_candidates_of_ones_own_are_cached_by_their_own_modules(project):
    for name, text in (("my_models", MY_MODELS), ("my_features", MY_FEATURES)):
        (project.folder / f"{name}.py").write_text(text)
    sizes = project.folder / "my_sizes.py"
    sizes.write_text("LEAVES = 90")
    recipe = {"recipe": "my_features:build_steps"}
    project.config["candidates"] += [
        {"name": "mine", "estimator": "my_models:build", **recipe},
        {
            "name": "theirs",
            "estimator": "sklearn.naive_bayes.GaussianNB",
            "recipe_params": {"components": 12},
            **recipe,
        },
    ]
    record = project.train()
    assert not [row["error"] for row in record["leaderboard"] if row["error"]]
    assert {"train mine", "train theirs"} <= project.computed()
    assert {
        "prepare my_features:build_steps on samples",
        "prepare my_features:build_steps(components=12) on samples",
    } <= project.computed()
    sizes.write_text("LEAVES = 91")
    project.train()
    assert {task for task in project.computed() if task.startswith(("prepare", "train"))} == {
        "train mine"
    }
    project.run("why", "latest")
    assert "module my_sizes" in project.output
    project.config["candidates"][-1]["params"] = {"smoothing": 1}
    project.run("train", "--config", "config.yaml", code=2)
    assert "'smoothing'; it takes priors, var_smoothing" in project.errors


MY_OWN = """
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.neighbors import KNeighborsClassifier

class Careful(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        near = KNeighborsClassifier(4, weights="distance", algorithm="brute")
        self.inner_ = near.fit(X, y)
        self.classes_ = self.inner_.classes_
        return self

    def predict_proba(self, X):
        return self.inner_.predict_proba(X)

    def predict(self, X):
        return self.inner_.predict(X)
"""


def test_a_type_of_ones_own_is_trusted_by_the_config_and_nobody_else(project):
    module = project.folder / "my_own.py"
    module.write_text(MY_OWN)
    own = {"name": "own", "estimator": "my_own:Careful", "recipe": "pca"}
    project.config |= {"candidates": [own], "model": "mine"}
    project.run("train", "--config", "config.yaml", code=2)
    assert "Careful holds my_own.Careful, which nobody trusts" in project.errors
    assert "trust: [my_own.Careful]" in project.errors
    project.config["trust"] = ["my_own.Careful"]
    record = project.train()
    assert record["promoted"]
    assert "trusting my_own.Careful" in json.dumps(record["verdict"])
    project.run("models", "show", "--model", "mine", "champion")
    assert "trusts" in project.output
    module.unlink()
    Predictor.load(project.store, "mine")


def test_exchanged_rows_stop_a_run_and_import_says_what_mends_it(project, handwriting):
    file = project.folder / "emnist.npz"
    exchanged = handwriting.images.transpose(0, 2, 1)
    np.savez(file, x_train=exchanged, y_train=np.eye(10)[handwriting.labels])
    project.config["source"] = {"kind": "arrays", "file": file.name}
    record = project.train(code=2)
    assert record["status"] == "failed"
    assert "Set source.transpose: true" in project.errors
    assert not any(task.startswith("train") for task in project.computed())
    found = json.loads(project.run("import", file.name, "--json"))
    project.config["source"] = found["source"]
    # The same digits as those that the champion was trained on.
    assert project.train()["verdict"]["outcome"] == "unchanged"


def test_a_run_without_any_candidate_left_fails_and_keeps_the_champion(project):
    project.config["candidates"] = [FAILING]
    record = project.train(code=2)
    assert record["status"] == "failed"
    assert "every candidate failed" in project.errors
    Predictor.load(project.store, "digits-sample")


def test_a_worse_challenger_keeps_the_champion_and_says_so_to_scripts(project):
    project.config["candidates"] = [
        {"name": "stump", "estimator": "tree", "recipe": "pixels", "params": {"max_depth": 4}}
    ]
    record = project.train("--require-promotion", code=3)
    assert record["verdict"]["outcome"] == "keep"
    assert record["champion"]["version"] == "1"


def test_other_test_images_stop_the_run_until_they_are_accepted(project):
    (before,) = list_runs(project.store)
    project.config["seed"] = 7
    project.train(code=2)
    assert before["champion"]["score"]["test_digest"] in project.errors
    assert "--accept-new-test" in project.errors
    # Before anything is trained in vain.
    assert "split" in project.computed()
    assert not [task for task in project.computed() if task.startswith(("prepare", "train"))]
    record = project.train("--accept-new-test")
    assert record["verdict"]["outcome"] in ("promote", "keep")


def test_a_winner_is_refitted_on_all_and_augmented_copies_are_for_training_only(project):
    project.config["refit"] = True
    project.config["augment"] = {"backend": "shift", "pixels": 1, "directions": ["up", "left"]}
    record = project.train()
    rows = _read_parts(record, "rows")
    assert rows["augmented"] == 3 * rows["train"]
    assert project.tasks()["augment shift"] == "computed"
    assert project.tasks()["split"] == "cached"
    assert any(task.startswith("refit ") for task in project.computed())
    assert any("out of fold" in note for note in record["notes"])
    assert record["verdict"]["outcome"] in ("promote", "keep")


def test_a_mix_reads_only_what_is_new_and_is_tested_on_the_first_source_as_before(project):
    (before,) = list_runs(project.store)
    pens = {"kind": "pen", "writers": 20, "each": 1}
    project.config["source"] = {"kind": "mix", "of": [project.config["source"], pens]}
    record = project.train()
    assert "ingest builtin" not in project.computed()
    assert {"ingest pen", "mix"} <= project.computed()
    counts = _read_parts(record, "source_counts")
    assert counts["test"] == [359, 0]
    assert sum(counts[part][1] for part in ("train", "calibration", "validation")) == 200
    tested = [_read_parts(one, "samples_digest")["test"] for one in (before, record)]
    assert tested[0] == tested[1]


def test_a_moved_project_still_predicts(project, tmp_path):
    elsewhere = tmp_path / "moved"
    (project.folder / "artifacts").rename(elsewhere)
    assert Predictor.load(Store(elsewhere), None).champion.version == "1"


@pytest.mark.mnist
def test_mnist_is_read_split_by_writer_and_its_own_test_set_is_kept(
    empty_project, mnist_folder
):
    empty_project.config |= {
        "model": "digits",
        "source": {"kind": "mnist", "folder": str(mnist_folder), "take": 20000},
        "split": {"validation": 0.1667},
        "candidates": [
            {"name": "tree-pixels", "estimator": "tree", "recipe": "pixels",
             "params": {"max_depth": 12, "min_samples_leaf": 10}}
        ],
    }  # fmt: skip
    record = empty_project.train()
    assert record["champion"], record["verdict"]["reason"]
    assert _read_parts(record, "rows")["test"] == 10_000
    assert TestScore.model_validate(record["champion"]["score"]).value > 0.8
    writers = _read_parts(record, "writers")
    assert writers["test"] == 297
    assert writers["train"] + writers["calibration"] + writers["validation"] == 539


@pytest.fixture
def busy():
    """Two processes that compute all the time, on two cores as on more."""
    command = [sys.executable, "-c", "while True: pass"]
    burning = [subprocess.Popen(command) for _ in range(max(2, count_cores()))]
    yield
    for process in burning:
        process.kill()
        process.wait()


@pytest.mark.soak
def test_twenty_trainings_on_a_busy_machine_end_as_one_on_a_quiet_one(
    trained_once, make_project, tmp_path, busy
):
    def judge(record):
        verdict = record["verdict"]
        return verdict["outcome"], [(c["id"], c["verdict"]) for c in verdict["checks"]]

    quiet = judge(list_runs(trained_once.store)[0])
    for number in range(20):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert judge(make_project(folder).train()) == quiet
        shutil.rmtree(folder)
