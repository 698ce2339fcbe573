"""Recipe `neighbourhoods`: where a district is, what it is like, and its place turned about.

Made for the estimator `neighbour_boosting`. The first two features are the place in degrees,
the next four, scaled, what districts are compared by: income, age, rooms and people per house.
Trees cut a map obliquely where coordinates come at several angles.
"""

from typing import Any

from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline

from digitflow.features.frames import (
    Logarithm,
    PresentColumns,
    Ratio,
    RotatedCoordinates,
    prepare_categories,
    prepare_numbers,
    select_columns,
)
from digitflow.features.recipes.districts import PLACE, RATIOS

_COUNTS = ["total_bedrooms", "total_rooms", "population", "households"]


def build_steps(seed: int, angles: int = 8) -> list[tuple[str, Any]]:
    """Return the recipe's one step; nothing in it is random.

    Parameters
    ----------
    angles : int
        At which coordinates are given, spread evenly over 180 degrees.
    """
    turned = Pipeline([("impute", _fill()), ("turn", RotatedCoordinates(angles))])
    parts = [
        ("place", _fill(), PLACE),
        ("income", prepare_numbers(Logarithm()), ["median_income"]),
        ("age", prepare_numbers(), ["housing_median_age"]),
        *((name, prepare_numbers(Ratio(), Logarithm()), RATIOS[name]) for name in _ratios()),
        ("log", prepare_numbers(Logarithm()), _COUNTS),
        ("turned", turned, PLACE),
        ("proximity", prepare_categories("ordinal"), PresentColumns(["ocean_proximity"])),
    ]
    return [("columns", select_columns(parts))]


def _fill() -> SimpleImputer:
    return SimpleImputer(strategy="median", keep_empty_features=True)


def _ratios() -> list[str]:
    """Return the ratios' names, those that districts are compared by first."""
    return sorted(RATIOS, key=lambda name: "house" not in name)
