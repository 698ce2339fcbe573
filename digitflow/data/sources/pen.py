"""Digits drawn with a pen by writers who don't exist, in the forms that people really use.

MNIST's writers are from one country, and some forms are rare among them that are usual
elsewhere: a 1 with a flag and no base, a 9 with a foot, an open round 4, a barred 7. A
writer here has a form for each digit and a hand of their own (slant, width, tremor, pen);
each digit departs from it a little. `draw_strokes` renders any strokes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from digitflow.config.data import PenSource
from digitflow.data.sets import CLASSES, Digits, LabelledImages
from digitflow.images.frame import frame_ink
from digitflow.store.lineage import installed_version

FORMS: tuple[dict[str, str], ...] = (
    {
        "round": ".34,0 .1,.14 0,.5 .1,.86 .32,1 .55,.86 .64,.5 .55,.14 .3,.01",
        "tail inside": ".38,.03 .12,.1 0,.52 .12,.92 .36,1 .58,.82 .63,.42 .46,.06 .22,.1",
        "open at the top": ".2,.04 .03,.3 .02,.7 .2,.98 .46,.96 .62,.66 .58,.26 .42,.05",
        "tall": ".2,0 .04,.2 0,.55 .06,.88 .2,1 .36,.88 .42,.5 .36,.15 .19,0",
        "from the right": ".55,.1 .3,0 .05,.2 .02,.65 .2,.97 .5,.92 .64,.55 .58,.15 .46,.06",
        "slashed": ".34,0 .1,.14 0,.5 .1,.86 .32,1 .55,.86 "
        ".64,.5 .55,.14 .3,.01/.62,-.02 .02,1",
    },
    {
        "stick": ".1,0 .1,1",
        "flag": "0,.28 .28,0|.28,1",
        "long flag": "0,.46 .36,0|.36,1",
        "hook": ".1,.13 .26,0|.26,1",
        "curved flag": "0,.34 .17,.23 .3,.02|.3,1",
        "flat flag": "0,.17 .16,.12 .3,0|.3,1",
        "flag and base": "0,.25 .3,0|.3,1/.04,1 .58,1",
        "base": ".3,0 .3,1/.06,1 .54,1",
    },
    {
        "plain": "0,.22 .1,.05 .32,0 .54,.1 .56,.3 .38,.62 0,1|.62,1",
        "loop": ".02,.2 .16,.02 .4,.02 .57,.18 .48,.48 .26,.82 .06,.97 "
        ".01,.88 .14,.83 .36,.95 .64,.97",
        "swan": "0,.24 .12,.03 .38,0 .55,.18 .43,.55 .16,.88 0,1|.2,.92 .4,1 .66,.93",
        "corners": "0,.06 .3,0 .54,.06 .52,.26|0,1|.6,1",
        "upright two": "0,.12 .28,0 .34,.22 .24,.8 0,.94|.7,.98",
        "small head": "0,.2 .15,.08 .34,.12 .38,.34 .2,.7 0,1|.55,.98",
        "wide loop": "0,.28 .15,.04 .4,0 .52,.22 .35,.6 .1,.92 -.06,.86 .08,.74 .3,.9 .7,.9",
    },
    {
        "round": "0,.13 .25,0 .52,.1 .5,.32 .2,.46|.54,.56 .6,.8 .35,1 0,.88",
        "flat top": "0,0 .54,0|.22,.4 .46,.43 .62,.66 .46,.95 .2,1 0,.9",
        "loop": "0,.1 .3,0 .5,.16 .38,.4 .2,.47 .12,.43 .2,.39 .46,.52 .58,.76 .35,1 0,.9",
        "shallow": "0,.14 .2,.01 .44,.05 .48,.25 .36,.45 .5,.6 .58,.8 .34,1 .03,.93",
        "angular": "0,.02 .5,.08|.2,.43|.56,.7|0,1",
        "small head": ".1,.1 .28,0 .46,.12 .4,.32 .22,.4|.58,.5 .66,.76 .4,1 0,.92",
    },
    {
        "open": ".12,0 0,.6|.64,.58/.44,.22 .42,1",
        "open round": "0,0 .01,.34 .14,.52 .36,.52 .54,.38/.57,0 .55,.4 .5,1",
        "open in one stroke": "0,.02 .02,.38 .2,.5 .44,.4 .58,0|.48,1",
        "open square": "0,0 0,.5|.52,.5/.52,0 .52,1",
        "closed": ".46,1 .46,0|0,.64|.66,.64",
        "nearly closed": ".34,0 0,.62|.66,.62/.46,.16 .44,1",
        "leaning": ".3,0 0,.6|.62,.52/.42,.3 .3,1",
        "short stem": ".4,0 0,.72|.66,.66/.56,.42 .4,1",
        "low in one stroke": ".42,0 .12,.42 0,.7 .18,.8 .46,.62 .58,.36|.44,1",
        "low bar": ".42,0 .02,.82|.64,.74/.54,.48 .42,1",
        "round and tall": "0,.1 .0,.4 .16,.58 .42,.5/.5,.0 .5,.6 .46,1",
    },
    {
        "one stroke": ".56,0 .1,.01|.05,.43 .3,.36 .55,.5 .58,.76 .4,.97 .15,1 0,.9",
        "roof last": ".1,.03 .06,.43|.3,.37 .55,.54 .56,.8 .36,1 0,.93/.1,.02 .6,0",
        "roof apart": ".08,.1 .05,.45|.28,.38 .54,.55 .54,.8 .34,1 0,.92/.22,-.02 .66,-.05",
        "as an S": ".56,.02 .26,0 .08,.15 .13,.37 .4,.5 .56,.7 .4,.95 .16,1 0,.92",
        "corners": ".54,0 .04,0|.04,.46|.4,.44 .55,.68 .46,1 0,.98",
        "steep roof": ".06,.08 .05,.44|.3,.38 .54,.58 .5,.84 .28,1 0,.96/.06,.06 .66,-.1",
    },
    {
        "straight": ".38,0 .12,.38 0,.7 .12,.97 .35,1 .52,.82 .44,.6 .24,.55 .04,.72",
        "curled": ".54,.1 .4,0 .2,.1 .02,.48 .05,.84 .28,1 .52,.88 "
        ".54,.65 .34,.51 .12,.58 .03,.74",
        "strong curl": ".6,.2 .5,.03 .3,0 .1,.17 0,.52 .06,.88 .3,1 "
        ".54,.86 .52,.62 .3,.52 .04,.7",
        "small loop": ".34,0 .08,.36 0,.72 .1,.98 .3,1 .42,.86 .34,.72 .16,.72 .02,.86",
        "open loop": ".4,0 .1,.38 0,.74 .18,1 .45,.95 .52,.75 .38,.6 .18,.64",
        "two bowls": ".58,.24 .5,.05 .3,0 .1,.12 .03,.4 .05,.74 .16,.96 .34,1 .53,.9 "
        ".58,.7 .48,.53 .3,.48 .13,.56 .05,.72",
        "upright": ".05,0 .02,.66 .1,.96 .34,1 .5,.8 .42,.59 .2,.56 .03,.7",
        "large loop": ".5,.02 .2,.15 0,.55 .06,.9 .32,1 .62,.86 .6,.55 .38,.38 .12,.46 .02,.64",
    },
    {
        "plain": "0,0 .6,0|.25,1",
        "bar": "0,.01 .6,0|.26,1/.12,.5 .58,.46",
        "curved": "0,.02 .62,0|.36,.4 .26,1",
        "wave": "0,.12 .08,.02 .26,.06 .42,.08 .6,0|.4,.42 .3,1",
        "wave and bar": "0,.14 .08,.02 .28,.07 .6,0|.34,.5 .24,1/.1,.52 .56,.5",
        "serif": "0,.19 .02,0|.6,0|.27,1",
        "serif and bar": ".0,.17 .02,0|.62,.01|.3,1/.16,.5 .6,.5",
        "round corner": "0,.05 .36,0 .58,.1 .46,.42 .32,1",
    },
    {
        "one stroke": ".55,.13 .3,0 .08,.14 .2,.4 .48,.62 .52,.86 .28,1 "
        ".02,.86 .1,.62 .42,.36 .55,.12",
        "two rounds": ".3,0 .1,.08 .08,.28 .3,.45 .52,.28 .5,.08 .28,0/.3,.45 .05,.6 "
        ".02,.85 .3,1 .57,.85 .55,.6 .28,.45",
        "open at the top": ".5,.06 .22,.02 .08,.18 .28,.44 .54,.74 .3,1 "
        ".03,.8 .2,.54 .5,.28 .6,.04",
        "from the middle": ".3,.48 .08,.3 .12,.06 .34,0 .52,.14 .44,.36 .1,.62 .02,.86 "
        ".26,1 .54,.88 .5,.62 .28,.46",
        "slim": ".36,.1 .2,0 .06,.16 .16,.42 .36,.66 .34,.92 .16,1 "
        ".02,.86 .1,.6 .32,.34 .38,.08",
        "small head": ".42,.08 .26,0 .14,.14 .24,.36 .54,.58 .6,.84 .3,1 "
        "0,.84 .1,.56 .36,.34 .43,.1",
    },
    {
        "straight": ".52,.1 .26,0 .02,.2 .1,.45 .34,.47 .51,.26 .53,.05|.5,1",
        "curved": ".52,.18 .3,0 .03,.14 .05,.4 .3,.49 .5,.3 .54,.08|.55,.5 .42,.88 .12,1",
        "foot": ".52,.16 .28,0 .03,.15 .06,.4 .32,.47 .52,.26 "
        ".54,.1|.56,.66 .42,.97 .16,1 .02,.87",
        "flat foot": ".5,.12 .25,0 .02,.2 .12,.44 .36,.44 .52,.2|.52,.7 .48,.96|.04,1",
        "waist": ".5,.16 .28,0 .06,.14 .1,.36 .3,.42 .5,.2|.44,.46 .58,.74 .42,.98 0,.97",
        "hourglass": ".3,.46 .06,.3 .18,.03 .44,.06 .48,.3 .3,.47 .56,.72 .42,.97 .03,.98",
        "small head": ".34,.1 .18,0 .03,.12 .1,.3 .26,.32 .36,.14|.6,.84 .5,.97|.08,.98",
        "bent": ".5,.12 .26,0 .03,.18 .12,.42 .36,.4 .5,.16|.62,.78|.02,.97",
        "open": ".5,.1 .24,.01 0,.22 .12,.45 .38,.44 .52,.2/.54,.02 .5,1",
        "sweep": ".5,.3 .33,.48 .1,.42 .02,.2 .2,.02 .42,.05 .54,.32 .46,.68 .2,1",
        "leaning": ".5,.1 .28,0 .04,.16 .06,.4 .28,.44 .5,.12|.34,.6 .26,1",
    },
)
"""Forms of each digit by name: strokes parted by `/`, their smooth pieces by `|`.

