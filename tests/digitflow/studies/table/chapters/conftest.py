"""Chapters on six districts and findings that a test makes up."""

import numpy as np
import pandas as pd
import pytest

from digitflow.config.table import Column, SearchRule, Strata, TableStudy
from digitflow.data.sets import SampleSet
from digitflow.data.tables.frames import to_records
from digitflow.studies.plan import StudyData
from digitflow.studies.scope import DISTRICTS, TableScope

COLUMNS = {
    "longitude": Column(),
    "latitude": Column(),
    "rooms": Column(),
    "income": Column(unit="10000 USD"),
    "near": Column(type="category", values=("BAY", "INLAND")),
}
FRAME = pd.DataFrame(
    {
        "longitude": [-122.0, -121.0, -120.0, -119.0, -118.0, -117.0],
        "latitude": [38.0, 37.0, 36.0, 35.0, 34.0, 33.0],
        "rooms": [10.0, 20.0, np.nan, 40.0, 50.0, 60.0],
        "income": [1.0, 2.0, 3.0, 4.0, 5.0, 8.0],
        "near": ["BAY", "BAY", "INLAND", "INLAND", "INLAND", None],
    }
)
TARGETS = np.array([1000.0, 2000.0, 2500.0, 4000.0, 5000.0, 5001.0])


@pytest.fixture
def describe(store):
    """Return (scope, data) of a study of the real districts, of which there are six here."""

    def made(columns=COLUMNS, **changed):
        ref = store.put_array(to_records(FRAME[list(columns)], columns))
        rows = SampleSet(samples=ref, targets=store.put_array(TARGETS))
        scope = TableScope(
            source="districts",
            train_rows=DISTRICTS - 4128,
            test_rows=4128,
            complete=True,
            seed=42,
            generated=False,
            target="price",
            columns=columns | {"price": Column(unit="USD", capped=5001)},
            stratify=Strata(column="income", edges=(1.5, 3, 4.5, 6)),
            test_share=0.2,
            settings=TableStudy(
                ratios={"rooms_per_house": ("rooms", "income")},
                size="rooms",
                folds=3,
                search=SearchRule(folds=3),
            ),
        )
        return scope.model_copy(update=changed), StudyData(train=rows, test=rows)

    return made


@pytest.fixture
def told_of(told, describe):
    """Tell all that a section's chapter says of {experiment: findings}."""

    def made(section, results, **changed):
        return told(section, *describe(**changed), results)

    return made
