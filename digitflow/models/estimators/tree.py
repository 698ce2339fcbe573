"""One decision tree."""

from typing import Any

from sklearn.tree import DecisionTreeClassifier


def build(params: dict[str, Any], seed: int, threads: int) -> DecisionTreeClassifier:
    """Return a tree whose leaves hold a few images, so that they give probabilities."""
    defaults = {"criterion": "entropy", "min_samples_leaf": 3, "random_state": seed}
    return DecisionTreeClassifier(**defaults | params)
