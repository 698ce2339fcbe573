"""What is said of errors on the test rows is what was measured."""

import numpy as np
import pytest

from digitflow.studies.plan import Findings

from .conftest import COLUMNS, TARGETS


def group(name, rows, rmse, mae, bias):
    return {"group": name, "rows": rows, "rmse": rmse, "mae": mae, "bias": bias}


@pytest.fixture
def found(store):
    """Six predictions, two of them within a tenth; groups whose worst is not the first."""
    predicted = TARGETS + np.array([100.0, -201.0, 600.0, -100.0, 501.0, -1500.0])
    groups = {
        "true value": [
            group("1,000 to 2,500", 3, 500.0, 400.5, 160.0),
            group("2,500 to 5,001", 3, 1200.0, 700.5, -366.0),
        ],
        "near": [group("BAY", 2, 170.0, 150.0, -50.0), group("INLAND", 1, 90.0, 80.0, 10.0)],
    }
    return {
        "best": Findings(
            values={"params": {"features": 6}, "score": 41_000.0},
            arrays={"predicted": store.put_array(predicted)},
        ),
        "errors": Findings(
            values={
                "figures": {"RMSE": 41_424.4, "MAE": 28_000.25, "R2": 0.8765},
                "intervals": {
                    "t": [39_275.0, 43_467.0],
                    "z": [39_275.5, 43_467.5],
                    "bootstrap": [39_400.0, 43_900.0],
                },
            }
        ),
        "groups": Findings(values={"groups": groups, "worst": [5, 2]}),
    }


def test_all_that_is_said_follows_from_what_was_found(told_of, found):
    assert told_of("evaluate", found) == TOLD


def test_without_a_place_or_groups_a_row_tells_less(told_of, found):
    columns = {name: COLUMNS[name] for name in ("rooms", "income")}
    said = told_of("evaluate", found, columns=columns, stratify=None)
    assert "\nmap: " not in said
    assert "true price | predicted | off by | rooms\n5001 | 3501 | -1500 | 60\n" in said
    assert "2500 | 3100 | 600 | None" in said


def test_published_figures_are_met_within_one_in_a_hundred(told_of, found):
    found["errors"].values["intervals"]["t"] = [39_275 * 1.0099, 43_467 * 0.9899]
    said = " ".join(told_of("evaluate", found).split())
    assert "low end of its 95 % interval (USD): 39275, here 39664: met" in said
    assert "high end of its 95 % interval (USD): 43467, here 43028: not met" in said


TOLD = """\
Test RMSE 41,424 USD, 95 % interval 39,275 to 43,467, by a forest with features 6 (by
  folds: 41,000).
Errors are largest (RMSE) in: true value 2,500 to 5,001 (1,200), near BAY (170).
RMSE on the test rows (USD): 41424, here 41424: met
low end of its 95 % interval (USD): 39275, here 39275: met
high end of its 95 % interval (USD): 43467, here 43467: met
figures: Figures on the test rows:
figure | value
RMSE (USD) | 41424.4
MAE (USD) | 28000.2
R2 | 0.8765
intervals: 95 % interval of the test RMSE, three ways: t and z take the mean of the
  squared errors for normally distributed; the bootstrap draws the errors again. With many
  rows they agree.
by | low (USD) | high (USD) | width
Student's t | 39275 | 43467 | 4192
normal distribution (z) | 39275.5 | 43467.5 | 4192
bootstrap, percentiles of 2,000 draws | 39400 | 43900 | 4500
predicted: Predicted against true: 33% of the predictions are within a tenth of the true
  value. Points in the last column are cut off at 5,001: a forest, which averages, stays
  below. draw_points [1000 2000 2500 4000 5000 5001] [1100 1799 3100 3900 5501 3501] true
  price (USD) predicted (USD) diagonal=predicted = true
errors: How errors are spread: Half of them are below 351, whatever their sign; the few
  large ones make the RMSE. draw_histogram {test rows: [100 -201 600 -100 501 -1500]}
  predicted less true (USD) test rows
by-true-value: Errors by true value: Largest: 2,500 to 5,001, of which there are 3 test
  rows. A bias below 0 means that predictions are too low. draw_bars [1,000 to 2,500 (3)
  2,500 to 5,001 (3)] {RMSE: [500 1200], MAE: [400.5 700.5], bias: [160 -366]} error (USD)
  0
by-near: Errors by near: Largest: BAY, of which there are 2 test rows. A bias below 0
  means that predictions are too low. draw_bars [BAY (2) INLAND (1)] {RMSE: [170 90], MAE:
  [150 80], bias: [-50 10]} error (USD) 3
groups: Errors by group:
by | group | rows | RMSE (USD) | MAE | bias
true value | 1,000 to 2,500 | 3 | 500 | 400.5 | 160
true value | 2,500 to 5,001 | 3 | 1200 | 700.5 | -366
near | BAY | 2 | 170 | 150 | -50
near | INLAND | 1 | 90 | 80 | 10
map: Where predictions are off: Red is too high, blue too low; the 2 largest errors have a
  ring. draw_map float64[6, 2] sums to -2811 [100 -201 600 -100 501 -1500] predicted less
  true (USD) signed=True ringed=[5 2] ring_label=the 2 largest errors
worst: The largest errors: Where a prediction is far off, look at the row first: few
  people, a place of its own, a value that was cut off.
true price | predicted | off by | longitude | latitude | rooms | income | near
5001 | 3501 | -1500 | -117 | 33 | 60 | 8 | None
2500 | 3100 | 600 | -120 | 36 | None | 3 | INLAND"""
