"""The RBF kernel, its width relative to the data, by matrix products."""

import numpy as np

# Rows of features compared with all points at once: about 50 MB against 6,500 points.
CHUNK_ROWS = 1024


def choose_gamma(rows: np.ndarray, gamma: float | str, factor: float) -> float:
    """Return the kernel's gamma: a number as it is, "scale" as `factor` over the variance.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        The training features.
    gamma : float or "scale"
        "scale" makes it independent of the unit and the number of the features.
    factor : float, > 0
        Its value when the features' variances add up to 1.

    Raises
    ------
    ValueError
        If `gamma` is neither "scale" nor a number over 0.
    """
    if gamma == "scale":
        total = float(np.var(rows, axis=0, dtype=np.float64).sum())
        return factor / (total or 1.0)
    if isinstance(gamma, str) or not gamma > 0:
        raise ValueError(f'gamma must be "scale" or a number over 0, got {gamma!r}')
    return gamma


def compute_kernel(rows: np.ndarray, points: np.ndarray, gamma: float) -> np.ndarray:
    """Return exp(-gamma |row - point|^2) for all pairs.

    Parameters
    ----------
    rows : ndarray of shape (n, d), float64
    points : ndarray of shape (m, d), float64
    gamma : float

    Returns
    -------
    ndarray of shape (n, m), float64, from 0 to 1
    """
    distances = rows @ points.T
    distances *= -2
    distances += np.einsum("ij,ij->i", rows, rows)[:, None]
    distances += np.einsum("ij,ij->i", points, points)
    np.maximum(distances, 0, out=distances)  # rounding may leave less than nothing
    distances *= -gamma
    return np.exp(distances, out=distances)
