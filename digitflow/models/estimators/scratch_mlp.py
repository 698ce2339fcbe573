"""A small neural network, written in numpy alone."""

from typing import Any

from digitflow.models.numpy_networks import NumpyMlp


def build(params: dict[str, Any], seed: int, threads: int) -> NumpyMlp:
    """Return one hidden layer of 128 units."""
    defaults: dict[str, Any] = {
        "hidden_layer_sizes": (128,),
        "batch_size": 256,
        "max_iter": 15,
        "random_state": seed,
    }
    return NumpyMlp(**defaults | params)
