"""Alter images as other writers would have written them; each copy is in the MNIST frame.

Slant, rotation, width against height, thickness of the strokes, and an elastic pull
(P. Simard, D. Steinkraus and J. Platt, "Best practices for convolutional neural networks
applied to visual document analysis", ICDAR 2003), all in one interpolation.
"""

from dataclasses import dataclass

import numpy as np

from digitflow.augment.copies import write_altered
from digitflow.config.data import OpencvAugmentation
from digitflow.images.frame import BOX_SIDE, SIDE

# Ink for the frame: above this share of an image's peak.
_INK_SHARE = 0.2
# The middles of the outermost inked pixels are so much closer than the box is wide; more
# than 1, since interpolation makes a box wider.
_SOFT_EDGES = 1.5
# Each point of the elastic pull's grid is about 5 pixels from the next.
_GRID, _REACH = 7, 4.0
# Interpolation and thinning fade strokes; MNIST's own peaks are 254 and 255.
_FULL_PEAK = 255


@dataclass(frozen=True)
class Moves:
    """Where the pixels of copies are from: `linear @ place + start`.

    Attributes
    ----------
    linear : ndarray of shape (n, 2, 2)
        From copy to image, (row, column).
    start : ndarray of shape (n, 2)
        Where in the image the copy's first pixel is from.
    """

    linear: np.ndarray
    start: np.ndarray


def count_copies(settings: OpencvAugmentation) -> int:
    """Return how many images come out for one that goes in; the first is itself."""
    return 1 + settings.copies


