"""A random forest."""

from typing import Any

from sklearn.ensemble import RandomForestClassifier


def build(params: dict[str, Any], seed: int, threads: int) -> RandomForestClassifier:
    """Return 100 trees, each on its own sample of the images."""
    defaults = {"n_estimators": 100, "random_state": seed, "n_jobs": threads}
    return RandomForestClassifier(**defaults | params)
