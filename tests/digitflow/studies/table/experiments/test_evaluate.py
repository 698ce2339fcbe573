"""Where predictions are off, on rows that a test makes up."""

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans

from digitflow.config.table import Column
from digitflow.data.sets import SampleSet
from digitflow.data.tables.frames import to_records
from digitflow.errors import InputError
from digitflow.studies.plan import ExperimentContext, Findings, StudyData
from digitflow.studies.table.data import Rows
from digitflow.studies.table.experiments import evaluate
from digitflow.studies.table.experiments.evaluate import fit_best, group_errors, judge_best

COLUMNS = {"longitude": Column(), "latitude": Column()}


@pytest.fixture
def context(store):
    """Thirty rows of three places, predicted three too high but for the last ones."""
    places = np.repeat([[-122.0, 38.0], [-118.0, 34.0], [-120.0, 36.0]], 10, axis=0)
    frame = pd.DataFrame(places + np.arange(30)[:, None] / 1000, columns=[*COLUMNS])
    targets = np.arange(30.0) * 10
    predicted = targets + 3
    predicted[29], predicted[5], predicted[12] = (
        targets[29] - 50,
        targets[5] + 40,
        targets[12] - 40,
    )
    mask = store.put_array(np.arange(30) % 2 == 0)
    rows = SampleSet(
        samples=store.put_array(to_records(frame, COLUMNS)),
        targets=store.put_array(targets),
        slices={"kind even": mask, "kind none": store.put_array(np.zeros(30, bool))},
    )
    best = Findings(arrays={"predicted": store.put_array(predicted)})
    data = StudyData(train=rows, test=rows)
    return ExperimentContext(store, data, 42, 1, {"best": best}), predicted - targets


def test_fifths_by_value_regions_and_slices_are_measured_by_their_definitions(context):
    context, errors = context
    found = group_errors(context).values
    groups = found["groups"]
    assert list(groups) == ["true value", "region", "kind"]
    assert [group["rows"] for group in groups["true value"]] == [6] * 5
    assert groups["true value"][0]["group"] == "0 to 58"
    assert groups["true value"][-1]["group"] == "232 to 290"
    first = groups["true value"][0]
    assert first["rmse"] == pytest.approx(np.sqrt((errors[:6] ** 2).mean()))
    assert first["mae"] == pytest.approx(np.abs(errors[:6]).mean())
    assert first["bias"] == pytest.approx(errors[:6].mean())
    # Of ten middles in three places, those that are called alike are one.
    assert 3 <= len(groups["region"]) < 10
    assert sum(group["rows"] for group in groups["region"]) == 30
    # A group without rows is left out.
    assert [(group["group"], group["rows"]) for group in groups["kind"]] == [("even", 15)]
    assert groups["kind"][0]["bias"] == pytest.approx(errors[::2].mean())
    # Of equal errors the first, whatever their sign.
    assert found["worst"][:4] == [29, 5, 12, 0]
    assert len(found["worst"]) == 20


def test_a_value_at_an_edge_is_in_the_lower_group():
    groups = evaluate._group_by_value(np.arange(1.0, 12.0))
    assert list(groups) == ["1 to 3", "3 to 5", "5 to 7", "7 to 9", "9 to 11"]
    counts = [int(rows.sum()) for rows in groups.values()]
    assert counts == [3, 2, 2, 2, 2]
    assert len(evaluate._group_by_value(np.array([5.0] * 10 + [9.0]))) == 1


def test_regions_are_clusters_of_the_training_rows_from_north_to_south():
    places = np.repeat([[-118.0, 34.0], [-122.0, 38.0]], 6, axis=0)
    places += np.arange(12)[:, None] / 4
    train = Rows(pd.DataFrame(places, columns=["longitude", "latitude"]), np.zeros(12))
    found = evaluate._group_by_region(train, train, 42)
    assert len(found) == 10
    north = [float(name.split()[1].strip(",")) for name in found]
    assert north == sorted(north, reverse=True)
    assert sum(rows.sum() for rows in found.values()) == 12
    oracle = KMeans(10, n_init=10, random_state=42).fit(places).predict(places)
    for rows in found.values():
        assert len(set(oracle[rows])) == 1
    # Of fewer rows, fewer; a row without a place is near some of them.
    few = train.take(np.arange(3))
    gap = Rows(few.frame.assign(latitude=[34.0, np.nan, 34.1]), few.targets)
    assert len(evaluate._group_by_region(gap, few, 42)) == 2
    assert sum(r.sum() for r in evaluate._group_by_region(few, gap, 42).values()) == 3


def test_figures_and_intervals_are_of_what_was_predicted(context):
    context, errors = context
    found = judge_best(context, "USD").values
    assert found["figures"]["RMSE"] == pytest.approx(np.sqrt((errors**2).mean()))
    assert found["figures"]["MAE"] == pytest.approx(np.abs(errors).mean())
    assert set(found["intervals"]) == {"t", "z", "bootstrap"}
    for low, high in found["intervals"].values():
        assert low < found["figures"]["RMSE"] < high


def test_without_any_valid_combination_nothing_is_fitted(context):
    context, _ = context
    given = {"grid: a": Findings(values={"params": {}, "error": "no"})}
    bare = ExperimentContext(context.store, context.data, 42, 1, given)
    with pytest.raises(InputError, match=r"no combination of study\.search is valid"):
        fit_best(bare, {"name": "columns", "params": {}}, 5)
