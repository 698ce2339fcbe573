"""Train a network by Adam on mini-batches, in numpy."""

from collections.abc import Sequence

import numpy as np

from digitflow.models.scratch.network import Layer, differentiate

# D. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015.
DECAY_OF_MEAN, DECAY_OF_SQUARE, EPSILON = 0.9, 0.999, 1e-8


class Adam:
    """Steps along the mean gradient over its size, both averaged over the past.

    Parameters
    ----------
    layers : sequence of (matrix, bias)
        Changed in place.
    rate : float
        Size of a step.
    """

    def __init__(self, layers: Sequence[Layer], rate: float) -> None:
        self.values = [values for layer in layers for values in layer]
        self.means = [np.zeros_like(values) for values in self.values]
        self.squares = [np.zeros_like(values) for values in self.values]
        self.rate = rate
        self.steps = 0

    def step(self, gradients: Sequence[Layer]) -> None:
        """Change the weights by one step."""
        self.steps += 1
        correction = np.sqrt(1 - DECAY_OF_SQUARE**self.steps) / (1 - DECAY_OF_MEAN**self.steps)
        slopes = [slope for layer in gradients for slope in layer]
        parts = zip(self.values, self.means, self.squares, slopes, strict=True)
        for values, mean, square, slope in parts:
            mean *= DECAY_OF_MEAN
            mean += (1 - DECAY_OF_MEAN) * slope
            square *= DECAY_OF_SQUARE
            # In place from here on: three arrays as large as the weights, a step, are dear.
            slope *= slope
            slope *= 1 - DECAY_OF_SQUARE
            square += slope
            np.sqrt(square, out=slope)
            slope += EPSILON
            np.divide(mean, slope, out=slope)
            slope *= self.rate * correction
            values -= slope


def train_network(
    layers: Sequence[Layer],
    rows: np.ndarray,
    places: np.ndarray,
    rate: float,
    fade: float,
    decay: float,
    batch: int,
    epochs: int,
    tolerance: float,
    patience: int,
    generator: np.random.Generator,
) -> list[float]:
    """Go through the rows so many times, in another order each; change `layers` in place.

    Parameters
    ----------
    rate : float
        Size of a step.
    fade : float
        Share of all steps, 0 to 1, in which their size falls in a line: the last ones.
    decay : float
        Half of this times the sum of squares of all matrices is added to the loss of all
        rows together: a batch has its share of it.
    tolerance, patience : float, int
        It ends when the loss has not fallen by `tolerance` in `patience` epochs on end.

    Returns
    -------
    list of float
        The mean loss of each epoch, without the penalty.
    """
    adam, curve = Adam(layers, rate), list[float]()
    best, stalled = np.inf, 0
    steps = epochs * -(-len(rows) // batch)
    for _ in range(epochs):
        order = generator.permutation(len(rows))
        total = 0.0
        for start in range(0, len(rows), batch):
            chosen = order[start : start + batch]
            share = decay * len(chosen) / len(rows)
            loss, gradients = differentiate(layers, rows[chosen], places[chosen], share)
            adam.rate = rate * min(1.0, (1 - adam.steps / steps) / max(fade, 1 / steps))
            adam.step(gradients)
            total += loss * len(chosen)
        curve.append(total / len(rows))
        stalled = stalled + 1 if curve[-1] > best - tolerance else 0
        best = min(best, curve[-1])
        if stalled >= patience:
            break
    return curve
