"""A small neural network."""

from typing import Any

from sklearn.neural_network import MLPClassifier


def build(params: dict[str, Any], seed: int, threads: int) -> MLPClassifier:
    """Return two hidden layers, trained until a tenth held out gets no better."""
    defaults = {
        "hidden_layer_sizes": (256, 128),
        "batch_size": 256,
        "early_stopping": True,
        "n_iter_no_change": 5,
        "max_iter": 60,
        "random_state": seed,
    }
    return MLPClassifier(**defaults | params)