Points are x,y with y down; a digit is 1 high. Corners are where pieces meet.
"""

# How often a writer draws a digit in another form than their own.
_OTHER_FORM = 0.15
# How often a stroke is broken.
_BROKEN = 0.06
# Seldom seen, or what others write for another digit; the rest are equally frequent.
_RARE = {
    "slashed": 0.2,
    "flag": 0.6,
    "long flag": 0.6,
    "curved flag": 0.6,
    "flag and base": 0.6,
    "base": 0.3,
    "upright two": 0.3,
    "hourglass": 0.5,
}
# Points of a line in a digit's height, and those between two of which it wanders freely.
_DENSITY, _FREE = 40, 8
# Digits are drawn so high, and then made as small as the writer's are.
_DRAWN = 120
# Lines are drawn so much larger, and their pixels averaged.
_FINER = 2
_SUBPIXEL_BITS = 4
# No pen is thinner, in pixels: where each is ink or paper, less of a line is none.
_LEAST_PEN = 1.4
_HALF = 127


@dataclass(frozen=True)
class Hand:
    """What one writer's digits have in common; lengths are in heights of a digit.

    Attributes
    ----------
    forms : tuple of str
        The form of each digit, 0 to 9, as `FORMS` writes it.
    lean : ndarray of shape (2, 2)
        From (x, y) of a form to how it is written: width, slant and rotation.
    width : float
        Of the pen.
    pressure : float
        How the width varies along a stroke: the standard deviation of its logarithm.
    tremor : float
        How far points of a stroke are off, a standard deviation.
    looseness : float
        How far the points of a form are off from time to time, a standard deviation.
    roundness : float
        How long the part of a stroke is that a corner is rounded over.
    height : float
        Of a digit, in pixels.
    square : bool
        Whether pictures are stretched to squares.
    black : bool
        Whether a pixel is either ink or paper.
    """

    forms: tuple[str, ...]
    lean: np.ndarray
    width: float
    pressure: float
    tremor: float
    looseness: float
    roundness: float
    height: float
    square: bool
    black: bool


def fingerprint(source: PenSource) -> str:
    """Return what changes when other digits would be drawn: the renderer's version."""
    return f"OpenCV {installed_version('opencv-python-headless')}"


