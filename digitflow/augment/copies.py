"""Write images and their altered copies, chunk by chunk, whatever alters them."""

from collections.abc import Callable

import numpy as np

from digitflow.catalogue import BACKENDS
from digitflow.config.data import Augmentation
from digitflow.data.sets import SampleSet
from digitflow.errors import InputError
from digitflow.store.artifacts import Store
from digitflow.store.references import ArrayRef

SIDE = 28
# What is drawn for an image depends on its place in its chunk, so this is part of the result.
CHUNK_ROWS = 1024

Alter = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def augment_images(
    store: Store, train: SampleSet, settings: Augmentation, seed: int
) -> SampleSet:
    """Return the images and their altered copies, written straight into the memory map."""
    backend = BACKENDS.load(settings.backend)
    copies = backend.count_copies(settings)
    images = store.open_array(train.samples)
    with store.new_array((copies * len(images), *images.shape[1:]), np.uint8) as pending:
        backend.write_copies(images, settings, seed, pending.array)
    return SampleSet(
        samples=pending.ref,
        targets=_repeat(store, train.targets, copies),
        writers=None if train.writers is None else _repeat(store, train.writers, copies),
        sources=None if train.sources is None else _repeat(store, train.sources, copies),
        parents=store.put_array(np.tile(np.arange(len(images)), copies)),
    )


def _repeat(store: Store, ref: ArrayRef, copies: int) -> ArrayRef:
    return store.put_array(np.tile(store.open_array(ref), copies))


def write_altered(
    images: np.ndarray, copies: int, seed: int, out: np.ndarray, alter: Alter
) -> None:
    """Write the images, then so many altered copies of all of them.

    Parameters
    ----------
    images : ndarray of shape (n, 28, 28), uint8
        May be memory-mapped; it is read in chunks.
    copies : int
        Of each image.
    seed : int
        Draws what happens to each copy; equal seeds give equal copies.
    out : ndarray of shape ((1 + copies) * n, 28, 28), uint8
        Copy k of image i goes to `out[k * n + i]`.
    alter : callable
        From some images and a generator to as many copies, uint8 (m, 28, 28).

    Raises
    ------
    InputError
        If the images are no uint8 (n, 28, 28), or `out` doesn't fit or shares their memory.
    """
    _check(images, out, 1 + copies)
    n = len(images)
    for start in range(0, n, CHUNK_ROWS):
        chunk = np.ascontiguousarray(images[start : start + CHUNK_ROWS])
        out[start : start + len(chunk)] = chunk
        for copy in range(1, 1 + copies):
            generator = np.random.default_rng([seed, copy, start])
            first = copy * n + start
            out[first : first + len(chunk)] = alter(chunk, generator)


def _check(images: np.ndarray, out: np.ndarray, copies: int) -> None:
    if images.dtype != np.uint8 or images.shape[1:] != (SIDE, SIDE):
        raise InputError(
            f"images to alter are uint8 (n, {SIDE}, {SIDE}), got {images.dtype} {images.shape}"
        )
    shape = (copies * len(images), SIDE, SIDE)
    if out.dtype != np.uint8 or out.shape != shape:
        raise InputError(
            f"the copies need a uint8 output of shape {shape}, got {out.dtype} {out.shape}"
        )
    if np.may_share_memory(images, out):
        raise InputError("copies can't be written over their own images, give another output")
