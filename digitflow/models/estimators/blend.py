"""The mean of what other classifiers of the same run say: different kinds err differently.

Averaged are logarithms of probabilities, each with the same weight, as a logarithmic opinion
pool does (C. Genest and J. Zidek, "Combining probability distributions: a critique and an
annotated bibliography", Statistical Science 1 (1986)).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from digitflow.models.calibration import ask_probabilities

# Of a probability: less can't be told from so many rows as anything is calibrated on, and one
# member that says 0 must not overrule all others.
LEAST = 1e-6


class Blend(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Average the logarithms of the probabilities of classifiers that are fitted already.

    Parameters
    ----------
    members : sequence of classifiers
        Fitted, of the same classes, each with `predict_proba`.
    columns : sequence of (int, int, str)
        For each member the first of its features, the one after its last, and their dtype.

    Attributes
    ----------
    classes_ : ndarray of shape (k,)
    """

    def __init__(
        self, members: Sequence[Any] = (), columns: Sequence[tuple[int, int, str]] = ()
    ) -> None:
        self.members = members
        self.columns = columns

    def fit(self, features: Any = None, labels: Any = None) -> "Blend":
        """Take the members' classes; nothing is learnt from the rows.

        Raises
        ------
        ValueError
            If the members were not fitted on the same classes.
        """
        self.classes_ = self.members[0].classes_
        for member in self.members:
            if not np.array_equal(member.classes_, self.classes_):
                raise ValueError(
                    f"a blend's parts must know the same classes, got {self.classes_.tolist()} "
                    f"and {member.classes_.tolist()}"
                )
        return self

    def decision_function(self, features: Any) -> np.ndarray:
        """Return mean logarithms of probabilities (n, k) of rows (n, d), float64.

        Of two classes it is the difference of the second's and the first's, (n,).
        """
        rows = np.asarray(features)
        said = [
            ask_probabilities(member, rows[:, first:end].astype(dtype, copy=False))
            for member, (first, end, dtype) in zip(self.members, self.columns, strict=True)
        ]
        return average_logarithms(said)

    def predict(self, features: Any) -> np.ndarray:
        """Return the class (n,) with the highest mean."""
        scores = self.decision_function(features)
        winners = scores > 0 if scores.ndim == 1 else scores.argmax(axis=1)
        return self.classes_[np.asarray(winners, int)]


def average_logarithms(said: Sequence[np.ndarray]) -> np.ndarray:
    """Return scores (n, k) of several classifiers' probabilities (n, k).

    Of two classes they are (n,): the logarithm of the odds of the second.
    """
    logarithms = [np.log(np.maximum(np.asarray(each, np.float64), LEAST)) for each in said]
    scores = np.mean(logarithms, axis=0)
    return scores[:, 1] - scores[:, 0] if scores.shape[1] == 2 else scores


def build(params: dict[str, Any], seed: int, threads: int) -> Blend:
    """Return a blend without members: a run gives it those that it fitted."""
    return Blend(**params)
