"""Gradient boosting that knows what the neighbours of a row were worth.

Of a map, trees see coordinates; how prices change from street to street they can only cut out
of it. What the nearest training rows were worth, and the nearest of those that are alike, says
it at once. The averages are kernel regressions (E. A. Nadaraya, "On estimating regression",
Theory of Probability and its Applications 9 (1964); G. S. Watson, "Smooth regression analysis",
Sankhya A 26 (1964)) with several widths; the trees choose among them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

SIZES = (1, 2, 4, 8, 16, 32, 64)
REACHES = (0.01, 0.03, 0.1, 0.3)
TOLERANCES = (1.5, 0.6)

# Rows at a time: what is held of each is hundreds of neighbours.
_BATCH = 1024
# Among rows that are all far, or all unlike, each counts alike.
_LEAST_WEIGHT = 1e-6


class NeighbourTargets(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Add to each row averages of the targets of the training rows near it.

    A training row is no neighbour of itself: `fit_transform` leaves it out, so that what the
    next step learns from is what new rows will have.

    Parameters
    ----------
    place : int
        How many of the first features say where a row is, all in one unit.
    alike : int
        How many of the next ones say what it is like, each scaled to variance 1.
    sizes : sequence of int
        Averages over so many nearest rows.
    reaches : sequence of float
        Averages with weights exp(-d^2 / 2 r^2) at the distance d in the place, for each r.
    tolerances : sequence of float
        The same with weights that also fall with the distance in the features of likeness, for
        each t as exp(-d^2 / 2 t^2).
    neighbours : int
        Rows that are looked at.
    """

    def __init__(
        self,
        place: int = 2,
        alike: int = 4,
        sizes: Sequence[int] = SIZES,
        reaches: Sequence[float] = REACHES,
        tolerances: Sequence[float] = TOLERANCES,
        neighbours: int = 200,
    ) -> None:
        self.place = place
        self.alike = alike
        self.sizes = sizes
        self.reaches = reaches
        self.tolerances = tolerances
        self.neighbours = neighbours

    def fit(self, features: Any, targets: Any) -> "NeighbourTargets":
        """Keep the training rows' places, likenesses and targets.

        Parameters
        ----------
        features : ndarray of shape (n, d)
        targets : ndarray of shape (n,)
        """
        rows = np.asarray(features, np.float64)
        self.n_features_in_ = rows.shape[1]
        self.rows_ = rows[:, : self.place + self.alike].copy()
        self.targets_ = np.asarray(targets, np.float64)
        return self

    def fit_transform(self, features: Any, targets: Any) -> np.ndarray:
        """Return the training rows' features (n, d + k), each without its own target."""
        return self.fit(features, targets)._extend(features, itself=True)

    def transform(self, features: Any) -> np.ndarray:
        """Return features (n, d + k), float64: the given ones, then the averages."""
        check_is_fitted(self)
        return self._extend(features, itself=False)

    def _extend(self, features: Any, itself: bool) -> np.ndarray:
        from scipy.spatial import KDTree

        rows = np.asarray(features, np.float64)
        tree = KDTree(self.rows_[:, : self.place])
        starts = range(0, len(rows), _BATCH)
        averages = [self._average(tree, rows, start, itself) for start in starts]
        return np.hstack([rows, np.vstack(averages)])

    def _average(self, tree: Any, rows: np.ndarray, start: int, itself: bool) -> np.ndarray:
        """Return averages of the targets around some of the rows, and how they spread."""
        part = rows[start : start + _BATCH, : self.place + self.alike]
        own = np.arange(start, start + len(part)) if itself else np.full(len(part), -1)
        distances, near = _find_near(tree, part[:, : self.place], own, self.neighbours)
        targets = self.targets_[near]
        like = part[:, None, self.place :] - self.rows_[near, self.place :]
        unlike = np.square(like).sum(axis=2)
        by_place = [np.exp(-0.5 * np.square(distances / reach)) for reach in self.reaches]
        by_likeness = [np.exp(-0.5 * unlike / tolerance**2) for tolerance in self.tolerances]
        kernels = [close * other for close in by_place for other in (1.0, *by_likeness)]
        columns = [
            *(targets[:, :size].mean(axis=1) for size in self.sizes),
            *(np.average(targets, axis=1, weights=k + _LEAST_WEIGHT) for k in kernels),
            targets[:, : max(self.sizes)].std(axis=1),
            distances[:, 0],
            distances[:, : max(self.sizes)].mean(axis=1),
        ]
        return np.stack(columns, axis=1)


