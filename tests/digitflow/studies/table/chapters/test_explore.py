"""What is said of the columns is what was found in them."""

import pytest

from digitflow.config.table import TableStudy
from digitflow.studies.plan import Findings

from .conftest import COLUMNS


@pytest.fixture
def found():
    """Income goes with the price most, latitude against it; the ratio more than its rooms."""
    numbers = {
        name: {"known": 6 - place, "mean": 4.5, "deviation": 2.0, "quartiles": [1, 2, 4, 5, 8]}
        for place, name in enumerate(("rooms", "income", "price"))
    }
    correlations = {"longitude": None, "latitude": -0.75, "rooms": 0.5, "income": 0.6884}
    return {
        "columns": Findings(
            values={"numbers": numbers, "categories": {"near": {"INLAND": 3, "BAY": 2}}}
        ),
        "gaps and caps": Findings(
            values={
                "rows": 2000,
                "missing": {"rooms": 1, "total_bedrooms": 1207},
                "capped": {"price": 50, "income": 0},
            }
        ),
        "correlations": Findings(
            values={"columns": correlations, "ratios": {"rooms_per_house": 0.143663}}
        ),
    }


def test_all_that_is_said_follows_from_what_was_found(told_of, found):
    assert told_of("explore", found) == TOLD


def test_a_ratio_says_more_than_its_parts_where_it_does_whatever_its_sign(told_of, found):
    for ratio, income, more in (
        (-0.7, 0.6884, "more"),
        (0.7, -0.71, "no more"),
        (0.5, None, "no more"),
    ):
        found["correlations"].values["ratios"]["rooms_per_house"] = ratio
        found["correlations"].values["columns"]["income"] = income
        assert f"rooms_per_house says {more} than rooms and income" in told_of("explore", found)


def test_the_published_correlations_are_met_by_themselves(told_of, found):
    published = {
        "median_income": 0.68838,
        "rooms_per_house": 0.143663,
        "total_rooms": 0.137455,
        "housing_median_age": 0.102175,
        "bedrooms_per_room": -0.256397,
    }
    found["correlations"].values["ratios"] = published
    settings = TableStudy(ratios=dict.fromkeys(published, ("rooms", "income")))
    said = " ".join(told_of("explore", found, settings=settings).split())
    for name, r in published.items():
        assert f"correlation of {name} with price: {r:g}, here {r:g}: met" in said


def test_without_gaps_places_categories_or_ratios_none_are_told(told_of, found):
    found["columns"].values["categories"] = {}
    found["gaps and caps"].values.update(missing={}, capped={})
    found["correlations"].values["ratios"] = {}
    columns = {name: COLUMNS[name] for name in ("rooms", "income")}
    found["correlations"].values["columns"] = {"rooms": 0.5, "income": 0.6884}
    said = " ".join(told_of("explore", found, columns=columns).split())
    assert "cells are missing: none; cut off at their largest value: none." in said
    assert "cells of total_bedrooms that are missing: 207, here 0: not met" in said
    for absent in ("categories: ", "gaps: ", "map: ", "says more than", "combined features"):
        assert absent not in said.replace("columns as they are and of features combined", "")


TOLD = """\
latitude goes with price most (correlation -0.750).
Of 2,000 rows, cells are missing: 1 of rooms, 1,207 of total_bedrooms; cut off at their
  largest value: 50 of price.
rooms_per_house says no more than rooms and income by themselves: 0.144 against 0.500 and
  0.688.
columns: What the columns hold, in the training rows: Counts and incomes have long tails
  to the right; a spike at the end of an axis is where measurements were cut off.
  draw_columns 6 rows of longitude latitude rooms income near price {longitude: ,
  latitude: , rooms: , income: 10000 USD, near: , price: USD}
numbers: Numbers, in the training rows:
column | known | mean | deviation | lowest | 25 % | median | 75 % | highest
rooms | 6 | 4.5 | 2 | 1 | 2 | 4 | 5 | 8
income (10000 USD) | 5 | 4.5 | 2 | 1 | 2 | 4 | 5 | 8
price (USD) | 4 | 4.5 | 2 | 1 | 2 | 4 | 5 | 8
categories: Categories, in the training rows:
column | category | rows | share (%)
near | INLAND | 3 | 50
near | BAY | 2 | 33.3333
gaps: Cells that are missing or cut off, among all rows: What is cut off is at least so
  much: no model can tell how much more.
column | missing | cut off | cut off (% of all rows)
rooms | 1 | 0 | 0
total_bedrooms | 1207 | 0 | 0
price | 0 | 50 | 2.5
income | 0 | 0 | 0
cells of total_bedrooms that are missing: 207, here 1207: not met
map: Where the rows are, and their price: A dot is a row, its colour its price; the area
  of a dot its rooms. Where one is says much of what a house costs: dear places lie
  together, most along the coast. draw_map float64[6, 2] sums to -2811 [1000 2000 2500
  4000 5000 5001] price (USD) [10 20 nan 40 50 60] rooms
pairs: Columns against one another: price and the columns that go with it most, in the
  training rows. draw_scatter_matrix 6 rows of price latitude income rooms
strongest: price against latitude: The correlation is -0.750. The line at 5,001 is where
  price was cut off. draw_points [38 37 36 35 34 33] [1000 2000 2500 4000 5000 5001]
  latitude price (USD)
correlations: Correlation with price: Pearson's coefficient in the training rows, from -1
  to 1, of columns as they are and of features combined of two: what goes up with the
  target stands above, what goes down below. draw_bars [income rooms rooms_per_house
  latitude] {columns: [0.6884 0.5 None -0.75], combined features: [None None 0.143663
  None]} correlation with price 3
correlations: correlations:  (shown: 0)
feature | correlation
latitude | -0.75
income | 0.6884
rooms | 0.5
rooms_per_house | 0.143663
correlation of rooms_per_house with price: 0.143663, here 0.143663: met"""
