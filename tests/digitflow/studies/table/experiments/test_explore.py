"""What the columns hold, told by pandas."""

import numpy as np
import pytest

from digitflow.studies.plan import ExperimentContext, plan_section
from digitflow.studies.table.data import find_table, open_rows, open_train

CAP = 500_001


@pytest.fixture
def explored(make_study, store, run_plan):
    """Findings of the section, the training rows and all rows, with the target."""
    scope, data = make_study()
    scope = scope.model_copy(
        update={
            "columns": scope.columns
            | {scope.target: scope.columns[scope.target].model_copy(update={"capped": CAP})}
        }
    )
    context = ExperimentContext(store, data, 42, 1)
    parts = (open_train(context), open_rows(store, find_table(context)))
    frames = [rows.frame.assign(value=rows.targets) for rows in parts]
    return run_plan(plan_section("explore", scope), data), *frames


def test_numbers_and_categories_are_described(explored):
    found, train, _ = explored
    columns = found["columns"].values
    wanted = train.describe()["total_bedrooms"]
    facts = columns["numbers"]["total_bedrooms"]
    assert facts["known"] == wanted["count"]
    assert facts["quartiles"] == wanted[["min", "25%", "50%", "75%", "max"]].tolist()
    assert (facts["mean"], facts["deviation"]) == (wanted["mean"], wanted["std"])
    assert columns["categories"] == {
        "ocean_proximity": train["ocean_proximity"].value_counts().to_dict()
    }


def test_gaps_and_caps_are_counted_among_all_rows(explored):
    found, _, table = explored
    cells = found["gaps and caps"].values
    assert cells["rows"] == len(table)
    assert cells["missing"] == {"total_bedrooms": int(table["total_bedrooms"].isna().sum())}
    assert cells["capped"] == {"median_house_value": int((table["value"] == CAP).sum())}


def test_correlations_are_those_of_the_known_pairs(explored):
    found, train, _ = explored
    said = found["correlations"].values
    ratio = train["total_rooms"] / train["households"]
    known = train["total_bedrooms"].notna()
    assert said["ratios"]["rooms_per_house"] == pytest.approx(
        np.corrcoef(ratio, train["value"])[0, 1]
    )
    assert said["columns"]["total_bedrooms"] == pytest.approx(
        np.corrcoef(train["total_bedrooms"][known], train["value"][known])[0, 1]
    )
