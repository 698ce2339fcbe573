"""Tables go through the flow that digits go through: California's districts, and one's own."""

import json
import shutil

import pandas as pd
import pytest

from digitflow.data.sources.districts import generate_districts
from digitflow.feedback.corrections import find_scope
from digitflow.feedback.learning import count_new, read_corrections
from digitflow.predict.correcting_rows import correct_rows
from digitflow.registry.history import find_champion
from digitflow.registry.listing import find_registration
from digitflow.store.runs import list_runs

# All that a table needs whose columns nobody described.
CANCER = {
    "model": "cancer",
    "workload": "table",
    "task": "classification",
    "source": {"kind": "sklearn", "name": "breast_cancer"},
    "target": "target",
    "candidates": [
        {
            "name": "boosting",
            "estimator": "sklearn.ensemble.HistGradientBoostingClassifier",
            "recipe": "columns",
            "params": {"max_iter": 30},
        },
        {"name": "logistic", "estimator": "logistic", "recipe": "columns"},
    ],
    "gate": {
        "calibration": {"max_ece": 1.0, "max_log_loss": 1.0},
        "budgets": {"latency_p95_ms": 10_000},
    },
}
DISTRICTS = {
    "model": "districts",
    "workload": "table",
    "task": "regression",
    "source": {"kind": "file", "file": "districts.csv"},
    "target": "median_house_value",
    "columns": {
        name: {"type": "number"}
        for name in (
            "longitude", "latitude", "housing_median_age", "total_rooms", "total_bedrooms",
            "population", "households", "median_income",
        )
    } | {
        "ocean_proximity": {"type": "category"},
        "median_house_value": {"type": "number", "unit": "USD", "max": 500_001},
    },
    "split": {"stratify": {"column": "median_income", "edges": [1.5, 3, 4.5, 6]}},
    "slices": [{"column": "ocean_proximity"}],
    "candidates": [
        {
            "name": "tree",
            "estimator": "sklearn.tree.DecisionTreeRegressor",
            "recipe": "districts",
            "recipe_params": {"clusters": 5},
            "params": {"max_depth": 3},
        },
    ],
    "refit": True,
    "gate": {"coverage": {"tolerance": 0.08}, "budgets": {"latency_p95_ms": 10_000}},
}  # fmt: skip
BETTER = {
    "name": "linear",
    "estimator": "sklearn.linear_model.Ridge",
    "recipe": "districts",
    "recipe_params": {"clusters": 5},
}


@pytest.fixture(scope="module")
def districts_once(make_once):
    """A project whose champion was trained on generated districts; to be copied."""

    def train(project):
        generate_districts(1500, seed=1).to_csv(project.folder / "districts.csv", index=False)
        project.config = json.loads(json.dumps(DISTRICTS))
        project.train()

    return make_once("districts", train)


@pytest.fixture
def districts(copy_project, districts_once, tmp_path):
    """A copy of it."""
    project = copy_project(districts_once, tmp_path)
    shutil.copy(districts_once.folder / "districts.csv", project.folder)
    project.config = json.loads(json.dumps(DISTRICTS))
    return project


def test_a_table_without_described_columns_becomes_a_champion(empty_project):
    empty_project.config = CANCER
    record = empty_project.train()
    score = record["champion"]["score"]
    assert (score["metric"], record["verdict"]["outcome"]) == ("accuracy", "bootstrap")
    assert score["value"] > 0.9
    page = (empty_project.store.root / "reports/latest/index.html").read_text()
    assert "malignant" in page
    assert "mean radius" in page


def test_a_regression_is_judged_by_its_error_in_the_targets_unit(districts_once):
    (record,) = list_runs(districts_once.store)
    score = record["champion"]["score"]
    assert (score["metric"], score["unit"]) == ("RMSE", "USD")
    low, high = score["interval"]
    assert low < score["value"] < high
    checks = {check["id"]: check for check in record["verdict"]["checks"]}
    assert checks["coverage.tolerance"]["verdict"] == "pass"
    page = (districts_once.store.root / "reports/latest/index.html").read_text()
    assert "Prediction intervals" in page
    assert "USD" in page


