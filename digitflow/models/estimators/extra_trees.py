"""Extremely randomised trees: a forest that draws its thresholds."""

from typing import Any

from sklearn.ensemble import ExtraTreesClassifier


def build(params: dict[str, Any], seed: int, threads: int) -> ExtraTreesClassifier:
    """Return 100 trees, each on all images."""
    defaults = {"n_estimators": 100, "random_state": seed, "n_jobs": threads}
    return ExtraTreesClassifier(**defaults | params)
