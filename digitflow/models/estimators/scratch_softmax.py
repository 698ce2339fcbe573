"""Softmax regression, written in numpy alone."""

from typing import Any

from digitflow.models.numpy_networks import NumpySoftmax


def build(params: dict[str, Any], seed: int, threads: int) -> NumpySoftmax:
    """Return softmax regression, trained in mini-batches."""
    defaults = {
        "alpha": 10.0,
        "learning_rate": 3e-3,
        "fade": 0.5,
        "batch_size": 256,
        "max_iter": 20,
        "random_state": seed,
    }
    return NumpySoftmax(**defaults | params)