def write_copies(
    images: np.ndarray, settings: OpencvAugmentation, seed: int, out: np.ndarray
) -> None:
    """Write the images, then so many altered copies of all of them.

    Parameters
    ----------
    images : ndarray of shape (n, 28, 28), uint8
        In the MNIST frame. May be memory-mapped; it is read in chunks.
    settings : OpencvAugmentation
        How much of what.
    seed : int
        Draws what happens to each copy; equal seeds give equal copies.
    out : ndarray of shape (count_copies(settings) * n, 28, 28), uint8
        Copy k of image i goes to `out[k * n + i]`.

    Raises
    ------
    InputError
        If the images are no uint8 (n, 28, 28), or `out` doesn't fit or shares their memory.
    """

    def alter(chunk: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        return alter_images(chunk, settings, generator)

    write_altered(images, settings.copies, seed, out, alter)


def alter_images(
    images: np.ndarray, settings: OpencvAugmentation, generator: np.random.Generator
) -> np.ndarray:
    """Return an altered copy of each image, uint8 (n, 28, 28), in the MNIST frame."""
    import cv2

    n = len(images)
    pixels = generator.uniform(-settings.thinner, settings.thicker, n)
    changed = vary_strokes(images, pixels)
    forward = _draw_linear(n, settings, generator)
    # Nothing is drawn where none is wanted: other settings give the copies that they gave.
    square = generator.random(n) < settings.square if settings.square else np.zeros(n, bool)
    moves = _frame_moves(images, forward, square, generator)
    pull = settings.elastic * _draw_pull(n, generator)
    maps = (_trace(moves) + pull).astype(np.float32)
    copies = np.empty_like(images)
    for copy, image, (rows, columns) in zip(copies, changed, maps, strict=True):
        moved = cv2.remap(image, columns, rows, cv2.INTER_CUBIC, borderValue=0)
        # Cubic interpolation overshoots at edges, which is no ink.
        moved = moved.clip(0, _FULL_PEAK)
        copy[...] = np.rint(moved * (_FULL_PEAK / max(float(moved.max()), 1)))
    return copies


def vary_strokes(images: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Make strokes thicker (> 0) or thinner (< 0) by so much at each side.

    Parameters
    ----------
    images : ndarray of shape (n, height, width), uint8
    pixels : ndarray of shape (n,)
        From -1 to 1: shares of what a whole pixel would do.

    Returns
    -------
    ndarray of shape (n, height, width), float32
        From 0 to 255.
    """
    wide = np.pad(images, ((0, 0), (1, 1), (1, 1)), mode="edge")
    sides = wide[:, :-2, 1:-1], wide[:, 2:, 1:-1], wide[:, 1:-1, :-2], wide[:, 1:-1, 2:]
    thickest, thinnest = images.copy(), images.copy()
    for side in sides:
        np.maximum(thickest, side, out=thickest)
        np.minimum(thinnest, side, out=thinnest)
    shares = pixels.astype(np.float32)[:, np.newaxis, np.newaxis]
    wanted = np.where(shares > 0, thickest, thinnest).astype(np.float32)
    return np.asarray(images + np.abs(shares) * (wanted - images))


def _draw_linear(
    n: int, settings: OpencvAugmentation, generator: np.random.Generator
) -> np.ndarray:
    """Draw matrices (n, 2, 2) that map (row, column) of an image to those of its copy."""
    turn, lean, width = generator.uniform(-1, 1, (3, n))
    turn, lean = np.deg2rad(settings.rotation) * turn, settings.slant * lean
    width = (1 + settings.stretch) ** width
    rotate = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    shear = np.array([[np.ones(n), np.zeros(n)], [-lean * width, width]])
    return np.asarray(np.moveaxis(rotate, 2, 0) @ np.moveaxis(shear, 2, 0))


def _frame_moves(
    images: np.ndarray,
    forward: np.ndarray,
    square: np.ndarray,
    generator: np.random.Generator,
) -> Moves:
    """Scale each copy's box to 20 pixels and put its centre of mass in the middle.

    Of those that are `square` (n,) both sides of the box become as long.
    """
    places = np.indices((SIDE, SIDE)).reshape(2, -1).astype(np.float64)
    flat = images.reshape(len(images), -1).astype(np.float64)
    mass = flat / np.maximum(flat.sum(axis=1, keepdims=True), 1)
    centres = mass @ places.T
    first, last = _measure_boxes(flat, forward @ (places - centres[:, :, np.newaxis]))
    spans = np.maximum(last - first, 1)
    spans = np.where(square[:, np.newaxis], spans, spans.max(axis=1, keepdims=True))
    scale = (BOX_SIDE - _SOFT_EDGES) / spans
    # MNIST's own digits were moved by whole pixels: up to half a pixel off the middle.
    goal = SIDE / 2 + generator.uniform(-0.5, 0.5, centres.shape)
    goal = goal.clip(-scale * first, SIDE - 1 - scale * last)
    linear = np.linalg.inv(forward * scale[:, :, np.newaxis])
    return Moves(linear, centres - (linear @ goal[:, :, np.newaxis])[:, :, 0])


def _measure_boxes(flat: np.ndarray, spread: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both ends (n, 2) of the ink, whose pixels (n, 784) lie at `spread` (n, 2, 784)."""
    # A blank image has no ink; that all of it counts keeps its copy blank and finite.
    ink = (flat >= _INK_SHARE * flat.max(axis=1, keepdims=True))[:, np.newaxis]
    first = np.where(ink, spread, np.inf).min(axis=2)
    return first, np.where(ink, spread, -np.inf).max(axis=2)


def _trace(moves: Moves) -> np.ndarray:
    """Return where each pixel of a copy is from: (n, 2, 28, 28), row and column."""
    places = np.indices((SIDE, SIDE)).reshape(2, -1).astype(np.float64)
    traced = moves.linear @ places + moves.start[:, :, np.newaxis]
    return np.asarray(traced.reshape(-1, 2, SIDE, SIDE))


def _draw_pull(n: int, generator: np.random.Generator) -> np.ndarray:
    """Draw smooth displacements (n, 2, 28, 28) with a standard deviation of one pixel."""
    knots = np.linspace(0, SIDE - 1, _GRID)
    basis = np.exp(-0.5 * ((np.arange(SIDE)[:, np.newaxis] - knots) / _REACH) ** 2)
    basis /= np.sqrt((basis**2).sum(axis=1, keepdims=True))
    noise = generator.standard_normal((n, 2, _GRID, _GRID))
    return np.asarray(basis @ noise @ basis.T)
