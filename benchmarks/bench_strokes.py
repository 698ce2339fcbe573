"""Forty digits drawn on the app's canvas: four hands a digit, thin and thick pens, any corner.

Contract: the champion reads at least 38 of 40 right, and is not sure of any that it reads
wrong. It should be that of configs/mnist.yaml; the small one of configs/digits.yaml knows
fewer hands, and is only reported.

The hands: 7 with and without a bar, 1 with and without flag and base, open and closed 4,
looped 2, straight and curved 9, and others. Strokes are drawn as the canvas draws them, a
curve through the middles between the mouse's points with round ends, and read by the page's
own function.

    python benchmarks/bench_strokes.py [FILE.png]

A file is given the forty drawings, to be looked at.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from drawing import arc

from digitflow.app.asking import DRAWN, PENS, SIDE, Picture
from digitflow.app.pages.read import read_picture
from digitflow.errors import InputError
from digitflow.predict.predictions import Prediction
from digitflow.predict.predictor import Predictor
from digitflow.store.artifacts import open_store

LEAST_RIGHT = 38
# Pixels are averaged over so many times as many, as browsers smooth edges.
FINER = 4
# Between two events of a mouse, in pixels.
STEP = 7.0
JUDGED = "digits"
# Shares of the canvas: how high a digit is, and where its middle is.
SIZES = (0.35, 0.55, 0.75, 0.5)
PLACES = ((0.25, 0.3), (0.6, 0.5), (0.5, 0.52), (0.72, 0.68))
SLANTS = (0.0, 0.18, -0.08, 0.08)
WIDTHS = ("thin", "usual", "thick", "usual")

Line = np.ndarray


def join(*parts: Sequence[tuple[float, float]] | np.ndarray) -> Line:
    """Return one stroke of several parts."""
    return np.concatenate([np.asarray(part, float) for part in parts])


# Four hands a digit, each some strokes in a box of height 1.
HANDS: dict[int, tuple[list[Line], ...]] = {
    0: (
        [arc(0.35, 0.5, 0.33, 0.5, -80, 285)],
        [arc(0.45, 0.5, 0.45, 0.48, -100, 255)],
        [arc(0.28, 0.5, 0.24, 0.5, -60, 290)],
        [arc(0.35, 0.5, 0.34, 0.5, -120, 250)],
    ),
    1: (
        [join([(0.1, 0), (0.1, 1)])],
        [join([(0, 0.25), (0.25, 0), (0.25, 1)])],
        [join([(0, 0.22), (0.22, 0), (0.22, 1)]), join([(0, 1), (0.44, 1)])],
        [join([(0.25, 0), (0.12, 0.5), (0, 1)])],
    ),
    2: (
        [join(arc(0.32, 0.28, 0.3, 0.28, 190, 395), [(0.04, 1), (0.66, 1)])],
        [join(arc(0.32, 0.27, 0.3, 0.27, 200, 400), [(0.1, 0.92)],
              arc(0.13, 0.88, 0.12, 0.1, 120, 420), [(0.4, 0.98), (0.7, 0.9)])],
        [join(arc(0.3, 0.3, 0.3, 0.3, 180, 380), arc(0.0, 0.4, 0.58, 0.6, 0, 75),
              [(0.05, 1), (0.62, 1)])],
        [join([(0.05, 0.12)], arc(0.3, 0.24, 0.28, 0.24, 230, 400), [(0, 1), (0.62, 0.96)])],
    ),
    3: (
        [join(arc(0.28, 0.25, 0.29, 0.25, 200, 450), arc(0.28, 0.74, 0.33, 0.26, -90, 160))],
        [join([(0.02, 0), (0.55, 0), (0.26, 0.4)], arc(0.24, 0.7, 0.33, 0.3, -80, 150))],
        [join(arc(0.25, 0.26, 0.26, 0.26, 215, 430), arc(0.22, 0.73, 0.32, 0.27, -70, 145))],
        [join([(0.05, 0.06)], arc(0.25, 0.25, 0.28, 0.25, 250, 440),
              arc(0.25, 0.75, 0.3, 0.25, -90, 170))],
    ),
    4: (
        [join([(0.4, 0), (0, 0.62), (0.68, 0.62)]), join([(0.5, 0.3), (0.46, 1)])],
        [join([(0.06, 0), (0.02, 0.5), (0.55, 0.5)]), join([(0.55, 0), (0.52, 1)])],
        [join([(0.5, 1), (0.5, 0), (0, 0.66), (0.7, 0.66)])],
        [join([(0.1, 0.05), (0.04, 0.48), (0.58, 0.44)]), join([(0.62, 0.05), (0.5, 1)])],
    ),
    5: (
        [join([(0.12, 0), (0.06, 0.42)], arc(0.28, 0.7, 0.34, 0.3, -130, 150)),
         join([(0.12, 0), (0.62, 0)])],
        [join([(0.6, 0), (0.1, 0), (0.06, 0.44)], arc(0.26, 0.7, 0.34, 0.3, -120, 140))],
        [join([(0.58, 0.02), (0.16, 0), (0.08, 0.4)], arc(0.28, 0.68, 0.32, 0.32, -110, 160))],
        [join([(0.62, 0.04), (0.18, 0.04), (0.1, 0.46)],
              arc(0.26, 0.72, 0.3, 0.28, -100, 130))],
    ),
    6: (
        [join([(0.5, 0), (0.2, 0.3), (0.02, 0.68)], arc(0.31, 0.71, 0.29, 0.29, 180, -180))],
        [join(arc(0.55, 0.6, 0.55, 0.6, -100, -180), arc(0.28, 0.72, 0.28, 0.28, 180, -170))],
        [join([(0.28, 0), (0.06, 0.45), (0, 0.72)], arc(0.26, 0.75, 0.26, 0.25, 180, -150))],
        [join([(0.42, 0.02), (0.1, 0.4)], arc(0.3, 0.7, 0.3, 0.3, 200, -160))],
    ),
    7: (
        [join([(0, 0), (0.62, 0), (0.24, 1)])],
        [join([(0, 0.02), (0.62, 0), (0.26, 1)]), join([(0.16, 0.5), (0.6, 0.48)])],
        [join([(0, 0.16), (0.02, 0), (0.6, 0), (0.36, 0.5), (0.28, 1)])],
        [join([(0, 0.04), (0.3, 0.06), (0.6, 0), (0.2, 1)]), join([(0.1, 0.55), (0.52, 0.5)])],
    ),
    8: (
        [join(arc(0.3, 0.24, 0.24, 0.24, 90, 450), arc(0.3, 0.74, 0.3, 0.26, -90, 270))],
        [join(arc(0.3, 0.25, 0.25, 0.25, -30, -270), arc(0.3, 0.75, 0.3, 0.25, -90, 270),
              arc(0.3, 0.25, 0.25, 0.25, 90, -20))],
        [arc(0.28, 0.25, 0.26, 0.25, 60, 420), arc(0.28, 0.75, 0.28, 0.25, -80, 290)],
        [join(arc(0.3, 0.26, 0.22, 0.26, 0, -250), arc(0.32, 0.76, 0.28, 0.24, -110, 250),
              arc(0.3, 0.26, 0.22, 0.26, 100, 10))],
    ),
    9: (
        [join(arc(0.3, 0.28, 0.29, 0.28, 0, -350), [(0.59, 0.28), (0.56, 1)])],
        [join(arc(0.3, 0.27, 0.28, 0.27, -10, -360), arc(0.12, 0.5, 0.47, 0.5, -20, 80))],
        [join(arc(0.28, 0.26, 0.27, 0.26, -20, -370), [(0.55, 0.3), (0.3, 1)])],
        [join(arc(0.3, 0.3, 0.3, 0.3, -30, -365), [(0.6, 0.34), (0.58, 0.8)],
              arc(0.34, 0.78, 0.24, 0.22, 10, 130))],
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Drawing:
    """A digit as it is drawn: strokes in pixels of the canvas, and a pen."""

    digit: int
    strokes: tuple[Line, ...]
    pen: int


def main() -> int:
    """Draw, read and count; return 1 where the contract is broken."""
    predictor = Predictor.load(open_store())
    drawings = list_drawings()
    pictures = [render(drawing) for drawing in drawings]
    if len(sys.argv) > 1:
        rows = [np.hstack(pictures[start : start + 8]) for start in range(0, 40, 8)]
        cv2.imwrite(sys.argv[1], np.vstack(rows)[..., :3])
    right, surely_wrong = count(predictor, drawings, pictures)
    champion = predictor.champion
    print(f"{champion.name} version {champion.version}: {right} of {len(drawings)} read right")
    print(f"surely wrong: {surely_wrong}")
    judged = champion.name == JUDGED
    return int(judged and (right < LEAST_RIGHT or surely_wrong > 0))


def list_drawings() -> list[Drawing]:
    """Return the forty digits, in their sizes, places and pens."""
    return [
        place(digit, hand, strokes)
        for digit, hands in HANDS.items()
        for hand, strokes in enumerate(hands)
    ]


def place(digit: int, hand: int, strokes: Sequence[Line]) -> Drawing:
    """Put a digit where its hand puts it, and trace it as a mouse does, event by event."""
    # Sizes, corners and pens in another order for each digit.
    turn = (hand + digit) % len(SIZES)
    height, middle = SIZES[turn] * SIDE, np.array(PLACES[turn]) * SIDE
    lean = np.array([[1, 0], [-SLANTS[hand], 1]])
    bent = [stroke @ lean * height for stroke in strokes]
    points = np.concatenate(bent)
    centre = (points.min(axis=0) + points.max(axis=0)) / 2
    pen = PENS[WIDTHS[(hand + 2 * digit) % len(WIDTHS)]]
    # Nobody draws beyond the edge.
    reach = np.ptp(points, axis=0) / 2 + pen
    at = np.clip(middle, reach, SIDE - reach)
    return Drawing(digit, tuple(trace(stroke - centre + at) for stroke in bent), pen)


def trace(stroke: Line) -> Line:
    """Return the places of a mouse's events along a stroke, about 7 pixels apart."""
    lengths = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(stroke, axis=0).T))])
    at = np.linspace(0, lengths[-1], max(2, round(lengths[-1] / STEP)))
    return np.column_stack([np.interp(at, lengths, stroke[:, axis]) for axis in (0, 1)]).round()


