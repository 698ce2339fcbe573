"""Amounts cut from cheques: small and tight, on fine print, with a base line and marks.

What makes them hard is drawn as it comes: hairlines of up to half of the ink's contrast, ink
that is uneven and paler where a pen was quick, digits that touch, stand on the line and run
out of the crop, then a scanner's blur, noise and JPEG.
"""

from collections.abc import Callable

import cv2
import numpy as np
from drawing import Hand, Page, Sheet, pick, trim

# Larger than the crop: what is drawn so is soft and thin once it is made smaller.
SCALE = 3
Course = Callable[[np.random.Generator, int, int], list[np.ndarray]]


def waves(rng, height: int, width: int) -> list[np.ndarray]:
    """Return level waves, side by side."""
    x = np.arange(-5, width + 5, 0.5)
    bend = rng.uniform(1, 4) * np.sin(x / rng.uniform(3, 12) + rng.uniform(0, 6))
    step = rng.uniform(3.5, 8)
    return [np.column_stack([x, y + bend]) for y in np.arange(-5, height + 5, step)]


def crossed(rng, height: int, width: int) -> list[np.ndarray]:
    """Return straight lines that lean to either side."""
    step, slope = rng.uniform(5, 11), rng.uniform(0.4, 1.6)
    places = np.arange(-height / slope - step, width + height / slope + step, step)
    ends = np.array([0, height])
    return [
        np.column_stack([place + lean * ends / slope, ends])
        for lean in (-1, 1)
        for place in places
    ]


def guilloche(rng, height: int, width: int) -> list[np.ndarray]:
    """Return bundles of waves that cross: each has another phase and swells along its way."""
    x = np.arange(-5, width + 5, 0.5)
    length, count = rng.uniform(6, 14), int(rng.integers(3, 6))
    swell = 1 + 0.5 * np.sin(x / rng.uniform(20, 60) + rng.uniform(0, 6))
    high = rng.uniform(5, 10)
    return [
        np.column_stack([x, y + high * swell * np.sin(x / length + 2 * np.pi * turn / count)])
        for y in np.arange(0, height + high, rng.uniform(1.8, 3.2) * high)
        for turn in range(count)
    ]


def dotted(rng, height: int, width: int) -> list[np.ndarray]:
    """Return rows of short dashes and dots."""
    step, length = rng.uniform(3.5, 6), rng.choice([0.6, 2.0])
    rows = np.arange(0, height, step)
    return [
        np.array([(x, y), (x + length, y)])
        for row, y in enumerate(rows)
        for x in np.arange((row % 2) * step / 2, width, step)
    ]


def make_kind(course: Course) -> Callable[[np.random.Generator, Hand], Sheet]:
    """Return the kind of amounts on paper with lines of that course."""
    return lambda rng, hand: print_cheque(rng, write_amount(rng, hand), course)


def write_amount(rng, hand: Hand) -> Page:
    """Write a number of 4 to 9 digits with the marks that people add, cut close."""
    crop = int(rng.integers(30, 61))
    height = SCALE * crop * rng.uniform(0.55, 0.85)
    digits, page = (
        pick(rng, 4 + int(rng.binomial(5, 0.4))),
        Page(SCALE * crop, 20 * SCALE * crop),
    )
    base = round(len(page.ink) - rng.uniform(0.02, 0.9) * (len(page.ink) - height))
    left, pen = round(SCALE * rng.uniform(0, 8)), round(SCALE * rng.uniform(1.5, 4))
    if rng.random() < 0.08:
        left = write_sign(rng, page, "#", left, base, height, pen)
    for place, digit in enumerate(digits):
        if place and (len(digits) - place) % 3 == 0 and rng.random() < 0.8:
            left = write_sign(
                rng, page, str(rng.choice([".", ".", ","])), left, base, height, pen
            )
        left = write_digit(rng, page, hand, int(digit), left, base, height, pen)
    for sign in str(rng.choice(["", "-", "-", "--", ".-", ".", "=", "#", ",-"])):
        left = write_sign(rng, page, sign, left, base, height, pen)
    page.ink = page.ink[:, : left + round(SCALE * rng.uniform(0, 6))]
    return page


def rewrite(ink: np.ndarray, pen: int) -> np.ndarray:
    """Draw a digit again along the middle of its strokes, with a pen of so many pixels."""
    ink = np.pad(ink, pen)
    depth = cv2.distanceTransform((ink > 127).astype(np.uint8), cv2.DIST_L2, 5)
    # Where the distance grows no more by a whole pixel; the middle alone would have gaps.
    ridge = (depth > 0) & (depth > cv2.dilate(depth, np.ones((3, 3), np.uint8)) - 0.9)
    tip = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (pen - 2, pen - 2))
    thin = cv2.dilate(ridge.astype(np.uint8) * np.uint8(255), tip)
    return trim(np.minimum(ink, thin))


