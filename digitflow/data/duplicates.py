"""Images that are equal pixel by pixel."""

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from digitflow.images.frame import SIDE

_KEY_BYTES = 16


@dataclass(frozen=True)
class Duplicates:
    """Which images of a set are copies of one another.

    Attributes
    ----------
    keys : ndarray of shape (n,), void of 16 bytes
        A digest of each image, to find it in other sets.
    repeated : ndarray of shape (n,), bool
        True for every image that occurs earlier in the set.
    conflicting : ndarray of shape (n,), bool
        True for every image that occurs with two or more labels.
    """

    keys: np.ndarray
    repeated: np.ndarray
    conflicting: np.ndarray


def find_duplicates(images: np.ndarray, labels: np.ndarray) -> Duplicates:
    """Find exact copies in images, uint8 (n, 28, 28), with labels, uint8 (n,)."""
    keys = _digest_images(images)
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    repeated = np.ones(len(keys), dtype=bool)
    repeated[first] = False
    # A group conflicts if any of its labels differs from that of its first image.
    conflicts = np.zeros(len(first), dtype=bool)
    conflicts[group[labels != labels[first][group]]] = True
    return Duplicates(keys, repeated, conflicts[group])


def _digest_images(images: np.ndarray) -> np.ndarray:
    # A digest of 128 bits, five times as fast as sorting the images themselves.
    rows = np.ascontiguousarray(images).reshape(len(images), SIDE * SIDE)
    keys = np.empty(len(rows), dtype=np.dtype((np.void, _KEY_BYTES)))
    for place, row in enumerate(rows):
        keys[place] = blake2b(row.data, digest_size=_KEY_BYTES).digest()
    return keys
