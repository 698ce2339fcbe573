"""Logistic regression: the straight line that every other model is compared with."""

from typing import Any

from sklearn.linear_model import LogisticRegression


def build(params: dict[str, Any], seed: int, threads: int) -> LogisticRegression:
    """Return softmax regression, regularised enough to end within its iterations."""
    defaults = {"C": 0.1, "tol": 1e-3, "max_iter": 300, "random_state": seed}
    return LogisticRegression(**defaults | params)
