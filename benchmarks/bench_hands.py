"""Digits in forms that MNIST hardly has: what its champion reads in canvases, before and after.

Contract, with MNIST's IDX files: the candidate `nystroem-strokes` of configs/mnist.yaml

- reads at least 93 % of the generated canvases of every form, and of every font;
- is right in at least 99 % of what it calls read, of forms, fonts and photographs;
- reads at least 98.5 % of plain photographs of scikit-learn's digits;
- reads MNIST's test images at least as well as when it was trained on MNIST alone, within
  the gate's margin of 0.2 points.

Canvases are drawn from arcs and straight lines or from fonts, none of which the source `pen`
knows, and distorted as whole pictures. Beside them: the half of scikit-learn's digits by
which no number was chosen, photographed and stretched to squares, and MNIST's test images
stretched, smooth or as 16x16 pixels of black and white.

What was missed at first was looked at here, too, before `pen` got its last forms: a 6 of two
bowls after "6 curled top", some of 4 and 9 after scikit-learn's. So these rows flatter a
little; the other forms and fonts, and MNIST's test images, do not.

    python benchmarks/bench_hands.py [FOLDER]

A folder is given pictures of what is read, to be looked at.
"""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from bench_photographs import SEED as PHOTOGRAPHS_SEED
from bench_photographs import UNSEEN
from measuring import REPOSITORY, find_mnist
from sklearn.datasets import load_digits
from sklearn.pipeline import Pipeline

from digitflow.augment.copies import augment_images
from digitflow.augment.photographs import enlarge_cells, iterate_photographs
from digitflow.config.data import list_parts, name_parts
from digitflow.config.reading import load_config
from digitflow.config.training import TrainConfig
from digitflow.data.sets import ImageSet, LabelledImages, fingerprint_source, ingest_digits
from digitflow.data.sources.pen import draw_strokes
from digitflow.data.splits import split_digits
from digitflow.data.validation import validate_digits
from digitflow.evaluation.scoring import evaluate_candidate
from digitflow.evaluation.selective import choose_thresholds
from digitflow.images.colours import to_gray
from digitflow.images.frame import frame_pictures
from digitflow.models.bundle import RejectOption
from digitflow.models.fitting import EstimatorChoice, fit_candidate, prepare_recipe
from digitflow.models.outliers import OutlierDetector
from digitflow.models.persistence import load_model
from digitflow.store.artifacts import Store
from digitflow.workers import count_cores

CANDIDATE = "nystroem-strokes"
MIN_STYLE, MIN_PHOTOGRAPHS, MIN_READ, MARGIN = 0.93, 0.985, 0.99, 0.002
SEED, EACH = 11, 200


