"""How far chance alone may move a share."""

from math import sqrt
from statistics import NormalDist

from digitflow.errors import InputError


def wilson_interval(correct: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return Wilson's score interval of a proportion (Wilson 1927).

    It stays within 0 and 1 and is close to its nominal coverage even near 0 and 1, where
    the accuracies of good models are.

    Parameters
    ----------
    correct, n : int
        Successes among trials.
    confidence : float
        Between 0 and 1, both excluded.

    Raises
    ------
    InputError
        If there are no trials, more successes than trials, or no such confidence.
    """
    if not 0 <= correct <= n or n == 0:
        raise InputError(f"an interval needs 0 <= correct <= n and n > 0, got {correct} of {n}")
    if not 0 < confidence < 1:
        raise InputError(f"confidence must be between 0 and 1, got {confidence}")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, weight = correct / n, n / (n + z**2)
    centre = weight * (share + z**2 / (2 * n))
    half = weight * z * sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # Exactly 0 and 1 at the ends, where rounding would leave a hair.
    low = 0.0 if correct == 0 else centre - half
    high = 1.0 if correct == n else centre + half
    return low, high
