"""A feed-forward network in numpy: what it says, its loss, and the loss's gradient.

Without a hidden layer it is softmax regression. Weights are a list of (matrix, bias), a
pair a layer; between two layers negative values become 0.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

Layer = tuple[np.ndarray, np.ndarray]


def draw_weights(
    sizes: Sequence[int], generator: np.random.Generator, dtype: np.dtype | type
) -> list[Layer]:
    """Draw starting weights of layers between sizes, scaled for rectified units.

    K. He, X. Zhang, S. Ren and J. Sun, "Delving deep into rectifiers", ICCV 2015. The last
    layer starts at zero: every class is as likely.

    Parameters
    ----------
    sizes : sequence of int
        Features, hidden units of each layer, classes.

    Returns
    -------
    list of (ndarray of shape (a, b), ndarray of shape (b,))
    """
    pairs = list(pairwise(sizes))
    layers = []
    for place, (before, after) in enumerate(pairs):
        spread = np.sqrt(2 / before) if place < len(pairs) - 1 else 0.0
        matrix = spread * generator.standard_normal((before, after))
        layers.append((matrix.astype(dtype), np.zeros(after, dtype)))
    return layers


def activate(layers: Sequence[Layer], rows: np.ndarray) -> list[np.ndarray]:
    """Return the input of each layer, and the scores (n, classes) at the end."""
    states = [rows]
    for place, (matrix, bias) in enumerate(layers):
        state = states[-1] @ matrix
        state += bias
        if place < len(layers) - 1:
            np.maximum(state, 0, out=state)
        states.append(state)
    return states


def soften(scores: np.ndarray) -> np.ndarray:
    """Turn scores (n, k) into probabilities in place; large scores don't overflow."""
    scores -= scores.max(axis=1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=1, keepdims=True)
    return scores


def measure_loss(
    layers: Sequence[Layer], rows: np.ndarray, places: np.ndarray, decay: float
) -> float:
    """Return the mean cross-entropy of the right classes, and the weights' penalty.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
    places : ndarray of shape (n,)
        The place of each row's class, 0 to k - 1.
    decay : float
        Half of this times the sum of squares of all matrices is added, over n.
    """
    scores = activate(layers, rows)[-1]
    scores = scores - scores.max(axis=1, keepdims=True)
    likelihood = scores[np.arange(len(rows)), places] - np.log(np.exp(scores).sum(axis=1))
    penalty = decay / 2 * sum(float((matrix**2).sum()) for matrix, _ in layers)
    return float(-likelihood.mean()) + penalty / len(rows)


def differentiate(
    layers: Sequence[Layer], rows: np.ndarray, places: np.ndarray, decay: float
) -> tuple[float, list[Layer]]:
    """Return the mean cross-entropy without the penalty, and the gradient with it.

    Backpropagation (D. Rumelhart, G. Hinton and R. Williams, Nature 323, 1986); the
    gradient is of what `measure_loss` returns.
    """
    n = len(rows)
    states = activate(layers, rows)
    error = soften(states[-1])
    likelihood = error[np.arange(n), places]
    loss = float(-np.log(np.maximum(likelihood, np.finfo(error.dtype).tiny)).mean())
    error[np.arange(n), places] -= 1
    error /= n
    gradients: list[Layer] = []
    for place in range(len(layers) - 1, -1, -1):
        matrix = layers[place][0]
        gradients.append((states[place].T @ error + (decay / n) * matrix, error.sum(axis=0)))
        if place:
            error = error @ matrix.T
            error *= states[place] > 0
    return loss, gradients[::-1]


def check_gradient(
    layers: Sequence[Layer],
    rows: np.ndarray,
    places: np.ndarray,
    decay: float,
    checked: int,
    generator: np.random.Generator,
    step: float = 1e-5,
) -> float:
    """Compare the gradient with central differences at some weights.

    Parameters
    ----------
    layers : sequence of (matrix, bias)
        Float64; they are put back as they were.
    checked : int
        Numbers of each matrix and bias that are tried, at most.

    Returns
    -------
    float
        The largest |difference| over the larger of the two, or over 1e-6 where both are
        smaller than that.
    """
    _, gradients = differentiate(layers, rows, places, decay)
    worst = 0.0
    for layer, gradient in zip(layers, gradients, strict=True):
        for values, slopes in zip(layer, gradient, strict=True):
            flat, expected = values.reshape(-1), slopes.reshape(-1)
            for place in generator.permutation(flat.size)[:checked]:
                kept = flat[place]
                flat[place] = kept + step
                above = measure_loss(layers, rows, places, decay)
                flat[place] = kept - step
                below = measure_loss(layers, rows, places, decay)
                flat[place] = kept
                slope = (above - below) / (2 * step)
                size = max(abs(slope), abs(expected[place]), 1e-6)
                worst = max(worst, abs(slope - expected[place]) / size)
    return worst


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
