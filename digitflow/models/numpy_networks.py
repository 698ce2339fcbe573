"""Softmax regression and a multilayer perceptron in numpy, as scikit-learn estimators.

The forward pass, the loss and its gradient are plain functions. Weights are a
list of (matrix, bias), a pair a layer; between two layers negative values become 0. Without
a hidden layer it is softmax regression.
"""

from collections.abc import Sequence
from itertools import pairwise
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

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


def run_forward(layers: Sequence[Layer], rows: np.ndarray) -> list[np.ndarray]:
    """Return the input of each layer, and the scores (n, classes) at the end."""
    states = [rows]
    for place, (matrix, bias) in enumerate(layers):
        state = states[-1] @ matrix
        state += bias
        if place < len(layers) - 1:
            np.maximum(state, 0, out=state)
        states.append(state)
    return states


def apply_softmax(scores: np.ndarray) -> np.ndarray:
    """Turn scores (n, k) into probabilities in place; large scores don't overflow."""
    scores -= scores.max(axis=1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=1, keepdims=True)
    return scores


def compute_loss(
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
    scores = run_forward(layers, rows)[-1]
    scores = scores - scores.max(axis=1, keepdims=True)
    likelihood = scores[np.arange(len(rows)), places] - np.log(np.exp(scores).sum(axis=1))
    penalty = decay / 2 * sum(float((matrix**2).sum()) for matrix, _ in layers)
    return float(-likelihood.mean()) + penalty / len(rows)


def compute_gradient(
    layers: Sequence[Layer], rows: np.ndarray, places: np.ndarray, decay: float
) -> tuple[float, list[Layer]]:
    """Return the mean cross-entropy without the penalty, and the gradient with it.

    Backpropagation (D. Rumelhart, G. Hinton and R. Williams, Nature 323, 1986); the
    gradient is of what `compute_loss` returns.
    """
    n = len(rows)
    states = run_forward(layers, rows)
    error = apply_softmax(states[-1])
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
    """Train for so many epochs, the rows shuffled in each; change `layers` in place.

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
            loss, gradients = compute_gradient(layers, rows[chosen], places[chosen], share)
            adam.rate = rate * min(1.0, (1 - adam.steps / steps) / max(fade, 1 / steps))
            adam.step(gradients)
            total += loss * len(chosen)
        curve.append(total / len(rows))
        stalled = stalled + 1 if curve[-1] > best - tolerance else 0
        best = min(best, curve[-1])
        if stalled >= patience:
            break
    return curve


PATIENCE = 10


class NumpySoftmax(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Softmax regression by Adam, in numpy alone: a network without a hidden layer.

    Parameters
    ----------
    alpha : float
        Penalty of squared weights, at least 0: 1 / C of scikit-learn's logistic regression.
    learning_rate : float
        Size of a step, over 0.
    fade : float
        Share of `max_iter`, the last of it, in which steps get smaller, down to nothing.
    batch_size : int
        Rows of a step; fewer where there are fewer.
    max_iter : int
        Epochs, at most.
    tol : float
        It ends when the loss has not fallen by so much in ten epochs on end.
    random_state : int, RandomState or None
        Draws the starting weights and the order of the rows.

    Attributes
    ----------
    classes_ : ndarray of shape (k,)
    coefs_, intercepts_ : list of ndarray
        Of each layer, (a, b) and (b,); float32 where the features are.
    loss_curve_ : list of float
        The mean cross-entropy of each epoch.
    n_iter_ : int
        Epochs that were run.
    n_features_in_ : int
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "alpha": [Interval(Real, 0, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "fade": [Interval(Real, 0, 1, closed="both")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        alpha: float = 1e-4,
        learning_rate: float = 1e-3,
        fade: float = 0.0,
        batch_size: int = 200,
        max_iter: int = 200,
        tol: float = 1e-4,
        random_state: Any = None,
    ) -> None:
        self.alpha = alpha
        self.learning_rate = learning_rate
        self.fade = fade
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any) -> "NumpySoftmax":
        """Fit on features `X` (n, d) and labels `y` (n,)."""
        rows, labels = validate_data(self, X, y, dtype=(np.float32, np.float64))
        check_classification_targets(labels)
        self.classes_, places = np.unique(labels, return_inverse=True)
        # As scikit-learn's own, with one seed from a state that may go on elsewhere.
        seed = check_random_state(self.random_state).randint(2**31)
        generator = np.random.default_rng(seed)
        sizes = (rows.shape[1], *self._list_hidden(), len(self.classes_))
        layers = draw_weights(sizes, generator, rows.dtype)
        self.loss_curve_ = train_network(
            layers,
            rows,
            places,
            self.learning_rate,
            self.fade,
            self.alpha,
            min(self.batch_size, len(rows)),
            self.max_iter,
            self.tol,
            PATIENCE,
            generator,
        )
        self.coefs_ = [matrix for matrix, _ in layers]
        self.intercepts_ = [bias for _, bias in layers]
        self.n_iter_ = len(self.loss_curve_)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class, (n, k), in the order of `classes_`."""
        check_is_fitted(self)
        rows = validate_data(self, X, reset=False, dtype=(np.float32, np.float64))
        return apply_softmax(run_forward(self._list_layers(), rows)[-1])

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class of each row, (n,)."""
        found = self.predict_proba(X).argmax(axis=1)
        return self.classes_[found]

    def _list_hidden(self) -> tuple[int, ...]:
        return ()

    def _list_layers(self) -> list[Layer]:
        return list(zip(self.coefs_, self.intercepts_, strict=True))


class NumpyMlp(NumpySoftmax):
    """A network of rectified units trained by Adam, in numpy alone.

    Parameters
    ----------
    hidden_layer_sizes : tuple of int
        Units of each hidden layer; none of them makes it softmax regression.
    alpha, learning_rate, fade, batch_size, max_iter, tol, random_state
        As those of `NumpySoftmax`.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        **NumpySoftmax._parameter_constraints,
    }

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] = (100,),
        alpha: float = 1e-4,
        learning_rate: float = 1e-3,
        fade: float = 0.0,
        batch_size: int = 200,
        max_iter: int = 200,
        tol: float = 1e-4,
        random_state: Any = None,
    ) -> None:
        super().__init__(alpha, learning_rate, fade, batch_size, max_iter, tol, random_state)
        self.hidden_layer_sizes = hidden_layer_sizes

    def _list_hidden(self) -> tuple[int, ...]:
        sizes = self.hidden_layer_sizes
        return tuple(int(size) for size in np.atleast_1d(np.asarray(sizes, int)))
