"""Digits drawn in three styles (a pen's strokes, print, MNIST's handwriting), put on pages."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from digitflow.config.data import MnistSource
from digitflow.data.sources import mnist

STYLES = ("strokes", "printed", "handwritten")
# MNIST's test images of which no choice was made.
UNSEEN = slice(5000, None)
Box = tuple[int, int, int, int]
Hand = Callable[[np.random.Generator, int, int], np.ndarray]
"""A generator, a digit and a height in pixels -> its ink, cut close, 255 where it is full."""


def make_hands(folder) -> dict[str, Hand]:
    """Return the styles; `folder` is that of MNIST's IDX files, or None."""
    hands: dict[str, Hand] = {"strokes": draw_strokes, "printed": print_digit}
    if folder is not None:
        test = mnist.load(MnistSource(folder=folder)).test
        images, labels = test.images[UNSEEN], test.labels[UNSEEN]
        by_digit = [images[labels == digit] for digit in range(10)]
        hands["handwritten"] = lambda rng, digit, height: enlarge(
            by_digit[digit][rng.integers(len(by_digit[digit]))], height
        )
    return hands


def arc(x, y, across, down, begin, end, points=30):
    """Return points of an ellipse, degrees clockwise from the right."""
    angle = np.radians(np.linspace(begin, end, points))
    return np.column_stack([x + across * np.cos(angle), y + down * np.sin(angle)])


# In a box of height 1; the width follows from the points.
PATHS = (
    [arc(0.33, 0.5, 0.32, 0.5, -90, 270)],
    [[(0.1, 0), (0.1, 1)]],
    [np.vstack([arc(0.33, 0.28, 0.3, 0.28, 190, 395), [(0.02, 1), (0.66, 1)]])],
    [np.vstack([arc(0.28, 0.25, 0.29, 0.25, 200, 450), arc(0.28, 0.74, 0.33, 0.26, -90, 160)])],
    [[(0.4, 0), (0.0, 0.62), (0.68, 0.62)], [(0.5, 0.3), (0.46, 1)]],
    [np.vstack([[(0.62, 0), (0.1, 0), (0.06, 0.42)], arc(0.28, 0.7, 0.34, 0.3, -130, 150)])],
    [np.vstack([[(0.5, 0), (0.2, 0.3), (0.02, 0.68)], arc(0.31, 0.71, 0.29, 0.29, 180, 530)])],
    [[(0, 0), (0.62, 0), (0.24, 1)]],
    [arc(0.3, 0.24, 0.24, 0.24, 90, 450), arc(0.3, 0.74, 0.3, 0.26, -90, 270)],
    [np.vstack([arc(0.3, 0.28, 0.29, 0.28, 0, 350), [(0.59, 0.28), (0.5, 1)]])],
)
# Ways of other countries: flag and base of a 1, the bar of a 7.
FLAG, BASE, BAR = [(-0.12, 0.2), (0.1, 0)], [(-0.12, 1), (0.32, 1)], [(0.12, 0.5), (0.56, 0.5)]


def draw_strokes(rng, digit: int, height: int, width: float | None = None) -> np.ndarray:
    """Draw a digit with a pen; `width` of its stroke is a share of the height."""
    paths = [np.asarray(path, float) for path in PATHS[digit]]
    if digit == 1 and rng.random() < 0.4:
        paths += [np.array(FLAG), np.array(BASE)]
    if digit == 7 and rng.random() < 0.3:
        paths.append(np.array(BAR))
    lean, stretch = rng.uniform(-0.1, 0.3), rng.uniform(0.85, 1.15)
    points = [
        np.column_stack([stretch * path[:, 0] - lean * path[:, 1], path[:, 1]])
        + rng.normal(0, 0.012, (len(path), 2))
        for path in paths
    ]
    pen = max(1, round((width or rng.uniform(0.05, 0.13)) * height))
    return draw_paths(points, height, pen)


def draw_paths(paths, height: int, pen: int) -> np.ndarray:
    """Draw lines through points whose height is 1; a fourth power of two finer than pixels."""
    scale = max(1, height - pen)
    corner = np.min([path.min(axis=0) for path in paths], axis=0)
    moved = [np.rint(16 * ((path - corner) * scale + pen)).astype(np.int32) for path in paths]
    size = np.max([path.max(axis=0) for path in moved], axis=0) // 16 + 2 * pen
    ink = np.zeros((size[1], size[0]), np.uint8)
    for path in moved:
        cv2.polylines(ink, [path], False, 255, pen, cv2.LINE_AA, 4)
    return trim(ink)


