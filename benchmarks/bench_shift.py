"""Pixel shifts against scipy's, image by image, and against a plain memory copy.

Contract, on 60,000 uint8 images of 28x28, one thread:

- a shift by one pixel is >= 50 x faster than `scipy.ndimage.shift(order=0)` called for
  each image, which gives the same bytes; scipy is timed on 2,000 of the images;
- it takes <= 4 x the time of `np.copyto` of the same bytes, for the slowest of the four
  directions;
- so does writing the images and their four copies into a memory-mapped file, against
  copying the images into it five times.

Each time is the best of several rounds, in which everything is timed in turn. The exit
code is 1 when a ratio misses its budget.
"""

import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from scipy import ndimage

from digitflow.augment.backends.shift import STEPS, count_copies, shift_images, write_copies
from digitflow.config.data import ShiftAugmentation

IMAGES = 60_000
SCIPY_IMAGES = 2_000
ROUNDS = 7
MIN_SPEEDUP = 50.0
MAX_COPIES = 4.0


def make_images() -> np.ndarray:
    """Return noise in the middle 20x20 pixels, as handwriting in its frame."""
    images = np.zeros((IMAGES, 28, 28), np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, (IMAGES, 20, 20), dtype=np.uint8)
    images[:, 4:24, 4:24] = noise
    return images


def shift_by_scipy(images: np.ndarray, rows: int, columns: int, out: np.ndarray) -> None:
    """Shift a few of the images, one by one, without interpolation."""
    for image, moved in zip(images[:SCIPY_IMAGES], out, strict=False):
        ndimage.shift(image, (rows, columns), output=moved, order=0, prefilter=False)


def time_best(functions: dict[str, Callable[[], None]]) -> dict[str, float]:
    """Return the least seconds of each, over rounds that run all of them in turn."""
    best = dict.fromkeys(functions, float("inf"))
    for _ in range(ROUNDS):
        for name, function in functions.items():
            began = time.perf_counter()
            function()
            best[name] = min(best[name], time.perf_counter() - began)
    return best


def measure(folder: Path) -> dict[str, float]:
    """Return the best seconds of a shift in each direction and of what it is held to."""
    images = make_images()
    out = np.zeros_like(images)
    settings = ShiftAugmentation()
    shape = (count_copies(settings) * IMAGES, 28, 28)
    mapped = np.lib.format.open_memmap(folder / "copies.npy", "w+", np.uint8, shape)
    mapped[...] = 0  # the pages are there before anything is timed

    def copy_into_map() -> None:
        for start in range(0, len(mapped), IMAGES):
            np.copyto(mapped[start : start + IMAGES], images)

    functions: dict[str, Callable[[], None]] = {
        f"shift {name}": partial(shift_images, images, y, x, out)
        for name, (y, x) in STEPS.items()
    }
    functions["scipy"] = lambda: shift_by_scipy(images, 1, 0, out)
    functions["copy"] = lambda: np.copyto(out, images)
    functions["write copies"] = lambda: write_copies(images, settings, 0, mapped)
    functions["copy into map"] = copy_into_map
    return time_best(functions)


def main() -> int:
    """Measure, print the ratios and tell by the exit code whether they hold."""
    with tempfile.TemporaryDirectory() as folder:
        best = measure(Path(folder))
    slowest = max(best[f"shift {name}"] for name in STEPS)
    by_scipy = best["scipy"] * IMAGES / SCIPY_IMAGES
    speedup = by_scipy / slowest
    copies = slowest / best["copy"]
    mapped = best["write copies"] / best["copy into map"]
    print(f"{IMAGES:,} images of 28x28 uint8, {os.cpu_count()} cores, best of {ROUNDS}")
    for name, seconds in best.items():
        print(f"  {name:<14} {seconds * 1e3:8.1f} ms")
    held = [
        judge("x faster than scipy.ndimage.shift", speedup, ">=", MIN_SPEEDUP),
        judge("x the time of a plain copy, one shift", copies, "<=", MAX_COPIES),
        judge("x the time of plain copies, into a mapped file", mapped, "<=", MAX_COPIES),
    ]
    return 0 if all(held) else 1


def judge(what: str, ratio: float, sign: str, budget: float) -> bool:
    """Print a ratio beside its budget; return whether it holds."""
    holds = ratio >= budget if sign == ">=" else ratio <= budget
    print(f"{ratio:8.2f} {what}: {'holds' if holds else 'MISSES'} {sign} {budget:g}")
    return holds


if __name__ == "__main__":
    raise SystemExit(main())