def load(source: PenSource) -> Digits:
    """Draw the digits, writer by writer; alike for equal settings.

    Returns
    -------
    Digits
        Images uint8 (writers * 10 * each, 28, 28), labels uint8, writers int32; no test.
    """
    images = [_write_all(source, writer) for writer in range(source.writers)]
    labels = np.tile(np.arange(CLASSES, dtype=np.uint8), source.writers * source.each)
    writers = np.repeat(np.arange(source.writers, dtype=np.int32), CLASSES * source.each)
    return Digits(
        train=LabelledImages(np.concatenate(images), labels, writers),
        test=None,
        origin=f"{len(labels):,} digits drawn by {source.writers:,} writers who don't exist "
        f"(seed {source.seed})",
    )


def _write_all(source: PenSource, writer: int) -> np.ndarray:
    generator = np.random.default_rng([source.seed, writer])
    hand = draw_hand(generator, source.square)
    digits = np.tile(np.arange(CLASSES), source.each)
    return np.stack([write_digit(digit, hand, generator) for digit in digits])


def draw_hand(generator: np.random.Generator, square: float = 0.0) -> Hand:
    """Draw a writer by lot; `square` is the share of those whose pictures are squares."""
    normal, uniform = generator.normal, generator.uniform
    turn, slant, aspect = normal(0, 0.06), normal(0.08, 0.2), np.exp(normal(0, 0.25))
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    height = np.exp(uniform(np.log(12), np.log(140)))
    return Hand(
        forms=tuple(_choose_form(digit, generator) for digit in range(CLASSES)),
        lean=np.array([[aspect, 0], [-slant, 1]]) @ rotation,
        width=max(_LEAST_PEN / height, np.exp(uniform(np.log(0.03), np.log(0.19)))),
        pressure=abs(normal(0, 0.15)),
        tremor=abs(normal(0, 0.008)),
        looseness=uniform(0.005, 0.04),
        roundness=uniform(0, 0.25),
        height=height,
        square=uniform() < square,
        black=uniform() < 0.3,
    )


