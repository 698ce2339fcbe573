"""Softmax regression and a multilayer perceptron, as scikit-learn estimators."""

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from digitflow.models.scratch.network import (
    Layer,
    activate,
    draw_weights,
    soften,
    train_network,
)

PATIENCE = 10


class NumpyMlp(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A network of rectified units trained by Adam, in numpy alone.

    Parameters
    ----------
    hidden_layer_sizes : tuple of int
        Units of each hidden layer; none of them makes it softmax regression.
    alpha : float
        Penalty of squared weights, at least 0: 1 / C of scikit-learn's logistic regression.
    learning_rate : float
        Size of a step, over 0.
    fade : float
        Share of `max_iter`, the last of it, in which steps get smaller, down to nothing.
    batch_size : int
        Rows of a step; fewer where there are fewer.
    max_iter : int
        Times that the rows are gone through, at most.
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
        Epochs gone through.
    n_features_in_ : int
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
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
        hidden_layer_sizes: Sequence[int] = (100,),
        alpha: float = 1e-4,
        learning_rate: float = 1e-3,
        fade: float = 0.0,
        batch_size: int = 200,
        max_iter: int = 200,
        tol: float = 1e-4,
        random_state: Any = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.alpha = alpha
        self.learning_rate = learning_rate
        self.fade = fade
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any) -> "NumpyMlp":
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
        return soften(activate(self._list_layers(), rows)[-1])

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class of each row, (n,)."""
        found = self.predict_proba(X).argmax(axis=1)
        return self.classes_[found]

    def _list_hidden(self) -> tuple[int, ...]:
        sizes = self.hidden_layer_sizes
        return tuple(int(size) for size in np.atleast_1d(np.asarray(sizes, int)))

    def _list_layers(self) -> list[Layer]:
        return list(zip(self.coefs_, self.intercepts_, strict=True))


class NumpySoftmax(NumpyMlp):
    """Softmax regression by Adam, in numpy alone: a network without a hidden layer.

    Parameters
    ----------
    alpha, learning_rate, fade, batch_size, max_iter, tol, random_state
        As those of `NumpyMlp`.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        name: allowed
        for name, allowed in NumpyMlp._parameter_constraints.items()
        if name != "hidden_layer_sizes"
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

    def _list_hidden(self) -> tuple[int, ...]:
        return ()
