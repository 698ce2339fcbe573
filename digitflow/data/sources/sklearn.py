"""The tables that scikit-learn brings along, and the one of California that it fetches."""

import warnings
from typing import TYPE_CHECKING, Any

from digitflow.config.table import SklearnTable
from digitflow.data.tables.frames import Table
from digitflow.errors import InputError
from digitflow.store.lineage import installed_version

if TYPE_CHECKING:
    import pandas as pd

_CALIFORNIA = "california_housing"
# Its target is in hundreds of thousands of USD.
_USD = 100_000


def fingerprint(source: SklearnTable) -> str:
    """Return what changes when another table would be read: scikit-learn's version."""
    return f"scikit-learn {source.name} {installed_version('scikit-learn')}"


def load_table(source: SklearnTable) -> Table:
    """Return the table; its target is the column `target`, a class by its name.

    That of California has the columns and the target of the districts' CSV, except for
    `ocean_proximity`, which it lacks: totals are its averages times the households.

    Raises
    ------
    InputError
        If California's has to be fetched and the network is not there.
    """
    if source.name == _CALIFORNIA:
        frame, what = _total_averages(_fetch_california()), "districts of California in 1990"
    else:
        frame, what = _load_bundled(source.name), f"rows of the table {source.name}"
    return Table(frame, None, f"{len(frame):,} {what}, as scikit-learn has them")


def _load_bundled(name: str) -> "pd.DataFrame":
    from sklearn import datasets

    bunch: Any = getattr(datasets, f"load_{name}")(as_frame=True)
    frame: pd.DataFrame = bunch.frame
    if "target_names" in bunch:
        frame["target"] = bunch.target_names[frame["target"]]
    return frame


def _fetch_california() -> "pd.DataFrame":
    from sklearn.datasets import fetch_california_housing

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Retry downloading", UserWarning)
            bunch: Any = fetch_california_housing(as_frame=True, n_retries=1, delay=0.5)
    # No network is a URLError (an OSError); a damaged answer ends as one of the others.
    except (OSError, EOFError, ValueError) as exc:
        raise InputError(
            f"scikit-learn has no copy of {_CALIFORNIA} on disk, and could not fetch it: "
            f"{exc}. Connect to the network once, then it keeps one; or take the source "
            "districts, which reads a CSV or generates districts."
        ) from exc
    frame: pd.DataFrame = bunch.frame
    return frame


def _total_averages(averages: "pd.DataFrame") -> "pd.DataFrame":
    """Return the columns of the districts' CSV; a count is a whole number again."""
    import pandas as pd

    households = (averages["Population"] / averages["AveOccup"]).round()
    return pd.DataFrame(
        {
            "longitude": averages["Longitude"],
            "latitude": averages["Latitude"],
            "housing_median_age": averages["HouseAge"],
            "total_rooms": (averages["AveRooms"] * households).round(),
            "total_bedrooms": (averages["AveBedrms"] * households).round(),
            "population": averages["Population"],
            "households": households,
            "median_income": averages["MedInc"],
            "median_house_value": (averages["MedHouseVal"] * _USD).round(),
        }
    )
