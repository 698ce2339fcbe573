"""Styles of digits that no model here has learnt from: forms, fonts, photographs, squares."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from bench_photographs import SEED as PHOTOGRAPHS_SEED
from bench_photographs import UNSEEN
from drawing import arc, trim
from sklearn.datasets import load_digits

from digitflow.augment.photographs import enlarge_cells, iterate_photographs
from digitflow.data.sets import LabelledImages
from digitflow.data.sources.pen import draw_strokes
from digitflow.images.colours import to_gray

SEED, EACH = 11, 200


def bow(*ellipse):
    """Return points of an ellipse as `arc` does, one every six degrees."""
    *_, begin, end = ellipse
    return arc(*ellipse, points=2 + int(abs(end - begin) / 6))


def line(*numbers):
    """Return points x, y, x, y, ... of straight lines."""
    return np.array(numbers, float).reshape(-1, 2)


def wave(x, y, length, height):
    """Return a wavy line to the right."""
    steps = np.linspace(0, 1, 20)
    return np.stack([x + length * steps, y - height * np.sin(2 * np.pi * steps)], axis=1)


def eight():
    """Return a figure of eight in one stroke."""
    t = np.linspace(0.3, 2 * np.pi + 0.3, 60)
    swell = 1 + 0.12 * np.sin(t - np.pi / 2)
    return np.stack([0.3 + 0.27 * swell * np.sin(2 * t), 0.5 - 0.5 * np.cos(t)], axis=1)


def stroke(*parts):
    """Join points to one stroke."""
    return np.concatenate(parts)


# Name: digit, then strokes; heights are 1.
FORMS: dict[str, tuple[int, list[np.ndarray]]] = {
    "0 round": (0, [bow(0.33, 0.5, 0.33, 0.5, -90, 275)]),
    "0 narrow": (0, [bow(0.2, 0.5, 0.2, 0.5, -100, 265)]),
    "0 open at the top": (0, [bow(0.32, 0.5, 0.32, 0.5, -62, 238)]),
    "1 stick": (1, [line(0, 0, 0, 1)]),
    "1 short flag": (1, [line(0, 0.2, 0.2, 0, 0.2, 1)]),
    "1 flag": (1, [line(0, 0.32, 0.3, 0, 0.3, 1)]),
    "1 long flag": (1, [line(0, 0.5, 0.36, 0, 0.36, 1)]),
    "1 flag and base": (1, [line(0, 0.25, 0.3, 0, 0.3, 1), line(0.02, 1, 0.6, 1)]),
    "2 plain": (2, [stroke(bow(0.29, 0.27, 0.29, 0.27, -165, 30), line(0, 1, 0.62, 1))]),
    "2 loop": (
        2,
        [
            stroke(
                bow(0.3, 0.26, 0.27, 0.26, -165, 40),
                bow(0.16, 0.88, 0.13, 0.1, 60, 300),
                line(0.65, 0.98),
            )
        ],
    ),
    "3 round": (
        3,
        [stroke(bow(0.25, 0.24, 0.26, 0.24, -150, 95), bow(0.24, 0.73, 0.33, 0.27, -80, 150))],
    ),
    "3 flat top": (
        3,
        [stroke(line(0, 0, 0.5, 0, 0.2, 0.4), bow(0.2, 0.7, 0.36, 0.3, -80, 140))],
    ),
    "4 closed": (4, [line(0.44, 1, 0.44, 0, 0, 0.66, 0.66, 0.66)]),
    "4 open": (4, [line(0.08, 0, 0, 0.55, 0.62, 0.55), line(0.45, 0.15, 0.42, 1)]),
    "4 open round": (
        4,
        [stroke(line(0, 0), bow(0.28, 0.26, 0.28, 0.26, 180, 20)), line(0.56, 0, 0.54, 1)],
    ),
    "5 one stroke": (
        5,
        [stroke(line(0.55, 0, 0.1, 0, 0.06, 0.44), bow(0.24, 0.69, 0.31, 0.31, -125, 140))],
    ),
    "5 roof apart": (
        5,
        [
            stroke(line(0.08, 0.1, 0.05, 0.48), bow(0.24, 0.7, 0.3, 0.3, -125, 140)),
            line(0.2, 0, 0.62, -0.03),
        ],
    ),
    "6 straight top": (6, [stroke(line(0.4, 0), bow(0.28, 0.7, 0.28, 0.3, 195, -150))]),
    "6 curled top": (
        6,
        [stroke(bow(0.34, 0.3, 0.3, 0.3, -15, -170), bow(0.3, 0.7, 0.28, 0.3, 175, -170))],
    ),
    "7 plain": (7, [line(0, 0, 0.58, 0, 0.24, 1)]),
    "7 bar": (7, [line(0, 0, 0.58, 0, 0.26, 1), line(0.12, 0.5, 0.56, 0.5)]),
    "7 wave": (7, [stroke(wave(0, 0.05, 0.56, 0.06), line(0.3, 1))]),
    "7 serif": (7, [line(0, 0.18, 0, 0, 0.58, 0, 0.24, 1)]),
    "8 one stroke": (8, [eight()]),
    "8 two circles": (
        8,
        [bow(0.3, 0.22, 0.22, 0.22, -90, 270), bow(0.3, 0.72, 0.28, 0.28, -90, 270)],
    ),
    "9 straight": (9, [stroke(bow(0.26, 0.25, 0.26, 0.25, -10, -355), line(0.52, 0, 0.5, 1))]),
    "9 foot": (
        9,
        [stroke(bow(0.27, 0.25, 0.27, 0.25, -10, -360), bow(0.24, 0.72, 0.3, 0.28, 0, 140))],
    ),
    "9 curved": (9, [stroke(bow(0.27, 0.25, 0.27, 0.25, 0, -350), line(0.5, 0.5, 0.15, 1))]),
}
FONTS = {
    "OpenCV's simplex": cv2.FONT_HERSHEY_SIMPLEX,
    "OpenCV's duplex": cv2.FONT_HERSHEY_DUPLEX,
    "OpenCV's script": cv2.FONT_HERSHEY_SCRIPT_SIMPLEX,
}
FILES = {
    name: f"{name.replace(' ', '')}.ttf"
    for name in ("DejaVu Sans", "DejaVu Serif", "STIX General")
}
PENS = {
    "ball pen": (0.02, 0.05),
    "felt pen": (0.05, 0.1),
    "finger": (0.1, 0.18),
    "mouse": (0.015, 0.04),
}


class Pictures(NamedTuple):
    """Pictures of one style, with the digits that they show."""

    group: str
    style: str
    pictures: list[np.ndarray]
    labels: np.ndarray


def draw_all(test: LabelledImages) -> Iterator[Pictures]:
    """Yield every style's pictures."""
    for style, (digit, strokes) in FORMS.items():
        generator = np.random.default_rng([SEED, *style.encode()])
        drawn = [draw_form(strokes, generator) for _ in range(EACH)]
        yield Pictures("forms", style, drawn, np.full(EACH, digit))
    for style in [*FONTS, *FILES]:
        generator = np.random.default_rng([SEED, *style.encode()])
        labels = np.tile(np.arange(10), EACH // 10)
        drawn = [draw_font(style, int(digit), generator) for digit in labels]
        yield Pictures("fonts", style, drawn, labels)
    cells, labels = load_digits().images[UNSEEN], load_digits().target[UNSEEN]
    photographs = iterate_photographs("plain", cells, PHOTOGRAPHS_SEED)
    gray = [to_gray(photograph, "photograph") for photograph in photographs]
    yield Pictures("photographs", "scikit-learn's, photographed plain", gray, labels)
    yield from stretch_sets(test)


def draw_form(strokes: list[np.ndarray], generator: np.random.Generator) -> np.ndarray:
    """Draw strokes on a canvas with one of four pens."""
    pen = list(PENS)[generator.integers(len(PENS))]
    height = generator.uniform(60, 220)
    width = height * generator.uniform(*PENS[pen])
    points = [height * part for part in strokes]
    if pen == "mouse":
        points = [sample_path(part, generator.uniform(5, 14), generator) for part in points]
    ink = draw_strokes(points, [np.full(len(part), width) for part in points])
    return put_on_canvas(distort(ink, generator), generator)


def sample_path(points: np.ndarray, step: float, generator: np.random.Generator) -> np.ndarray:
    """Return a path as a mouse reports it: points some pixels apart, each a bit off."""
    along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    places = np.linspace(0, along[-1], max(2, int(along[-1] / step)))
    path = np.stack([np.interp(places, along, column) for column in points.T], axis=1)
    return path + generator.normal(0, 0.8, path.shape)


def draw_font(style: str, digit: int, generator: np.random.Generator) -> np.ndarray:
    """Draw a digit of a font on a canvas."""
    if style in FONTS:
        ink = np.zeros((260, 260), np.uint8)
        thick = int(generator.integers(1, 9))
        cv2.putText(ink, str(digit), (80, 180), FONTS[style], 5, 255, thick, cv2.LINE_AA)
    else:
        ink = write_text(FILES[style], str(digit))
    return put_on_canvas(distort(ink, generator), generator)


def write_text(file: str, text: str) -> np.ndarray:
    """Draw a text with a font of those that come with matplotlib."""
    import matplotlib
    from PIL import Image, ImageDraw, ImageFont

    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / file
    image = Image.new("L", (260, 260))
    font = ImageFont.truetype(str(path), 160)
    ImageDraw.Draw(image).text((130, 130), text, fill=255, font=font, anchor="mm")
    return np.array(image)


def distort(ink: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Lean, turn, widen and warp a picture, as no two people write alike."""
    pad = round(0.35 * max(ink.shape))
    ink = np.pad(ink, pad)
    rows, columns = np.indices(ink.shape, np.float32)
    middle = np.array(ink.shape[::-1]) / 2
    turn, lean = generator.normal(0, 0.07), generator.normal(0.1, 0.18)
    wide = np.exp(generator.normal(0, 0.18))
    matrix = np.linalg.inv(
        np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        @ np.array([[wide, -lean], [0, 1]])
    )
    x, y = columns - middle[0], rows - middle[1]
    pull = generator.normal(0, 0.014 * max(ink.shape), (2, 5, 5)).astype(np.float32)
    moved = [cv2.resize(p, ink.shape[::-1], interpolation=cv2.INTER_CUBIC) for p in pull]
    map_x = matrix[0, 0] * x + matrix[0, 1] * y + middle[0] + moved[0]
    map_y = matrix[1, 0] * x + matrix[1, 1] * y + middle[1] + moved[1]
    return cv2.remap(ink, map_x.astype(np.float32), map_y.astype(np.float32), cv2.INTER_LINEAR)


def put_on_canvas(ink: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Put a drawing on a canvas, dark on white; one in four is bright on black."""
    left, top, width, height = cv2.boundingRect(ink)
    ink = ink[top : top + height, left : left + width]
    side = round(max(width, height) * generator.uniform(1.2, 2.2))
    canvas = np.zeros((side, side), np.uint8)
    down, right = (int(generator.integers(0, side - part + 1)) for part in (height, width))
    canvas[down : down + height, right : right + width] = ink
    return canvas if generator.random() < 0.25 else 255 - canvas


def stretch_sets(test: LabelledImages) -> Iterator[Pictures]:
    """Yield real digits stretched to squares: scikit-learn's and MNIST's test images."""
    cells, labels = load_digits().images[UNSEEN], load_digits().target[UNSEEN]
    scans = [np.rint(255 * enlarge_cells(digit)).astype(np.uint8) for digit in cells]
    sets = {"scikit-learn's": (scans, labels), "MNIST's test": (list(test.images), test.labels)}
    for name, (images, shown) in sets.items():
        for style, change in (("smooth", smooth_square), ("16x16 black", coarse_square)):
            yield Pictures("squares", f"{name}, {style}", [change(i) for i in images], shown)


def smooth_square(image: np.ndarray) -> np.ndarray:
    """Stretch a digit to a square of 64 pixels, dark on white."""
    square = cv2.resize(trim(image, 127), (64, 64), interpolation=cv2.INTER_CUBIC)
    return 255 - np.pad(square, 8)


def coarse_square(image: np.ndarray) -> np.ndarray:
    """Stretch a digit to 16x16 pixels, each black or white."""
    fine = cv2.resize(trim(image, 127), (128, 128), interpolation=cv2.INTER_CUBIC)
    square = cv2.resize(fine, (16, 16), interpolation=cv2.INTER_AREA)
    return np.pad(np.where(square > 127, 0, 255).astype(np.uint8), 2, constant_values=255)
