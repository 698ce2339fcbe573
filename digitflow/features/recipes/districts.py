"""Recipe `districts`: ratios, logarithms and clusters of California's districts.

Rooms per house, people per house and the share of bedrooms say more than totals; logarithms
make the long tails of counts and incomes short; the similarity to clusters of districts says
where on the map one is. Follows A. Géron, "Hands-On Machine Learning with Scikit-Learn, Keras
and TensorFlow", 3rd edition (2022), chapter 2.
"""

from typing import Any

from digitflow.features.frames import (
    ClusterSimilarity,
    Logarithm,
    PresentColumns,
    Ratio,
    prepare_categories,
    prepare_numbers,
    select_columns,
)

PLACE = ["latitude", "longitude"]
LONG_TAILS = ["total_bedrooms", "total_rooms", "population", "households", "median_income"]
RATIOS = {
    "bedrooms_per_room": ["total_bedrooms", "total_rooms"],
    "rooms_per_house": ["total_rooms", "households"],
    "people_per_house": ["population", "households"],
}


def build_steps(
    seed: int,
    clusters: int = 10,
    gamma: float = 1.0,
    scaling: str = "standard",
    encoding: str = "onehot",
) -> list[tuple[str, Any]]:
    """Return the recipe's one step.

    Parameters
    ----------
    seed : int
        Where the clusters begin.
    clusters : int
        How many clusters of districts.
    gamma : float
        How quickly the similarity to a cluster falls with the distance, exp(-gamma d^2) at d
        degrees.
    scaling : "standard" or "minmax"
    encoding : "onehot" or "ordinal"
        Of the proximity to the ocean.

    Raises
    ------
    InputError
        If `scaling` or `encoding` is another.
    """
    similarity = ClusterSimilarity(clusters, gamma, seed)
    parts = [
        *describe_houses(scaling),
        ("place", similarity, PLACE),
        # scikit-learn's own table of the districts lacks it.
        ("proximity", prepare_categories(encoding), PresentColumns(["ocean_proximity"])),
    ]
    return [("columns", select_columns(parts))]


def describe_houses(scaling: str) -> list[tuple[str, Any, Any]]:
    """Return what a district has, apart from its place: ratios, logarithms, age."""
    ratios = [
        (name, prepare_numbers(Ratio(), scaling=scaling), columns)
        for name, columns in RATIOS.items()
    ]
    return [
        *ratios,
        ("log", prepare_numbers(Logarithm(), scaling=scaling), LONG_TAILS),
        ("age", prepare_numbers(scaling=scaling), ["housing_median_age"]),
    ]
