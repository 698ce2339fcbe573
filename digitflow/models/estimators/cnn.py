"""A convolutional network in NumPy alone, over uint8 images.

S. Ioffe and C. Szegedy, "Batch normalization", ICML 2015; C. Szegedy et al., "Rethinking the
Inception architecture for computer vision" (label smoothing), CVPR 2016; L. Smith and N. Topin,
"Super-convergence" (the rate that rises and falls), 2018; Y. Wu and J. Johnson, "Rethinking
'batch' in BatchNorm" (statistics measured at the end), 2021.
"""

import threading
import warnings
from collections.abc import Sequence
from math import isqrt
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from digitflow.models.convolution.network import FoldedNetwork, fits_shape
from digitflow.models.convolution.shapes import NetworkShape
from digitflow.models.convolution.training import Trainer, TrainingPlan
from digitflow.models.session import FitSession, NoSession

BLOCKS = ((16,), (32, 32), (64, 64))
# Images that are predicted together: their memory is some 5 MB.
PREDICTED_ROWS = 64


class ConvolutionalNetwork(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A small convolutional network, trained on altered copies, in NumPy alone.

    Each convolution is 3x3 without bias; then come the maximum of 2x2 places where a block
    ends, batch normalisation and ReLU; a dense layer at the end. Every image is altered anew
    in each epoch (`digitflow.augment.stream`), and no copy is stored. What is learnt is the
    same, to the bit, with any number of threads.

    Parameters
    ----------
    blocks : sequence of sequence of int
        Channels of each convolution; what a block gives is pooled.
    epochs : int
        Passes over the images.
    batch_size : int
        Images of a step, in parts of about 64 that are normalised by themselves.
    learning_rate : float
        Largest size of a step: it rises to it over the first quarter, then falls to 0.
    momentum : float
        Nesterov's, from 0 to below 1.
    weight_decay : float
        Penalty of squared weights.
    smoothing : float
        Share of what is right that is given to all classes alike.
    n_jobs : int or None
        Threads: parts of a batch that are computed at the same time; None is one.
    random_state : int, RandomState or None
        Draws starting weights, the order of images, and copies.

    Attributes
    ----------
    classes_ : ndarray of shape (k,)
    image_shape_ : (int, int)
        Height and width.
    filters_ : list of ndarray, float32
        Of each convolution (9 * inputs, outputs), in the order row, column, channel; last of
        the dense layer (features, k). The normalisation is folded into them.
    biases_ : list of ndarray, float32
    loss_curve_ : list of float
        The mean cross-entropy of each epoch.
    n_iter_ : int
        Steps that were made.
    n_features_in_ : int
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "blocks": ["array-like"],
        "epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 2, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "smoothing": [Interval(Real, 0, 1, closed="left")],
        "n_jobs": [Interval(Integral, 1, None, closed="left"), None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        blocks: Sequence[Sequence[int]] = BLOCKS,
        epochs: int = 2,
        batch_size: int = 128,
        learning_rate: float = 0.4,
        momentum: float = 0.9,
        weight_decay: float = 5e-4,
        smoothing: float = 0.05,
        n_jobs: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.blocks = blocks
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.smoothing = smoothing
        self.n_jobs = n_jobs
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any, session: FitSession | None = None) -> "ConvolutionalNetwork":
        """Fit on uint8 images, (n, height, width) or square ones as rows (n, pixels).

        A fit that was cut off goes on from the session's checkpoint, and learns what it would
        have learnt. When its time is up it ends, with a warning, with what it has.
        """
        from threadpoolctl import threadpool_limits

        session = NoSession() if session is None else session
        rows, shape = _flatten(X)
        rows, labels = validate_data(self, rows, y, dtype=np.uint8)
        check_classification_targets(labels)
        self.image_shape_ = shape
        self.classes_, places = np.unique(labels, return_inverse=True)
        plan = TrainingPlan(
            self.epochs,
            self.batch_size,
            self.learning_rate,
            self.momentum,
            self.weight_decay,
            self.smoothing,
            # As scikit-learn's own, with one seed from a state that may go on elsewhere.
            int(check_random_state(self.random_state).randint(2**31)),
        )
        # The parts of a batch are its threads.
        with threadpool_limits(1, user_api="blas"):
            trainer = Trainer(
                self._shape(), rows.reshape(-1, *shape), places, plan, self.n_jobs or 1
            )
            trainer.run(session)
            self.filters_, self.biases_ = trainer.fold()
        self.loss_curve_ = trainer.state.losses
        self.n_iter_ = trainer.state.step
        if self.n_iter_ < trainer.steps:
            warnings.warn(
                f"its time was up after {self.n_iter_:,} of {trainer.steps:,} steps; it reads "
                "worse than it could: raise `time_limit`, or lower `epochs`",
                ConvergenceWarning,
                stacklevel=2,
            )
        else:
            session.finish()
        self._forget()
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Return scores (n, k), logarithms of probabilities but for a constant.

        Of two classes it is the score of the second, (n,).
        """
        check_is_fitted(self)
        rows = validate_data(self, _flatten(X)[0], reset=False, dtype=np.uint8)
        network, images = self._network(), rows.reshape(-1, *self.image_shape_)
        starts = range(0, len(images), network.rows)
        scores = np.concatenate(
            [network.score(images[start : start + network.rows]) for start in starts]
        )
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class, (n, k)."""
        scores = self.decision_function(X).astype(np.float64)
        if scores.ndim == 1:
            scores = np.stack([np.zeros_like(scores), scores], axis=1)
        scores -= scores.max(axis=1, keepdims=True)
        np.exp(scores, out=scores)
        return np.asarray(scores / scores.sum(axis=1, keepdims=True))

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class of each image, (n,)."""
        scores = self.decision_function(X)
        winners = scores > 0 if scores.ndim == 1 else scores.argmax(axis=1)
        return self.classes_[np.asarray(winners, int)]

    def is_sound(self) -> bool:
        """Tell whether the arrays fit each other and the images, as a fit leaves them."""
        try:
            shape = self._shape()
        except (TypeError, ValueError):
            return False
        height, width = self.image_shape_
        return height * width == self.n_features_in_ and fits_shape(
            shape, self.filters_, self.biases_
        )

    def _shape(self) -> NetworkShape:
        return NetworkShape.of(self.image_shape_, self.blocks, len(self.classes_))

    def _network(self) -> FoldedNetwork:
        """Return this thread's network to predict with, and its memory."""
        held = self.__dict__.setdefault("_held", threading.local())
        if not hasattr(held, "network"):
            held.network = FoldedNetwork(
                self._shape(), self.filters_, self.biases_, PREDICTED_ROWS
            )
        network: FoldedNetwork = held.network
        return network

    def _forget(self) -> None:
        self.__dict__.pop("_held", None)

    def __getstate__(self) -> Any:
        """Return what is stored: nothing of what only predicting needs."""
        state = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_held"}

    def __sklearn_tags__(self) -> Any:
        """Return the tags, with the one that says that it takes images."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


def _flatten(images: Any) -> tuple[np.ndarray, tuple[int, int]]:
    """Return images as rows (n, pixels), and their height and width.

    Raises
    ------
    ValueError
        If they are no uint8 images, or rows that are not square.
    """
    array = np.asarray(images)
    if array.dtype != np.uint8 or array.ndim not in (2, 3):
        raise ValueError(
            f"the network takes uint8 images (n, height, width) or (n, pixels), as the recipe "
            f"`raw` gives them; got {array.dtype} {array.shape}"
        )
    if array.ndim == 3:
        return array.reshape(len(array), -1), (array.shape[1], array.shape[2])
    side = isqrt(array.shape[1])
    if side * side != array.shape[1]:
        raise ValueError(
            f"rows of {array.shape[1]} pixels are no square images; give (n, height, width)"
        )
    return array, (side, side)


# Share of a time limit in which it learns; the rest is to measure statistics and to be stored.
_LEARNING = 0.9


def end_within(time_limit: float) -> float:
    """Return after how many seconds a fit ends by itself, so that nobody has to kill it."""
    return _LEARNING * time_limit


def build(params: dict[str, Any], seed: int, threads: int) -> ConvolutionalNetwork:
    """Return five convolutions and two epochs, which suit some ten thousand images or more."""
    return ConvolutionalNetwork(**{"random_state": seed, "n_jobs": threads} | params)
