"""Recipes of tables: from records, or a frame, through transformers of frames to features.

A recipe of a table is a `FrameTransformer` around scikit-learn's `ColumnTransformer`. Beside
it stands what such recipes are made of and scikit-learn has not in a form that can be stored
safely: functions can't be.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin, clone
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.utils.validation import check_is_fitted

from digitflow.config.table import Column
from digitflow.data.tables.frames import to_frame, type_frame
from digitflow.errors import InputError, list_some

SCALERS = {"standard": StandardScaler, "minmax": MinMaxScaler}
ENCODINGS = ("onehot", "ordinal")


class FrameTransformer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Give a transformer of frames the records of a table, or a frame of the same columns.

    Parameters
    ----------
    transformer : transformer
        Of frames: numbers float64, categories text with NaN where a cell is missing.
    """

    def __init__(self, transformer: Any) -> None:
        self.transformer = transformer

    def fit(self, rows: Any, targets: Any = None) -> "FrameTransformer":
        """Fit the transformer.

        Parameters
        ----------
        rows : structured ndarray of shape (n,), or DataFrame
            In a frame, what is no number by its dtype is a category.
        """
        frame = _open_rows(rows)
        numbers = frame.select_dtypes("number").columns
        self.columns_ = [str(name) for name in frame.columns]
        self.categories_ = [name for name in self.columns_ if name not in numbers]
        self.transformer_ = clone(self.transformer).fit(self._type(frame), targets)
        return self

    def transform(self, rows: Any) -> np.ndarray:
        """Return features (n, d), float64.

        Raises
        ------
        InputError
            If a column is missing that was there when the recipe was fitted.
        """
        check_is_fitted(self)
        features = self.transformer_.transform(self._type(_open_rows(rows)))
        return np.asarray(features, np.float64)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the features, text (d,)."""
        check_is_fitted(self)
        return np.asarray(self.transformer_.get_feature_names_out())

    def _type(self, frame: Any) -> Any:
        missing = [name for name in self.columns_ if name not in frame.columns]
        if missing:
            raise InputError(
                f"rows lack {list_some(missing)}; the recipe was fitted on "
                f"{list_some(self.columns_, 20)}"
            )
        kinds = {
            name: Column(type="category" if name in self.categories_ else "number")
            for name in self.columns_
        }
        return type_frame(frame, kinds)


def _open_rows(rows: Any) -> Any:
    if getattr(rows, "columns", None) is not None:
        return rows
    records = np.asarray(rows)
    if records.dtype.names is None:
        raise InputError(
            "recipes of tables take records with named fields or a frame, got an array "
            f"{records.dtype} {records.shape}"
        )
    return to_frame(records)


class PresentColumns(BaseEstimator):  # type: ignore[misc]
    """Choose, for a `ColumnTransformer`, those of some columns that a frame has.

    Parameters
    ----------
    names : sequence of str
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names

    def __call__(self, frame: Any) -> list[str]:
        """Return the names that are there, in their order."""
        return [name for name in self.names if name in frame.columns]