def write_digit(rng, page: Page, hand: Hand, digit: int, left, base, height, pen) -> int:
    """Write a digit with its bottom near the base, sometimes on the one before."""
    ink = hand(rng, digit, round(height * rng.uniform(0.85, 1.12)))
    ink = rewrite(ink, pen)
    top = max(-SCALE, base - len(ink) + round(height * rng.normal(0, 0.06)))
    if top < 0:
        ink, top = ink[-top:], 0
    ink = ink[: len(page.ink) - top]
    if page.digits and rng.random() < 0.07:
        part = page.ink[top : top + len(ink)]
        while left > 0 and not (part[:, left : left + ink.shape[1]] & ink).any():
            left -= 1
    page.put(ink, left, top, digit)
    return left + ink.shape[1] + round(height * rng.uniform(0.04, 0.28))


def write_sign(rng, page: Page, sign: str, left, base, height, pen) -> int:
    """Write one of . , - = # and return where it ends."""
    wide = height * {".": 0.02, ",": 0.06, "-": 0.5, "=": 0.5, "#": 0.6}[sign]
    middle = base - 0.45 * height
    paths = {
        ".": [(0, base, wide, base)],
        ",": [(wide, base - 0.04 * height, 0, base + 0.12 * height)],
        "-": [(0, middle, wide, middle - 0.05 * height)],
        "=": [(0, middle + d * height, wide, middle + d * height) for d in (-0.1, 0.1)],
        "#": [(0, middle + d * height, wide, middle + d * height) for d in (-0.15, 0.15)]
        + [(wide * d, base, wide * (d + 0.15), base - 0.9 * height) for d in (0.25, 0.55)],
    }
    for x, y, to_x, to_y in paths[sign]:
        ends = (round(left + x), round(y)), (round(left + to_x), round(to_y))
        cv2.line(page.ink, *ends, 255, pen, cv2.LINE_AA)
    return round(left + wide + pen + height * rng.uniform(0.06, 0.25))


def print_cheque(rng, page: Page, course: Course) -> Sheet:
    """Put ink on printed paper and scan it."""
    height, width = (side // SCALE for side in page.ink.shape)
    ink = cv2.resize(page.ink, (width, height), interpolation=cv2.INTER_AREA) / np.float32(255)
    ink *= make_uneven(rng, ink.shape, rng.uniform(0.4, 0.8))
    blur = rng.uniform(0.4, 0.9)
    # As the scan shows it, so after the blur, which thin lines lose more to than strokes.
    depth = rng.uniform(0.25, 0.65) * float(np.percentile(ink[ink > 0], 75))
    share = depth * draw_lines(course(rng, height, width), height, width, blur)
    if rng.random() < 0.7:
        row = min(height - 2, max(b[1] + b[3] for _, b in page.digits) / SCALE)
        rule = rule_base(rng, row - rng.uniform(-0.03, 0.15) * height, width)
        share = np.maximum(share, rng.uniform(0.4, 0.9) * draw_lines(rule, height, width, blur))
    paper, pen = rng.uniform(195, 240), rng.uniform(30, 110)
    light = paper * make_uneven(rng, ink.shape, 0.9)
    ink = cv2.GaussianBlur(ink, None, blur)
    share = 1 - (1 - ink) * (1 - share * make_uneven(rng, ink.shape, 0.7))
    picture = light - (paper - pen) * share + rng.normal(0, rng.uniform(1, 6), share.shape)
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(50, 95))]
    coded = cv2.imencode(".jpg", picture.clip(0, 255).astype(np.uint8), quality)[1]
    digits = [(digit, tuple(round(side / SCALE) for side in box)) for digit, box in page.digits]
    return Sheet(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), digits)


def make_uneven(rng, shape, least: float) -> np.ndarray:
    """Return a smooth field between `least` and 1."""
    coarse = rng.uniform(least, 1, (3, max(3, shape[1] // 12))).astype(np.float32)
    return cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_LINEAR)


def rule_base(rng, row: float, width: int) -> list[np.ndarray]:
    """Return a level line, whole or of dots."""
    end = row + rng.normal(0, 0.8)
    if rng.random() < 0.6:
        return [np.array([(0, row), (width, end)])]
    places = np.arange(0, width, rng.uniform(3, 5))
    return [np.array([(x, row), (x + 1, row)]) for x in places]


def draw_lines(paths: list[np.ndarray], height: int, width: int, blur: float) -> np.ndarray:
    """Draw lines of one pixel, blurred; return how strong they are in each pixel, 0 to 1."""
    fine = np.zeros((SCALE * height, SCALE * width), np.uint8)
    for path in paths:
        points = np.rint(16 * SCALE * path).astype(np.int32)
        cv2.polylines(fine, [points], False, 255, SCALE, cv2.LINE_AA, 4)
    small = cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small.astype(np.float32), None, blur)
    return np.minimum(1, soft / max(1.0, float(np.percentile(soft[soft > 64], 75))))