def test_an_unchanged_table_computes_nothing(districts):
    record = districts.train()
    assert record["verdict"]["outcome"] == "unchanged"
    # The file lies elsewhere in the copy, and holds the same.
    assert districts.computed() == {"ingest file", "validate"}
    districts.train()
    assert districts.computed() == set()


def test_new_rows_leave_the_test_rows_alone_and_a_better_model_is_promoted(districts):
    (before,) = list_runs(districts.store)
    file = districts.folder / "districts.csv"
    more = generate_districts(1900, seed=2).tail(400)
    # New rows in front: it is the rows that count, not their places.
    pd.concat([more, pd.read_csv(file)]).to_csv(file, index=False)
    districts.config["candidates"].append(BETTER)
    record = districts.train()
    tested = [run["champion"]["score"]["test_digest"] for run in (before, record)]
    assert tested[0] == tested[1]
    assert record["verdict"]["outcome"] == "promote"
    assert {check["id"] for check in record["verdict"]["checks"]} >= {
        "lower_error.superior",
        "slice_errors.worse",
    }
    assert "test RMSE" in districts.output
    # Back to the tree, whose file and intervals no collection took away.
    districts.run("gc", "--keep-runs", 1, "--keep-versions", 1)
    districts.run("rollback", "--model", "districts")
    assert find_champion(districts.store, "districts").version == "1"
    told = json.loads(districts.run("predict", "--model", "districts", "--json", file))
    assert len(told) == 1900


STAGES = (
    "validate",
    "prepare districts(clusters=5) on samples",
    "train linear",
    "refit linear",
    "refit linear without fold 3",
    "choose prediction intervals",
    "register",
)


@pytest.mark.parametrize(
    "stages", [STAGES[4:5], pytest.param(STAGES, marks=pytest.mark.soak)], ids=["one", "all"]
)
def test_killed_anywhere_a_table_goes_on_from_what_was_finished(districts, stages):
    file = districts.folder / "districts.csv"
    pd.concat([pd.read_csv(file), generate_districts(1600, seed=2).tail(100)]).to_csv(
        file, index=False
    )
    districts.config["candidates"].append(BETTER)
    done = set()
    for stage in stages:
        if stage in done:
            continue
        assert districts.kill_at(stage), f"the run ended before {stage!r}"
        assert list_runs(districts.store)[0]["status"] == "interrupted"
        assert find_champion(districts.store, "districts").version == "1"
        assert not done & districts.computed()
        done |= districts.computed()
    record = districts.train()
    assert done
    assert not done & districts.computed()
    assert record["verdict"]["outcome"] == "promote"


def test_what_people_say_of_rows_is_learnt_from_and_judges_and_reaches_no_other_model(
    districts,
):
    store = districts.store
    champion = find_champion(store, "districts")
    told = districts.folder / "told.csv"
    generate_districts(2100, seed=3).tail(120).to_csv(told, index=False)
    kept, refused = correct_rows(store, champion, told, "ann")
    assert refused == []
    to_learn = sum(row.role == "training" for row in kept)
    record = districts.train()
    found = find_registration(store, "districts", record["version"]).facts
    old = find_registration(store, "districts", champion.version).facts
    assert found.data["test"] == old.data["test"]
    assert found.data["train"] != old.data["train"]
    assert found.feedback.rows == 120 - to_learn
    assert "lower_error.feedback" in {check["id"] for check in record["verdict"]["checks"]}
    scope = find_scope("districts", "table")
    assert count_new(store, "districts", scope) == (0, 120)
    assert read_corrections(store, "digits", None).training is None


def test_bad_rows_are_set_aside_and_a_missing_column_is_named(districts):
    file = districts.folder / "districts.csv"
    frame = pd.read_csv(file).astype({"median_income": object})
    frame.loc[len(frame)] = generate_districts(500, seed=9).iloc[0]
    frame.loc[len(frame) - 1, "median_income"] = "much"
    frame.to_csv(file, index=False)
    record = districts.train()
    assert record["data"]["problems"] == {"train: median_income not a number": 1}
    frame.drop(columns="households").to_csv(file, index=False)
    districts.run("train", "--config", "config.yaml", code=2)
    assert "households" in districts.errors
