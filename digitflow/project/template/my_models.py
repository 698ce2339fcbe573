"""A recipe and candidates of this project's own, named by its configs as my_models:..."""

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from digitflow.features.recipes.strokes import build_steps as build_strokes


class Clip(TransformerMixin, BaseEstimator):
    """Keep features within so many standard deviations, as they were in training.

    It stays in the fitted model, so the config trusts it by its name.
    """

    def __init__(self, limit=3.0):
        self.limit = limit

    def fit(self, rows, labels=None):
        """Learn the features' means and deviations from rows (n, d)."""
        self.mean_, self.deviation_ = rows.mean(axis=0), rows.std(axis=0)
        return self

    def transform(self, rows):
        """Return rows (n, d), what is far from the mean brought near."""
        reach = self.limit * self.deviation_
        return np.clip(rows, self.mean_ - reach, self.mean_ + reach)


def build_steps(seed, limit=3.0):
    """Return the recipe: named transformers. `recipe_params` of a config are its parameters."""
    return [*build_strokes(seed), ("clip", Clip(limit))]


def build(params, seed, threads):
    """Return the candidate. `params` of a config come as they are."""
    return SVC(**{"C": 10.0} | params)


# An unfitted pipeline does as well; a config sets its parts, as `extratreesclassifier__...`.
forest = make_pipeline(StandardScaler(), ExtraTreesClassifier(200))