def _choose_form(digit: int, generator: np.random.Generator) -> str:
    names = list(FORMS[digit])
    weights = np.array([_RARE.get(name, 1.0) for name in names])
    return FORMS[digit][names[generator.choice(len(names), p=weights / weights.sum())]]


def write_digit(digit: int, hand: Hand, generator: np.random.Generator) -> np.ndarray:
    """Write a digit once, in the MNIST frame: uint8 (28, 28)."""
    other = generator.random() < _OTHER_FORM
    form = _choose_form(digit, generator) if other else hand.forms[digit]
    return frame_ink(write_form(form, hand, generator))


def write_form(form: str, hand: Hand, generator: np.random.Generator) -> np.ndarray:
    """Write a form as a hand does, with all that differs from time to time.

    Parameters
    ----------
    form : str
        As in `FORMS`.

    Returns
    -------
    ndarray of shape (height, width), uint8
        Bright ink on 0.
    """
    lines = [_write_stroke(stroke, hand, generator) for stroke in form.split("/")]
    if generator.random() < _BROKEN:
        lines = _break_line(lines, hand.width, generator)
    lines = [line @ hand.lean for line in lines]
    scale = _DRAWN / np.ptp(np.concatenate(lines), axis=0).max()
    pen = hand.width * _DRAWN
    widths = [pen * np.exp(hand.pressure * _wander(len(line), generator)) for line in lines]
    return _scan(draw_strokes([scale * line for line in lines], widths), hand)


def _write_stroke(stroke: str, hand: Hand, generator: np.random.Generator) -> np.ndarray:
    """Return a dense line (k, 2) through a stroke's points, which are a little off."""
    points, weights = _trace(stroke)
    line = weights @ (points + generator.normal(0, hand.looseness, points.shape))
    line = _move_ends(line, hand.looseness, generator)
    line = _round_corners(line, round(hand.roundness * _DENSITY))
    tremor = [_wander(len(line), generator) for _ in range(2)]
    return np.asarray(line + hand.tremor * np.transpose(tremor))


@cache
def _trace(stroke: str) -> tuple[np.ndarray, np.ndarray]:
    """Return a stroke's points (n, 2), and what makes a dense line of them, (k, n).

    A smooth line's points are linear in those that it goes through, so that splines are
    solved once and not for each digit.
    """
    from scipy.interpolate import CubicSpline

    pieces = [text.split() for text in stroke.split("|")]
    points = np.array([pair.split(",") for piece in pieces for pair in piece], float)
    weights, first = [], 0
    for last in np.cumsum([len(piece) for piece in pieces]) - 1:
        steps = np.hypot(*np.diff(points[first : last + 1], axis=0).T)
        # By the root of the distance: a spline through uneven points swings less.
        along = np.concatenate([[0], np.cumsum(np.sqrt(steps))])
        places = np.linspace(0, along[-1], max(2, int(steps.sum() * _DENSITY)))
        basis = np.eye(len(points))[first : last + 1]
        weights.append(CubicSpline(along, basis, bc_type="natural")(places))
        first = last
    return points, np.concatenate(weights)