def _find_near(
    tree: Any, places: np.ndarray, own: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return distances and row numbers (n, count) of the nearest rows other than `own`."""
    count = min(count, tree.n - 1)
    distances, near = tree.query(places, count + 1)
    others = near != own[:, None]
    # Where a row is not among its nearest, as many lie in one place, the farthest goes.
    others[others.all(axis=1), -1] = False
    shape = len(places), count
    return distances[others].reshape(shape), near[others].reshape(shape)


class NeighbourBoosting(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Averages over neighbours, then boosted trees, several times over and averaged.

    Parameters
    ----------
    place, alike, sizes, reaches, tolerances, neighbours
        As `NeighbourTargets` takes them.
    members : int
        How many times trees are boosted, each with other draws of features.
    max_iter, learning_rate, max_leaf_nodes, min_samples_leaf, l2_regularization, max_features
        As scikit-learn's `HistGradientBoostingRegressor` takes them.
    random_state : int
        Of the first member; the others count on from it.
    """

    def __init__(
        self,
        place: int = 2,
        alike: int = 4,
        sizes: Sequence[int] = SIZES,
        reaches: Sequence[float] = REACHES,
        tolerances: Sequence[float] = TOLERANCES,
        neighbours: int = 200,
        members: int = 3,
        max_iter: int = 1000,
        learning_rate: float = 0.03,
        max_leaf_nodes: int = 63,
        min_samples_leaf: int = 20,
        l2_regularization: float = 20.0,
        max_features: float = 0.2,
        random_state: int = 0,
    ) -> None:
        self.place = place
        self.alike = alike
        self.sizes = sizes
        self.reaches = reaches
        self.tolerances = tolerances
        self.neighbours = neighbours
        self.members = members
        self.max_iter = max_iter
        self.learning_rate = learning_rate
        self.max_leaf_nodes = max_leaf_nodes
        self.min_samples_leaf = min_samples_leaf
        self.l2_regularization = l2_regularization
        self.max_features = max_features
        self.random_state = random_state

    def fit(self, features: Any, targets: Any) -> "NeighbourBoosting":
        """Fit on features (n, d) and targets (n,)."""
        from sklearn.ensemble import HistGradientBoostingRegressor

        params = self.get_params()
        around = {name: params[name] for name in NeighbourTargets().get_params()}
        trees = {n: v for n, v in params.items() if n not in (*around, "members")}
        self.neighbours_ = NeighbourTargets(**around)
        extended = self.neighbours_.fit_transform(features, targets)
        self.members_ = []
        for number in range(self.members):
            seed = {"random_state": self.random_state + number}
            member = HistGradientBoostingRegressor(**trees | seed, early_stopping=False)
            self.members_.append(member.fit(extended, targets))
        self.n_features_in_ = np.shape(features)[1]
        return self

    def predict(self, features: Any) -> np.ndarray:
        """Return the members' mean (n,), float64."""
        check_is_fitted(self)
        extended = self.neighbours_.transform(features)
        return np.mean([member.predict(extended) for member in self.members_], axis=0)


def build(params: dict[str, Any], seed: int, threads: int) -> NeighbourBoosting:
    """Return the regressor; its defaults were chosen on the districts' training rows."""
    return NeighbourBoosting(**{"random_state": seed} | params)
