"""Alter images by albumentations: moved, turned, scaled, leant, within their frame."""

import os

import numpy as np

from digitflow.augment.copies import write_altered
from digitflow.config.data import AlbumentationsAugmentation

# One by one the library's own work is ten times that on the pixels: so many images, drawn at
# random from their chunk, share their draw.
SHARED = 8


def count_copies(settings: AlbumentationsAugmentation) -> int:
    """Return how many images come out for one that goes in; the first is itself."""
    return 1 + settings.copies


def write_copies(
    images: np.ndarray, settings: AlbumentationsAugmentation, seed: int, out: np.ndarray
) -> None:
    """Write the images, then so many altered copies of all of them; see `write_altered`."""

    def alter(chunk: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        return alter_images(chunk, settings, generator)

    write_altered(images, settings.copies, seed, out, alter)


def alter_images(
    images: np.ndarray, settings: AlbumentationsAugmentation, generator: np.random.Generator
) -> np.ndarray:
    """Return an altered copy of each image, uint8 (n, 28, 28)."""
    # It asks the network for a newer version of itself, when it is imported.
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    import albumentations

    lean = float(np.rad2deg(np.arctan(settings.slant)))
    warp = albumentations.Affine(
        translate_px=None,
        translate_percent=(-settings.shift / 28, settings.shift / 28),
        rotate=(-settings.rotation, settings.rotation),
        scale=(1 - settings.zoom, 1 + settings.zoom),
        shear={"x": (-lean, lean), "y": (0, 0)},
        p=1.0,
    )
    # Its own seed is the only one that it listens to.
    transform = albumentations.Compose([warp], seed=int(generator.integers(2**31)))
    out = np.empty_like(images)
    order = generator.permutation(len(images))
    for start in range(0, len(order), SHARED):
        rows = order[start : start + SHARED]
        altered = transform(images=images[rows][..., np.newaxis])["images"]
        out[rows] = altered[..., 0]
    return out
