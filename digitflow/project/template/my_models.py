"""A recipe and a candidate of this project's own, named by its configs as my_models:..."""

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC


class InkProfiles(TransformerMixin, BaseEstimator):
    """Say of each image how much ink is in its rows, its columns and its blocks of pixels.

    It stays in the fitted model, so the config trusts it by its name.
    """

    def __init__(self, block=4):
        self.block = block

    def fit(self, images, labels=None):
        """Learn nothing."""
        return self

    def transform(self, images):
        """Return float32 features (n, d) of uint8 images (n, 28, 28)."""
        ink = np.asarray(images, np.float32) / 255
        size = 28 // self.block
        blocks = ink.reshape(len(ink), size, self.block, size, self.block).mean((2, 4))
        parts = (ink.mean(axis=1), ink.mean(axis=2), blocks.reshape(len(ink), -1))
        return np.hstack(parts).astype(np.float32)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags


def build_steps(seed, block=4):
    """Return the recipe: named transformers. `recipe_params` of a config are its parameters."""
    return [("profiles", InkProfiles(block)), ("scale", StandardScaler())]


def build(params, seed, threads):
    """Return the candidate. `params` of a config come as they are."""
    return ExtraTreesClassifier(**{"n_estimators": 200} | params)


# An unfitted pipeline does as well; a config sets its parts by `svc__C`.
machine = make_pipeline(StandardScaler(), SVC())