def render(drawing: Drawing) -> np.ndarray:
    """Draw as the canvas does; return its pixels (height, width, 4), uint8."""
    canvas = np.full((SIDE * FINER, SIDE * FINER), 255, np.uint8)
    for stroke in drawing.strokes:
        line = (smooth(stroke) * FINER).round().astype(np.int32)
        cv2.polylines(canvas, [line], False, 0, drawing.pen * FINER, cv2.LINE_AA)
    gray = cv2.resize(canvas, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.dstack([gray, gray, gray, np.full_like(gray, 255)])


def smooth(points: Line) -> Line:
    """Return the curve from middle to middle, of which the mouse's points are the controls."""
    if len(points) < 3:
        return points
    middles = (points[:-1] + points[1:]) / 2
    t = np.linspace(0, 1, 8)[:, np.newaxis]
    curves = [
        (1 - t) ** 2 * begin + 2 * t * (1 - t) * control + t**2 * end
        for begin, control, end in zip(middles[:-1], points[1:-1], middles[1:], strict=True)
    ]
    return join(points[:1], *curves, points[-1:])


def count(
    predictor: Predictor, drawings: Sequence[Drawing], pictures: Sequence[np.ndarray]
) -> tuple[int, int]:
    """Print what is not read right; return how many are, and how many are surely wrong."""
    right, surely_wrong = 0, 0
    for number, (drawing, pixels) in enumerate(zip(drawings, pictures, strict=True)):
        said = read(predictor, pixels)
        if said is not None and said.digit == drawing.digit and said.status != "not a digit":
            right += 1
            note = "" if said.status == "read" else f"right, {said.status}"
        else:
            sure = said is not None and said.status == "read"
            surely_wrong += sure
            note = "nothing found" if said is None else f"taken for {said.digit}, {said.status}"
        if note:
            share = "" if said is None else f" ({said.probability:.1%})"
            print(f"  {drawing.digit}, hand {number % 4 + 1}: {note}{share}")
    return right, surely_wrong


def read(predictor: Predictor, pixels: np.ndarray) -> Prediction | None:
    """Read a drawing as the page does."""
    try:
        found = read_picture(predictor, Picture(DRAWN, pixels, "the drawing"), one=True)[0]
    except InputError:
        return None
    return found if isinstance(found, Prediction) else None


if __name__ == "__main__":
    sys.exit(main())
