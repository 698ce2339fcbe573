"""Studies of generated districts: few rows, few trees."""

import pytest

from digitflow.config.reading import parse_config
from digitflow.data.sources.districts import FILE_VARIABLE
from digitflow.data.tables.sets import ingest_table, split_table, validate_table
from digitflow.studies.table.data import choose_rows, describe_scope

DISTRICTS = {
    "model": "housing",
    "workload": "table",
    "task": "regression",
    "source": {"kind": "districts", "rows": 600, "seed": 1},
    "target": "median_house_value",
    "validation": {"max_quarantined": 1},
    "split": {"stratify": {"column": "median_income", "edges": [1.5, 3, 4.5, 6]}},
    "slices": [{"column": "ocean_proximity"}],
    "candidates": [
        {
            "name": "linear",
            "estimator": "sklearn.linear_model.LinearRegression",
            "recipe": "districts",
        }
    ],
    "study": {
        "recipe": "districts",
        "recipe_params": {"clusters": 4},
        "ratios": {"rooms_per_house": ["total_rooms", "households"]},
        "size": "population",
        "folds": 2,
        "trees": 5,
        "search": {
            "folds": 2,
            "grid": [{"recipe.clusters": [2, 3], "max_features": [2, 0]}],
            "ranges": {"recipe.clusters": [2, 9], "max_features": [1, 9]},
            "draws": 2,
        },
    },
}
DIABETES = {
    "model": "diabetes",
    "workload": "table",
    "task": "regression",
    "source": {"kind": "sklearn", "name": "diabetes"},
    "target": "target",
    "candidates": [
        {
            "name": "linear",
            "estimator": "sklearn.linear_model.LinearRegression",
            "recipe": "columns",
        }
    ],
    "study": {"folds": 2, "trees": 5, "search": {"folds": 2, "draws": 1}},
}


@pytest.fixture
def make_study(store, monkeypatch):
    """Put the rows of a study into the test's store; return its (scope, data)."""

    monkeypatch.delenv(FILE_VARIABLE, raising=False)

    def make(values=DISTRICTS, **settings):
        config = parse_config(values | {"study": values["study"] | settings})
        raw = ingest_table(store, config.source, "now")
        checked = validate_table(
            store, raw, config.columns, config.target, config.task, config.validation, ()
        )
        splits = split_table(store, checked, config.split, config.slices, config.seed)
        size = config.study.train_size
        data = choose_rows(store, checked, splits.test, (), size, config.seed)
        return describe_scope(config, checked, data), data

    return make
