"""Slashes against people's 1s: could a lone stroke be told to be no digit by how it leans?

Contract: none; it measures why a slash is read as a 1. Of MNIST's 1s that are one straight
stroke it is said how many lean as far as a slash, by themselves and beyond what their own
writer's other digits lean; of printed slashes, how far they lean and how high they are beside
a digit (OpenCV's Hershey letters, and the fonts that are installed).

    python benchmarks/bench_slashes.py
"""

import sys

import cv2
import numpy as np
from drawing import print_text
from matplotlib import font_manager
from measuring import find_mnist
from PIL import Image, ImageDraw, ImageFont

from digitflow.config.data import MnistSource
from digitflow.data.sources import mnist
from digitflow.images.statistics import measure_slants

LEANS, BEYOND, NEIGHBOURS = (0.3, 0.35, 0.4, 0.45, 0.5), (0.3, 0.35, 0.4), 4
LEAST_LEAN, STRAIGHT, WHOLE, INK = 0.33, 0.06, 0.95, 90
SIZE, FONT_SIZE, SEED, DRAWN = 112, 160, 0, 300


def main() -> int:
    """Print the overlap; nothing of it is missed."""
    folder = find_mnist()
    if folder is None:
        return 0
    digits = mnist.load(MnistSource(folder=folder)).train
    leans = np.full(len(digits.labels), np.nan)
    for place in np.flatnonzero(digits.labels == 1):
        large = cv2.resize(digits.images[place], (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
        leans[place] = measure_lean(large > INK)
    ones = leans[digits.labels == 1]
    rng = np.random.default_rng(SEED)
    drawn = [print_text(rng, "/", int(rng.integers(60, 150))) > INK for _ in range(DRAWN)]
    hershey = np.array([measure_lean(slash) for slash in drawn])
    fonts = measure_fonts()
    print(f"straight, of {len(ones):,} 1s: {np.isfinite(ones).mean():.1%}")
    print(f"Hershey slashes lean {hershey.min():.2f} to {hershey.max():.2f}")
    for lean in LEANS:
        shares = [(each > lean).mean() for each in (ones, hershey, fonts[:, 0])]
        print("lean over {:.2f}: 1s {:.1%}, Hershey {:.0%}, fonts {:.0%}".format(lean, *shares))
    if digits.writers is not None:
        compare_writers(digits, leans, rng)
    heights = np.percentile(fonts[:, 1], [10, 50, 90])
    print(
        "{} fonts: a slash is {:.2f}, {:.2f}, {:.2f} of an 8 high".format(len(fonts), *heights)
    )
    print(f"it goes on above and below an 8 by a twentieth in {fonts[:, 2].mean():.0%} of them")
    return 0


def measure_lean(mask: np.ndarray) -> float:
    """Return columns a row by which a stroke leans to the right; NaN if it is not straight."""
    left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
    mask = mask[top : top + height, left : left + width]
    counts, rows = mask.sum(axis=1), np.arange(height)
    inked = counts > 0
    if inked.sum() < 6:
        return np.nan
    middles = (mask @ np.arange(width))[inked] / counts[inked]
    line = np.polyfit(rows[inked], middles, 1)
    apart = np.abs(middles - np.polyval(line, rows[inked])).max() / height
    spans = width - mask[:, ::-1].argmax(axis=1) - mask.argmax(axis=1)
    is_straight = apart < STRAIGHT and (spans == counts).mean() > WHOLE
    return -float(line[0]) if is_straight else np.nan


def compare_writers(digits, leans, rng) -> None:
    """Print how many 1s lean further than some other digits of their writer do."""
    slants = -measure_slants(digits.images)[0]
    others = {}
    for place in np.flatnonzero(digits.labels != 1):
        others.setdefault(digits.writers[place], []).append(place)
    beyond = []
    for place in np.flatnonzero(digits.labels == 1):
        own = others.get(digits.writers[place], [])
        if len(own) >= NEIGHBOURS:
            usual = np.median(slants[rng.choice(own, NEIGHBOURS, replace=False)])
            beyond.append(leans[place] - usual if leans[place] > LEAST_LEAN else np.nan)
    for least in BEYOND:
        share = np.mean(np.array(beyond) > least)
        print(f"1s that lean {least:.2f} more than {NEIGHBOURS} of their writer: {share:.1%}")


def measure_fonts() -> np.ndarray:
    """Return for each font a slash's lean, its height by an 8's, whether it goes on beyond."""
    found = []
    for file in sorted({each.fname for each in font_manager.fontManager.ttflist}):
        slash, eight = (draw(file, sign) for sign in "/8")
        rows, usual = (np.flatnonzero(ink.any(axis=1)) for ink in (slash, eight))
        if len(rows) and len(usual) > FONT_SIZE / 4:
            height, reach = np.ptp(usual) + 1, 0.05 * (np.ptp(usual) + 1)
            beyond = usual[0] - rows[0] > reach and rows[-1] - usual[-1] > reach
            found.append((measure_lean(slash), (np.ptp(rows) + 1) / height, beyond))
    return np.array(found, float)


def draw(file: str, sign: str) -> np.ndarray:
    picture = Image.new("L", (400, 400))
    font = ImageFont.truetype(file, FONT_SIZE)
    ImageDraw.Draw(picture).text((80, 50), sign, font=font, fill=255)
    return np.asarray(picture) > INK


if __name__ == "__main__":
    sys.exit(main())