def print_digit(rng, digit: int, height: int) -> np.ndarray:
    """Print a digit in one of OpenCV's hands."""
    return print_text(rng, str(digit), height)


def print_text(rng, text: str, height: int) -> np.ndarray:
    font = int(rng.choice([cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX]))
    pen = max(1, round(rng.uniform(0.06, 0.14) * height))
    ink = np.zeros((3 * height, 3 * height * len(text)), np.uint8)
    corner = height // 2, 2 * height
    cv2.putText(ink, text, corner, font, height / 22, 255, pen, cv2.LINE_AA)
    return fit_height(trim(ink), height)


def enlarge(image: np.ndarray, height: int) -> np.ndarray:
    """Enlarge an image of 28 x 28 to strokes whose edges are as sharp as a pen's."""
    large = fit_height(trim(image), height, cv2.INTER_CUBIC)
    edge = max(1.0, height / 60)
    soft = cv2.GaussianBlur(large, None, edge).astype(np.float32)
    return trim(np.clip(255 * (soft / 255 - 0.3) / 0.35, 0, 255).astype(np.uint8))


def trim(ink: np.ndarray, faint: int = 60) -> np.ndarray:
    """Cut the box of what is more than faint."""
    left, top, width, height = cv2.boundingRect((ink > faint).astype(np.uint8))
    return ink[top : top + height, left : left + width]


def fit_height(ink: np.ndarray, height: int, how: int = cv2.INTER_AREA) -> np.ndarray:
    width = max(1, round(ink.shape[1] * height / ink.shape[0]))
    return cv2.resize(ink, (width, height), interpolation=how)


@dataclass
class Sheet:
    """A gray picture, of each digit on it which it is and where, and how to read it."""

    picture: np.ndarray
    digits: list[tuple[int, Box]]
    turn: Literal["no", "auto"] = "no"


class Page:
    """Ink on an empty page, and which digits it holds."""

    def __init__(self, height: int, width: int) -> None:
        self.ink = np.zeros((height, width), np.uint8)
        self.digits: list[tuple[int, Box]] = []

    def put(self, ink: np.ndarray, left: int, top: int, digit: int | None = None) -> None:
        height, width = ink.shape
        part = self.ink[top : top + height, left : left + width]
        np.maximum(part, ink[: part.shape[0], : part.shape[1]], out=part)
        if digit is not None:
            self.digits.append((digit, (left, top, width, height)))

    def write(self, rng, hand: Hand, digits, left: int, base: int, height: int, gap=0.35):
        """Write digits on a line that they stand on; return where it ends."""
        for digit in digits:
            ink = hand(rng, int(digit), round(height * rng.uniform(0.9, 1.1)))
            self.put(ink, left, base - len(ink), int(digit))
            left += ink.shape[1] + round(gap * height * rng.uniform(0.8, 1.2))
        return left

    def expose(self, rng, paper=None, pen=None, noise=2.0) -> Sheet:
        """Return the page as a gray picture."""
        paper = rng.uniform(215, 250) if paper is None else paper
        pen = rng.uniform(10, 70) if pen is None else pen
        share = self.ink / np.float32(255)
        picture = paper * (1 - share) + pen * share + rng.normal(0, noise, share.shape)
        return Sheet(picture.clip(0, 255).astype(np.uint8), self.digits)


def pick(rng, count: int) -> np.ndarray:
    return rng.integers(0, 10, count)


def write_page(rng, hand: Hand, lines=2, columns=5, height=70, gap=0.35) -> Page:
    """Write lines of digits with a margin of a digit's height around them."""
    page = Page((2 * lines + 1) * height, round((columns * 1.35 + 2) * height))
    for line in range(lines):
        base = round((2 * line + 2) * height)
        page.write(rng, hand, pick(rng, columns), height // 2, base, height, gap)
    return page


def write_alone(rng, hand: Hand, height=200, digits=range(10), margin=0.4) -> Page:
    digit = int(rng.choice(list(digits)))
    ink, edge = hand(rng, digit, height), round(margin * height)
    page = Page(len(ink) + 2 * edge, ink.shape[1] + 2 * edge)
    page.put(ink, edge, edge, digit)
    return page