def _move_ends(
    line: np.ndarray, looseness: float, generator: np.random.Generator
) -> np.ndarray:
    """Begin and end a stroke too early or too late."""
    early, late = np.rint(generator.normal(0, looseness, 2) * _DENSITY).astype(int)
    few = len(line) // 4
    line = line[min(max(early, 0), few) : len(line) - min(max(late, 0), few)]
    before = line[:1] + (line[:1] - line[1:2]) * max(-early, 0)
    after = line[-1:] + (line[-1:] - line[-2:-1]) * max(-late, 0)
    return np.concatenate([before, line, after])


def _round_corners(line: np.ndarray, reach: int) -> np.ndarray:
    """Average each point with those around it; the ends stay where they are."""
    reach = min(reach, (len(line) - 1) // 2)
    if reach < 1:
        return line
    shares = np.full(reach, 1 / reach)
    wide = np.pad(line, ((reach // 2, reach - 1 - reach // 2), (0, 0)), mode="edge")
    return np.stack([np.convolve(column, shares, "valid") for column in wide.T], axis=1)


def _wander(n: int, generator: np.random.Generator) -> np.ndarray:
    """Return n numbers that change slowly, with a standard deviation of about 1."""
    knots = generator.standard_normal(n // _FREE + 2)
    return np.interp(np.linspace(0, len(knots) - 1, n), np.arange(len(knots)), knots)


def _break_line(
    lines: list[np.ndarray], width: float, generator: np.random.Generator
) -> list[np.ndarray]:
    """Lift the pen for a moment, somewhere in the longest stroke."""
    longest = max(range(len(lines)), key=lambda row: len(lines[row]))
    line = lines[longest]
    gap = round((width + generator.uniform(0.01, 0.05)) * _DENSITY)
    if len(line) < 3 * gap:
        return lines
    first = int(generator.integers(gap, len(line) - 2 * gap + 1))
    parts = [line[:first], line[first + gap :]]
    return [*lines[:longest], *parts, *lines[longest + 1 :]]


def draw_strokes(lines: Sequence[np.ndarray], widths: Sequence[np.ndarray]) -> np.ndarray:
    """Draw lines with a round pen.

    Parameters
    ----------
    lines : sequence of ndarray of shape (k, 2)
        Points x, y in pixels, wherever they lie.
    widths : sequence of ndarray of shape (k,)
        Of the pen at each point, in pixels.

    Returns
    -------
    ndarray of shape (height, width), uint8
        Bright ink on 0; large enough, with the pen's width around.
    """
    import cv2

    margin = 2 + int(max(width.max() for width in widths))
    first = np.min([line.min(axis=0) for line in lines], axis=0) - margin
    side = np.max([line.max(axis=0) for line in lines], axis=0) - first + margin
    columns, rows = np.ceil(side).astype(int).tolist()
    canvas = np.zeros((_FINER * rows, _FINER * columns), np.uint8)
    for line, width in zip(lines, widths, strict=True):
        places = np.rint((line - first) * (_FINER << _SUBPIXEL_BITS)).astype(int).tolist()
        # OpenCV's lines between subpixels are one pixel wider than was said.
        pens = np.maximum(np.rint(_FINER * width) - 1, 1).astype(int).tolist()
        for start, end, pen in zip(places, places[1:], pens[1:], strict=False):
            cv2.line(canvas, start, end, 255, pen, cv2.LINE_8, _SUBPIXEL_BITS)
    return np.asarray(cv2.resize(canvas, (columns, rows), interpolation=cv2.INTER_AREA))


def _scan(ink: np.ndarray, hand: Hand) -> np.ndarray:
    """Bring what was drawn to the size of the writer's pictures."""
    import cv2

    left, top, width, height = cv2.boundingRect(ink)
    ink = ink[top : top + height, left : left + width]
    scale = hand.height / _DRAWN
    columns, rows = (max(1, round(side * scale)) for side in (width, height))
    if hand.square:
        columns = rows = round(hand.height)
    small = np.asarray(cv2.resize(ink, (columns, rows), interpolation=cv2.INTER_AREA))
    black = hand.black and small.max() > _HALF
    return np.where(small > _HALF, 255, 0).astype(np.uint8) if black else small
