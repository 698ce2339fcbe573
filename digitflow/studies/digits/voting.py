"""How several classifiers become one: votes, weighed votes, a model of their answers.

All read probabilities (members, n, 10), the member that is best on held-out images first.
Where probabilities count and not only the most probable digit, each member's are first
brought to one scale by a temperature: some claim too much, and would outvote all others.
"""

from typing import Any

import numpy as np
from scipy.special import log_softmax, softmax

from digitflow.evaluation.comparison import exact_mcnemar

# Below it, logarithms say more about rounding than about digits.
LEAST_PROBABILITY = 1e-6
# A member's weight is how often it was taken, of so many times.
ROUNDS = 20
# How strongly a stack's weights are drawn to those of equals.
RIDGE = 1.0
# Natural logarithms, lowest and highest.
TEMPERATURES = (-4.0, 4.0)


def vote_hard(read: np.ndarray) -> np.ndarray:
    """Return the digit (n,) that most members read; the best member breaks ties."""
    digits = np.eye(read.shape[2])
    votes = digits[read.argmax(axis=2)].sum(axis=0)
    # Half a vote more decides among equals, and never against a majority.
    return np.asarray((votes + 0.5 * digits[read[0].argmax(axis=1)]).argmax(axis=1))


def vote_soft(read: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Return the digit (n,) whose probability is highest in the members' (weighed) mean."""
    mean = np.average(read.astype(np.float64), axis=0, weights=weights)
    return np.asarray(mean.argmax(axis=1))


def weigh_members(read: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return weights (members,), which add up to 1, by what members read in other images.

    Members are taken one after another, any of them again, always the one with which the
    mean has the least log loss (R. Caruana et al., "Ensemble selection from libraries of
    models", ICML 2004).
    """
    likely = read[:, np.arange(len(truth)), truth].astype(np.float64)
    taken, total = np.zeros(len(read)), np.zeros(len(truth))
    for count in range(1, ROUNDS + 1):
        means = np.maximum((total + likely) / count, LEAST_PROBABILITY)
        best = int(np.log(means).sum(axis=1).argmax())
        taken[best] += 1
        total += likely[best]
    return taken / ROUNDS


def fit_temperature(
    read: np.ndarray, truth: np.ndarray, least: float = LEAST_PROBABILITY
) -> float:
    """Return the temperature by which probabilities (n, 10) have the least log loss.

    C. Guo et al., "On calibration of modern neural networks", ICML 2017.

    Parameters
    ----------
    least : float
        What a smaller probability of the true digit counts as.
    """
    from scipy.optimize import minimize_scalar

    def lose(exponent: float) -> float:
        cooled = cool(read, float(np.exp(exponent)))[np.arange(len(truth)), truth]
        return -float(np.log(np.maximum(cooled, least)).mean())

    return float(np.exp(minimize_scalar(lose, bounds=TEMPERATURES, method="bounded").x))


def cool(read: np.ndarray, temperature: float) -> np.ndarray:
    """Return probabilities (n, 10), float64, whose logarithms are divided and made one."""
    logarithms = np.log(np.maximum(read.astype(np.float64), np.finfo(np.float32).tiny))
    return np.asarray(softmax(logarithms / temperature, axis=1))


def calibrate(held: np.ndarray, truth: np.ndarray, *others: np.ndarray) -> list[np.ndarray]:
    """Bring each member's probabilities, in `held` and others, to one scale, by `held`."""
    temperatures = [fit_temperature(read, truth) for read in held]
    return [
        np.stack([cool(*pair) for pair in zip(reads, temperatures, strict=True)])
        for reads in (held, *others)
    ]


def fit_stack(read: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return a logistic regression's weights (members,) of their log-probabilities.

    D. Wolpert, "Stacked generalization" (1992), in its smallest form: a digit's score is
    the members' weighed sum for that digit (conditional logit, D. McFadden 1974). Weights
    from every member's every digit to every digit are some hundreds, which so few errors
    as good members make can't teach.
    """
    from scipy.optimize import minimize

    logarithms, hot = _to_logarithms(read), np.eye(read.shape[2])[truth]
    start = np.full(len(read), 1 / len(read))

    def lose(weights: np.ndarray) -> tuple[float, np.ndarray]:
        said = log_softmax(np.tensordot(weights, logarithms, 1), axis=1)
        pull = weights - start
        slope = np.tensordot(logarithms, np.exp(said) - hot, axes=([1, 2], [0, 1]))
        return RIDGE / 2 * float(pull @ pull) - float((said * hot).sum()), slope + RIDGE * pull

    return np.asarray(minimize(lose, start, jac=True, method="L-BFGS-B").x)


def ask_stack(weights: np.ndarray, read: np.ndarray) -> np.ndarray:
    """Return the digit (n,) that a stack makes of what its members read."""
    return np.asarray(np.tensordot(weights, _to_logarithms(read), 1).argmax(axis=1))


def _to_logarithms(read: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(read, LEAST_PROBABILITY))


def join(kind: str, held: np.ndarray, truth: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Return the digit (m,) that members make of `asked` (members, m, 10) together.

    Parameters
    ----------
    kind : str
        "hard voting", "soft voting", "weighted voting" or "stacking".
    held : ndarray of shape (members, n, 10)
        What they read in images that they did not learn from, whose digits are `truth`.
    """
    if kind == "hard voting":
        return vote_hard(asked)
    held, asked = calibrate(held, truth, asked)
    if kind == "soft voting":
        return vote_soft(asked)
    if kind == "weighted voting":
        return vote_soft(asked, weigh_members(held, truth))
    return ask_stack(fit_stack(held, truth), asked)


def join_crosswise(kind: str, held: np.ndarray, truth: np.ndarray, seed: int) -> np.ndarray:
    """Return the digit (n,) made of each held-out image by what the other half taught."""
    from sklearn.model_selection import KFold

    made = np.empty(len(truth), np.int64)
    for taught, asked in KFold(2, shuffle=True, random_state=seed).split(truth):
        made[asked] = join(kind, held[:, taught], truth[taught], held[:, asked])
    return made


def compare_readers(ours: np.ndarray, theirs: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
    """Compare two readers' digits (n,) on the same images.

    Returns
    -------
    dict
        "wins", "losses": images that only ours, only theirs has right; "p" of readers that
        are equally good to differ so much (exact McNemar test, two-sided).
    """
    right, other = ours == truth, theirs == truth
    wins, losses = int((right & ~other).sum()), int((other & ~right).sum())
    p = min(1.0, 2 * exact_mcnemar(max(wins, losses), min(wins, losses)))
    return {"wins": wins, "losses": losses, "p": p}