class Ratio(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Divide the first of two columns by the second; 0 where the second is 0."""

    def fit(self, rows: Any, targets: Any = None) -> "Ratio":
        """Nothing is learnt."""
        self.n_features_in_ = np.shape(rows)[1]
        return self

    def transform(self, rows: Any) -> np.ndarray:
        """Return the ratios (n, 1), float64."""
        upper, lower = np.asarray(rows, np.float64).T
        return np.divide(upper, lower, out=np.zeros_like(upper), where=lower != 0)[:, None]

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the feature's name; that of the transformer stands before it."""
        return np.array(["ratio"], object)


class Logarithm(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Take natural logarithms; what is below the smallest positive number seen counts as it."""

    def fit(self, rows: Any, targets: Any = None) -> "Logarithm":
        """Note the smallest positive number of each column; 1 where there is none."""
        cells = np.asarray(rows, np.float64)
        lowest = np.where(cells > 0, cells, np.inf).min(axis=0)
        self.floors_ = np.where(np.isfinite(lowest), lowest, 1.0)
        self.n_features_in_ = cells.shape[1]
        return self

    def transform(self, rows: Any) -> np.ndarray:
        """Return the logarithms (n, d), float64."""
        return np.log(np.maximum(np.asarray(rows, np.float64), self.floors_))


class ClusterSimilarity(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Say how near rows are to the centres of k-means clusters, from 0 to 1.

    Parameters
    ----------
    clusters : int
        How many; no more than there are different rows when it is fitted.
    gamma : float
        Of the Gaussian radial basis function exp(-gamma d^2) of the distance d.
    random_state : int
        Where the clusters begin.
    """

    def __init__(self, clusters: int = 10, gamma: float = 1.0, random_state: int = 0) -> None:
        self.clusters = clusters
        self.gamma = gamma
        self.random_state = random_state

    def fit(self, rows: Any, targets: Any = None) -> "ClusterSimilarity":
        """Find the clusters' centres (clusters, d), the best of ten tries."""
        from sklearn.cluster import KMeans

        cells = np.asarray(rows, np.float64)
        clusters = min(self.clusters, len(np.unique(cells, axis=0)))
        means = KMeans(clusters, n_init=10, random_state=self.random_state).fit(cells)
        # The centres alone: a fitted KMeans keeps a label for every row.
        self.centres_ = means.cluster_centers_
        self.n_features_in_ = cells.shape[1]
        return self

    def transform(self, rows: Any) -> np.ndarray:
        """Return the similarities (n, clusters), float64."""
        from sklearn.metrics.pairwise import rbf_kernel

        cells = np.asarray(rows, np.float64)
        return np.asarray(rbf_kernel(cells, self.centres_, gamma=self.gamma))

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return a name for each cluster."""
        return np.array([f"cluster {n}" for n in range(len(self.centres_))], object)


class RotatedCoordinates(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Turn two coordinates by several angles, so that a tree can cut a map obliquely.

    Parameters
    ----------
    angles : int
        How many, spread evenly over 180 degrees; the first is 0.
    """

    def __init__(self, angles: int = 8) -> None:
        self.angles = angles

    def fit(self, rows: Any, targets: Any = None) -> "RotatedCoordinates":
        """Nothing is learnt."""
        self.n_features_in_ = np.shape(rows)[1]
        return self

    def transform(self, rows: Any) -> np.ndarray:
        """Return the first coordinate of the points, turned by each angle (n, angles)."""
        turns = np.pi * np.arange(self.angles) / self.angles
        return np.asarray(rows, np.float64) @ np.stack([np.cos(turns), np.sin(turns)])

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return a name for each angle."""
        degrees = 180 * np.arange(self.angles) / self.angles
        return np.array([f"at {angle:.4g} degrees" for angle in degrees], object)


def build_scaler(scaling: str) -> Any:
    """Return an unfitted scaler by its name.

    Raises
    ------
    InputError
        If it is none of `SCALERS`.
    """
    if scaling not in SCALERS:
        raise InputError(f"scaling must be one of {', '.join(SCALERS)}, got {scaling!r}")
    return SCALERS[scaling]()


def prepare_numbers(*steps: Any, scaling: str = "standard") -> Pipeline:
    """Return steps for columns of numbers: medians for gaps, `steps`, then a scaler."""
    named = [(type(step).__name__.lower(), step) for step in steps]
    impute = SimpleImputer(strategy="median", keep_empty_features=True)
    return Pipeline([("impute", impute), *named, ("scale", build_scaler(scaling))])


def prepare_categories(encoding: str = "onehot") -> Pipeline:
    """Return steps for categories: the most frequent one for gaps, then codes.

    Raises
    ------
    InputError
        If `encoding` is none of `ENCODINGS`.
    """
    if encoding not in ENCODINGS:
        raise InputError(f"encoding must be one of {', '.join(ENCODINGS)}, got {encoding!r}")
    onehot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    impute = SimpleImputer(strategy="most_frequent", keep_empty_features=True)
    return Pipeline(
        [("impute", impute), ("encode", onehot if encoding == "onehot" else ordinal)]
    )


def select_columns(parts: Sequence[tuple[str, Any, Any]]) -> FrameTransformer:
    """Return a recipe's step: named transformers, each of some columns, side by side."""
    # Dense, whatever the share of zeros.
    return FrameTransformer(ColumnTransformer(list(parts), sparse_threshold=0))


def select_numbers() -> Any:
    """Return what chooses a frame's columns of numbers."""
    return make_column_selector(dtype_include="number")


def select_categories() -> Any:
    """Return what chooses a frame's other columns."""
    return make_column_selector(dtype_exclude="number")