def arc(x, y, wide, high, start, end):
    """Return points on an ellipse; degrees, 0 to the right, growing downwards."""
    angles = np.deg2rad(np.linspace(start, end, 2 + int(abs(end - start) / 6)))
    return np.stack([x + wide * np.cos(angles), y + high * np.sin(angles)], axis=1)


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
    "0 round": (0, [arc(0.33, 0.5, 0.33, 0.5, -90, 275)]),
    "0 narrow": (0, [arc(0.2, 0.5, 0.2, 0.5, -100, 265)]),
    "0 open at the top": (0, [arc(0.32, 0.5, 0.32, 0.5, -62, 238)]),
    "1 stick": (1, [line(0, 0, 0, 1)]),
    "1 short flag": (1, [line(0, 0.2, 0.2, 0, 0.2, 1)]),
    "1 flag": (1, [line(0, 0.32, 0.3, 0, 0.3, 1)]),
    "1 long flag": (1, [line(0, 0.5, 0.36, 0, 0.36, 1)]),
    "1 flag and base": (1, [line(0, 0.25, 0.3, 0, 0.3, 1), line(0.02, 1, 0.6, 1)]),
    "2 plain": (2, [stroke(arc(0.29, 0.27, 0.29, 0.27, -165, 30), line(0, 1, 0.62, 1))]),
    "2 loop": (
        2,
        [
            stroke(
                arc(0.3, 0.26, 0.27, 0.26, -165, 40),
                arc(0.16, 0.88, 0.13, 0.1, 60, 300),
                line(0.65, 0.98),
            )
        ],
    ),
    "3 round": (
        3,
        [stroke(arc(0.25, 0.24, 0.26, 0.24, -150, 95), arc(0.24, 0.73, 0.33, 0.27, -80, 150))],
    ),
    "3 flat top": (
        3,
        [stroke(line(0, 0, 0.5, 0, 0.2, 0.4), arc(0.2, 0.7, 0.36, 0.3, -80, 140))],
    ),
    "4 closed": (4, [line(0.44, 1, 0.44, 0, 0, 0.66, 0.66, 0.66)]),
    "4 open": (4, [line(0.08, 0, 0, 0.55, 0.62, 0.55), line(0.45, 0.15, 0.42, 1)]),
    "4 open round": (
        4,
        [stroke(line(0, 0), arc(0.28, 0.26, 0.28, 0.26, 180, 20)), line(0.56, 0, 0.54, 1)],
    ),
    "5 one stroke": (
        5,
        [stroke(line(0.55, 0, 0.1, 0, 0.06, 0.44), arc(0.24, 0.69, 0.31, 0.31, -125, 140))],
    ),
    "5 roof apart": (
        5,
        [
            stroke(line(0.08, 0.1, 0.05, 0.48), arc(0.24, 0.7, 0.3, 0.3, -125, 140)),
            line(0.2, 0, 0.62, -0.03),
        ],
    ),
    "6 straight top": (6, [stroke(line(0.4, 0), arc(0.28, 0.7, 0.28, 0.3, 195, -150))]),
    "6 curled top": (
        6,
        [stroke(arc(0.34, 0.3, 0.3, 0.3, -15, -170), arc(0.3, 0.7, 0.28, 0.3, 175, -170))],
    ),
    "7 plain": (7, [line(0, 0, 0.58, 0, 0.24, 1)]),
    "7 bar": (7, [line(0, 0, 0.58, 0, 0.26, 1), line(0.12, 0.5, 0.56, 0.5)]),
    "7 wave": (7, [stroke(wave(0, 0.05, 0.56, 0.06), line(0.3, 1))]),
    "7 serif": (7, [line(0, 0.18, 0, 0, 0.58, 0, 0.24, 1)]),
    "8 one stroke": (8, [eight()]),
    "8 two circles": (
        8,
        [arc(0.3, 0.22, 0.22, 0.22, -90, 270), arc(0.3, 0.72, 0.28, 0.28, -90, 270)],
    ),
    "9 straight": (9, [stroke(arc(0.26, 0.25, 0.26, 0.25, -10, -355), line(0.52, 0, 0.5, 1))]),
    "9 foot": (
        9,
        [stroke(arc(0.27, 0.25, 0.27, 0.25, -10, -360), arc(0.24, 0.72, 0.3, 0.28, 0, 140))],
    ),
    "9 curved": (9, [stroke(arc(0.27, 0.25, 0.27, 0.25, 0, -350), line(0.5, 0.5, 0.15, 1))]),
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


