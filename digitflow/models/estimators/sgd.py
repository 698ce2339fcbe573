"""A linear model by stochastic gradient descent: the cheapest one to fit."""

from typing import Any

from sklearn.linear_model import SGDClassifier


def build(params: dict[str, Any], seed: int, threads: int) -> SGDClassifier:
    """Return one logistic regression a digit, its weights averaged over the steps."""
    defaults = {
        "loss": "log_loss",
        "alpha": 3e-5,
        "average": True,
        # A fixed number of passes: averaged weights go on improving after the loss stalls.
        "tol": None,
        "max_iter": 15,
        "random_state": seed,
        "n_jobs": threads,
    }
    return SGDClassifier(**defaults | params)
