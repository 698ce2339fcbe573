"""Three regressors of different kinds, weighed by how each predicts what it has not seen."""

from typing import Any

from sklearn.ensemble import StackingRegressor


def build(params: dict[str, Any], seed: int, threads: int) -> StackingRegressor:
    """Return extra trees, boosted trees and neighbours under a ridge regression.

    Parameters
    ----------
    params : dict
        Those of scikit-learn's `StackingRegressor`, such as `cv`.
    """
    from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingRegressor
    from sklearn.linear_model import RidgeCV
    from sklearn.neighbors import KNeighborsRegressor

    boosted = HistGradientBoostingRegressor(
        max_iter=300,
        learning_rate=0.06,
        l2_regularization=10,
        max_features=0.3,
        early_stopping=False,
        random_state=seed,
    )
    trees = ExtraTreesRegressor(
        100, min_samples_leaf=2, max_features=0.35, random_state=seed, n_jobs=threads
    )
    neighbours = KNeighborsRegressor(8, weights="distance", algorithm="brute", n_jobs=threads)
    members = [("extra_trees", trees), ("boosting", boosted), ("knn", neighbours)]
    return StackingRegressor(**{"estimators": members, "final_estimator": RidgeCV()} | params)
