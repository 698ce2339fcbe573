"""California's districts: the CSV that a config or the environment names, else generated ones.

Generated districts make a first run possible without data. Their columns and rough shapes are
those of the census of 1990 (R. K. Pace and R. Barry, "Sparse spatial autoregressions",
Statistics and Probability Letters 33 (1997)); no figure of theirs says anything of California.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from digitflow.config.table import DistrictsTable
from digitflow.data.tables.files import digest_tables, read_frame
from digitflow.data.tables.frames import Table

if TYPE_CHECKING:
    import pandas as pd

FILE_VARIABLE = "DIGITFLOW_HOUSING_FILE"
MOST_USD, MOST_YEARS = 500_001, 52

# Latitude and longitude of points along the coast, from south to north.
_COAST = np.array(
    [
        (32.5, -117.1), (33.7, -118.2), (34.0, -118.8), (34.5, -120.4), (35.6, -121.1),
        (36.6, -121.9), (37.5, -122.5), (38.3, -123.0), (40.4, -124.3), (42.0, -124.2),
    ]
)  # fmt: skip
# Latitude, longitude, share of the districts, spread in degrees, and how dear it is (log USD).
_TOWNS = np.array(
    [
        (34.05, -118.25, 0.38, 0.25, 0.15), (37.75, -122.25, 0.22, 0.25, 0.35),
        (32.75, -117.10, 0.10, 0.15, 0.10), (38.58, -121.45, 0.08, 0.20, -0.10),
        (36.75, -119.80, 0.06, 0.20, -0.35), (35.37, -119.02, 0.04, 0.20, -0.35),
    ]
)  # fmt: skip
_BAY, _ISLAND = (37.8, -122.3), (33.4, -118.4)
_MISSING_BEDROOMS, _ON_THE_ISLAND = 0.01, 0.0003


def fingerprint(source: DistrictsTable) -> str:
    """Return a digest of the file that would be read, or what the generator depends on.

    Raises
    ------
    InputError
        If a file is named and can't be read.
    """
    file = find_file(source)
    if file is None:
        return f"{source.rows} generated districts, seed {source.seed}"
    return digest_tables(file)


def load_table(source: DistrictsTable) -> Table:
    """Read the districts' file; where none is named, generate districts.

    Raises
    ------
    InputError
        If a file is named and can't be read.
    """
    file = find_file(source)
    if file is not None:
        return Table(read_frame(file), None, origin=f"the districts in {file}")
    return Table(
        generate_districts(source.rows, source.seed),
        None,
        origin=f"{source.rows:,} generated districts (seed {source.seed}), not real ones: name "
        f"the districts' CSV as source.file in the config or in {FILE_VARIABLE}",
        generated=True,
    )


def find_file(source: DistrictsTable) -> Path | None:
    """Return the file that is named; None where districts are generated."""
    if source.file is not None:
        return source.file
    named = os.environ.get(FILE_VARIABLE)
    return Path(named).expanduser() if named else None


def generate_districts(rows: int, seed: int) -> "pd.DataFrame":
    """Return districts that don't exist, with the columns, gaps and caps of the real ones."""
    import pandas as pd

    draw = np.random.default_rng(seed)
    places, dearness = _draw_places(rows, draw)
    inland = places[:, 1] - _find_coast(places[:, 0])
    proximity = _name_proximity(places, inland)
    income = np.clip(draw.lognormal(1.25, 0.45, rows), 0.4999, 15.0001)
    households = np.ceil(draw.lognormal(6, 0.7, rows))
    per_house = draw.lognormal(1.65 + 0.03 * (income - 4), 0.2)
    bedrooms = np.ceil(households * draw.lognormal(0.05, 0.08, rows))
    bedrooms[draw.random(rows) < _MISSING_BEDROOMS] = np.nan
    value = 11.45 + 0.65 * np.log(income) + dearness - 0.3 * np.sqrt(np.maximum(inland, 0))
    value += np.where(proximity == "ISLAND", 0.5, 0) + draw.normal(0, 0.22, rows)
    return pd.DataFrame(
        {
            "longitude": places[:, 1].round(2),
            "latitude": places[:, 0].round(2),
            "housing_median_age": np.clip(draw.normal(29, 13, rows).round(), 1, MOST_YEARS),
            "total_rooms": np.ceil(households * per_house),
            "total_bedrooms": bedrooms,
            "population": np.ceil(households * draw.lognormal(1.05, 0.25, rows)),
            "households": households,
            "median_income": income.round(4),
            "median_house_value": np.clip(np.exp(value).round(-2), 14_999, MOST_USD),
            "ocean_proximity": proximity,
        }
    )


def _draw_places(rows: int, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return latitudes and longitudes (n, 2), and how much dearer than elsewhere (n,)."""
    elsewhere = 1 - _TOWNS[:, 2].sum()
    town = draw.choice(len(_TOWNS) + 1, rows, p=[*_TOWNS[:, 2], elsewhere])
    wide = np.column_stack([draw.uniform(33, 41.5, rows), draw.uniform(-124, -115, rows)])
    known = _TOWNS[np.minimum(town, len(_TOWNS) - 1)]
    near = known[:, :2] + draw.normal(0, 1, (rows, 2)) * known[:, 3:4]
    places = np.where((town == len(_TOWNS))[:, None], wide, near)
    coast = _find_coast(places[:, 0])
    # Nobody lives in the sea, nor beyond the border, which runs along with the coast.
    places[:, 1] = np.clip(places[:, 1], coast + draw.exponential(0.05, rows), coast + 4)
    places[: round(_ON_THE_ISLAND * rows)] = _ISLAND
    return places, np.where(town == len(_TOWNS), -0.2, known[:, 4])


def _find_coast(latitudes: np.ndarray) -> np.ndarray:
    """Return the coast's longitude at each latitude."""
    return np.interp(latitudes, _COAST[:, 0], _COAST[:, 1])


def _name_proximity(places: np.ndarray, inland: np.ndarray) -> np.ndarray:
    """Say how near the ocean places are, some degrees inland, in the words of the census."""
    conditions = {
        "ISLAND": (places == _ISLAND).all(axis=1),
        "NEAR BAY": np.hypot(*(places - _BAY).T) < 0.35,
        "NEAR OCEAN": inland < 0.12,
        "<1H OCEAN": inland < 0.8,
    }
    return np.select(list(conditions.values()), list(conditions), "INLAND")