class Reader(NamedTuple):
    """A calibrated pipeline with its reject option, and what training it took."""

    pipeline: Pipeline
    detector: OutlierDetector
    option: RejectOption
    test: LabelledImages
    validation: list[str]
    seconds: float

    def read(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return digits (n,), and which of them are called read (n,)."""
        if not len(frames):
            return np.zeros(0, int), np.zeros(0, bool)
        probabilities = self.pipeline.predict_proba(frames)
        score = self.detector.outlier_score(self.pipeline[:-1].transform(frames))
        sure = probabilities.max(axis=1) >= self.option.min_probability
        return probabilities.argmax(axis=1), sure & (score <= self.option.max_outlier_score)


class Pictures(NamedTuple):
    """Pictures of one style, with the digits that they show."""

    group: str
    style: str
    pictures: list[np.ndarray]
    labels: np.ndarray


class Counts(NamedTuple):
    """Of one style and one reader: pictures, right ones, read ones, read and right ones."""

    n: int
    right: int
    read: int
    right_read: int


class Row(NamedTuple):
    """A style before and after."""

    group: str
    style: str
    before: Counts
    after: Counts


def main(shown: str | None = None) -> int:
    """Train twice, read everything and return the number of missed targets."""
    folder = find_mnist()
    if folder is None:
        return 0
    os.environ["DIGITFLOW_MNIST_DIR"] = str(folder)
    config = load_config(REPOSITORY / "configs" / "mnist.yaml")
    alone = config.model_copy(
        update={
            "source": list_parts(config.source)[0],
            "augment": config.augment.model_copy(update={"square": 0.0}),
        }
    )
    before, after = (train_candidate(one) for one in (alone, config))
    for name, reader in (("MNIST alone", before), ("as configured", after)):
        print(f"{name}: {reader.seconds:.0f} s of processor time; validation: ", end="")
        print(", ".join(reader.validation))
    print(f"{'':34}{'right':>17}{'called read':>17}{'right of those':>18}")
    tables = [read_style(style, before, after, shown) for style in draw_all(before.test)]
    tables.append(read_test(before, after))
    return judge(tables)


def train_candidate(config: TrainConfig) -> Reader:
    """Take the steps of a run with one candidate, and no server."""
    began = time.process_time()
    candidate = next(one for one in config.candidates if one.name == CANDIDATE)
    with tempfile.TemporaryDirectory() as work:
        store = Store(Path(work))
        raw = ingest_digits(store, config.source, fingerprint_source(config.source))
        checked = validate_digits(store, raw, config.validation)
        splits = split_digits(store, checked, config.split, config.seed)
        train = augment_images(store, splits.train, config.augment, config.seed)
        held = splits.calibration.images, splits.validation.images
        threads = count_cores()
        prepared = prepare_recipe(
            store, candidate.recipe, train.images, *held, config.seed, threads
        )
        choice = EstimatorChoice.from_candidate(candidate, config.seed)
        fitted = fit_candidate(
            store, choice, prepared, train.labels, splits.calibration.labels, threads
        )
        evaluation = evaluate_candidate(store, fitted, prepared, splits.validation, threads)
        option = choose_thresholds(
            store,
            (prepared.train, train.labels),
            (prepared.validation, splits.validation.labels),
            evaluation.probabilities,
            config.selective,
            threads,
        )
        return Reader(
            load_model(fitted.model, store),
            load_model(option.detector, store),
            option,
            read_set(store, splits.test),
            describe_validation(store, config, splits.validation, evaluation.probabilities),
            time.process_time() - began,
        )


def read_set(store: Store, part: ImageSet) -> LabelledImages:
    """Return images and labels in memory: the store is about to go."""
    return LabelledImages(
        np.array(store.open_array(part.images)), np.array(store.open_array(part.labels))
    )


def describe_validation(store, config, part: ImageSet, probabilities) -> list[str]:
    """Say what of each source is read right in validation."""
    hits = store.open_array(probabilities).argmax(axis=1) == store.open_array(part.labels)
    names = name_parts(config.source)
    numbers = np.zeros(len(hits)) if part.sources is None else store.open_array(part.sources)
    return [
        f"{name} {hits[numbers == place].mean():.2%} of {np.sum(numbers == place):,}"
        for place, name in enumerate(names)
    ]


def read_style(style: Pictures, before: Reader, after: Reader, shown: str | None) -> Row:
    """Read a style's pictures as `digitflow predict --one` does, twice; print the row."""
    frames, framed = frame_pictures(style.pictures)
    if shown is not None:
        write_sheet(Path(shown) / f"{style.style.replace(' ', '-')}.png", frames)
    counts = [count(reader, frames, framed, style.labels) for reader in (before, after)]
    return print_row(Row(style.group, style.style, *counts))


def read_test(before: Reader, after: Reader) -> Row:
    """Read MNIST's test images as they are."""
    test, every = before.test, np.ones(len(before.test), bool)
    counts = [count(reader, test.images, every, test.labels) for reader in (before, after)]
    return print_row(Row("test", "MNIST's test images", *counts))


def count(reader: Reader, frames, framed: np.ndarray, labels: np.ndarray) -> Counts:
    """Count what is right; a picture without a digit is wrong, and not read."""
    digits, read = reader.read(frames)
    right = digits == labels[framed]
    return Counts(len(labels), int(right.sum()), int(read.sum()), int((right & read).sum()))


def print_row(row: Row) -> Row:
    """Print shares before and after, and return the row."""
    pairs = [
        (counts.right / counts.n, counts.read / counts.n, share_right(counts))
        for counts in (row.before, row.after)
    ]
    cells = [f"{one:8.2%} {two:8.2%}" for one, two in zip(*pairs, strict=True)]
    print(f"{row.style:34}{' '.join(cells)}", flush=True)
    return row


def share_right(counts: Counts) -> float:
    """Return the share that is right of what is called read; 1 where nothing is."""
    return counts.right_read / counts.read if counts.read else 1.0


def judge(rows: list[Row]) -> int:
    """Print what is missed, and return how much that is."""
    styles = [row for row in rows if row.group in ("forms", "fonts")]
    low = [row.style for row in styles if row.after.right < MIN_STYLE * row.after.n]
    print(f"styles below {MIN_STYLE:.0%}: {', '.join(low) or 'none'}")
    misses = len(low)
    for group in ("forms", "fonts", "photographs", "squares"):
        total = Counts(*np.sum([row.after for row in rows if row.group == group], axis=0))
        bound = group != "squares"
        misses += bound and share_right(total) < MIN_READ
        misses += group == "photographs" and total.right < MIN_PHOTOGRAPHS * total.n
        print(
            f"{group}: {total.right / total.n:.2%} right, {total.read / total.n:.2%} called "
            f"read, {share_right(total):.2%} of those right"
            + (f" (at least {MIN_READ:.0%})" if bound else "")
        )
    test = rows[-1]
    fall = (test.before.right - test.after.right) / test.after.n
    print(f"MNIST's test images: {-fall:+.2%} (at least {-MARGIN:.2%})")
    return misses + (fall > MARGIN)


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


def crop(image: np.ndarray) -> np.ndarray:
    """Cut the box of what is more than half ink."""
    left, top, width, height = cv2.boundingRect((image > 127).astype(np.uint8))
    return image[top : top + height, left : left + width]


def smooth_square(image: np.ndarray) -> np.ndarray:
    """Stretch a digit to a square of 64 pixels, dark on white."""
    square = cv2.resize(crop(image), (64, 64), interpolation=cv2.INTER_CUBIC)
    return 255 - np.pad(square, 8)


def coarse_square(image: np.ndarray) -> np.ndarray:
    """Stretch a digit to 16x16 pixels, each black or white."""
    fine = cv2.resize(crop(image), (128, 128), interpolation=cv2.INTER_CUBIC)
    square = cv2.resize(fine, (16, 16), interpolation=cv2.INTER_AREA)
    return np.pad(np.where(square > 127, 0, 255).astype(np.uint8), 2, constant_values=255)


def write_sheet(path: Path, frames: np.ndarray) -> None:
    """Draw 40 frames side by side, to be looked at."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [np.hstack(list(frames[start : start + 20])) for start in (0, 20)]
    cv2.imwrite(str(path), 255 - np.vstack(rows))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
