"""Photographs of paper that somebody wrote on: digits that are not MNIST's, made on demand.

scikit-learn's 1,797 digits are scans on a grid of 8x8 (E. Alpaydin and C. Kaynak, "Optical
recognition of handwritten digits", UCI, 1998). Here they are written on a sheet that is
then photographed, plainly or with one distortion or all of them.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

import numpy as np

from digitflow.errors import InputError, list_some

CELLS = 8
FULL_CELL = 16
CELL_PIXELS = 8
MARGIN = 1
"""Empty cells around the scan, so that a stroke at its edge ends softly too."""

# Between these shares of ink a stroke has its edge.
_INK_FROM, _INK_TO = 0.3, 0.7
# After these, cells are off by .002 on average and by .03 at most.
_PASSES, _STEP = 12, 0.6
# What is asked of a cell may be more than full ink and less than none, within limits.
_LEAST, _MOST = -0.6, 1.6


def enlarge_cells(cells: np.ndarray) -> np.ndarray:
    """Draw a scanned digit large: smooth strokes whose means over the cells are the scan.

    Parameters
    ----------
    cells : ndarray of shape (8, 8)
        Ink from 0 to 16, as `sklearn.datasets.load_digits` gives it.

    Returns
    -------
    ndarray of shape (80, 80), float32
        How much of each pixel is inked, 0 to 1; 8x8 pixels a cell, an empty cell around.

    Raises
    ------
    InputError
        If the cells are not 8x8.
    """
    if cells.shape != (CELLS, CELLS):
        raise InputError(f"a digit has {CELLS}x{CELLS} cells, got an array {cells.shape}")
    wanted = np.pad(cells.astype(np.float32) / FULL_CELL, MARGIN)
    asked = wanted
    for _ in range(_PASSES):
        missing = wanted - measure_cells(_draw(asked))
        asked = np.clip(asked + _STEP * missing, _LEAST, _MOST)
    return _draw(asked)


def measure_cells(drawing: np.ndarray) -> np.ndarray:
    """Return the mean of each cell of a drawing (80, 80), as (10, 10)."""
    side = len(drawing) // CELL_PIXELS
    blocks = drawing.reshape(side, CELL_PIXELS, side, CELL_PIXELS)
    return np.asarray(blocks.mean(axis=(1, 3)))


def _draw(asked: np.ndarray) -> np.ndarray:
    import cv2

    side = len(asked) * CELL_PIXELS
    smooth = cv2.resize(asked, (side, side), interpolation=cv2.INTER_CUBIC)
    share = np.clip((smooth - _INK_FROM) / (_INK_TO - _INK_FROM), 0, 1)
    return np.asarray(share * share * (3 - 2 * share))


DISTORTIONS = ("perspective", "shadow", "texture", "ink-colour")
SERIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"plain": ()} | {name: (name,) for name in DISTORTIONS} | {"all": DISTORTIONS}
)
"""Series of photographs, and the distortions of each."""

_HEIGHT, _WIDTH = 480, 640
# A digit's height in a photo of it alone, of the photo's height.
_SMALLEST, _LARGEST = 0.35, 0.7
_LINE_HEIGHT, _COLUMN_WIDTH, _PAGE_MARGIN = 160, 130, 60

_WHITE, _DARK_PEN = (236, 234, 230), (38, 38, 44)
_PAPERS = ((240, 238, 232), (250, 240, 205), (215, 228, 245), (247, 236, 130), (200, 200, 198))
_PENS = ((25, 45, 150), (175, 30, 35), (20, 110, 60), (105, 105, 110), (120, 50, 130))
_BOARD, _CHALK = (38, 66, 54), (232, 232, 222)
_CAMERA_NOISE = 2.0


def photograph(
    cells: np.ndarray, distortions: tuple[str, ...], generator: np.random.Generator
) -> np.ndarray:
    """Photograph one digit on a sheet of paper.

    Parameters
    ----------
    cells : ndarray of shape (8, 8)
        Ink from 0 to 16, as `sklearn.datasets.load_digits` gives it.
    distortions : tuple of str
        Any of `DISTORTIONS`: "perspective" (the sheet is turned and seen from aside), "shadow"
        (uneven light, and a hard edge), "texture" (grain and fibres), "ink-colour" (coloured
        pens on coloured paper, or chalk on a board).
    generator : numpy.random.Generator

    Returns
    -------
    ndarray of shape (480, 640, 3), uint8
        RGB.

    Raises
    ------
    InputError
        If there is no such distortion, or the cells are not 8x8.
    """
    _check(cells, distortions, axes=2)
    sheet = np.zeros((_HEIGHT, _WIDTH), np.float32)
    side = round(_HEIGHT * generator.uniform(_SMALLEST, _LARGEST))
    top = int(generator.integers(_HEIGHT - side + 1))
    left = int(generator.integers(_WIDTH - side + 1))
    _write(sheet, cells, top, left, side)
    return _take_photo(sheet, distortions, generator)


def photograph_page(
    cells: np.ndarray, distortions: tuple[str, ...], generator: np.random.Generator
) -> np.ndarray:
    """Photograph several digits, written in lines on one sheet.

    Parameters
    ----------
    cells : ndarray of shape (lines, columns, 8, 8)
        The digits in the order in which people read.
    distortions, generator
        See `photograph`.

    Returns
    -------
    ndarray of shape (height, width, 3), uint8
        RGB; it grows with the lines and columns.

    Raises
    ------
    InputError
        See `photograph`.
    """
    _check(cells, distortions, axes=4)
    lines, columns = cells.shape[:2]
    shape = lines * _LINE_HEIGHT + 2 * _PAGE_MARGIN, columns * _COLUMN_WIDTH + 2 * _PAGE_MARGIN
    sheet = np.zeros(shape, np.float32)
    for line, column in np.ndindex(lines, columns):
        side = int(generator.integers(90, 116))
        # Nobody writes on a grid.
        down, right = (int(step) for step in generator.integers(-7, 8, 2))
        top = _PAGE_MARGIN + line * _LINE_HEIGHT + (_LINE_HEIGHT - side) // 2 + down
        left = _PAGE_MARGIN + column * _COLUMN_WIDTH + (_COLUMN_WIDTH - side) // 2 + right
        _write(sheet, cells[line, column], top, left, side)
    return _take_photo(sheet, distortions, generator)


def iterate_photographs(series: str, cells: np.ndarray, seed: int) -> Iterator[np.ndarray]:
    """Yield a photograph of each digit; alike for equal arguments.

    Parameters
    ----------
    series : str
        One of `SERIES`: "plain", the name of a distortion, or "all" of them.
    cells : ndarray of shape (n, 8, 8)
        Ink from 0 to 16.
    seed : int
        What is drawn for a digit depends on its place in `cells` only.

    Yields
    ------
    ndarray of shape (480, 640, 3), uint8
        RGB.

    Raises
    ------
    InputError
        If there is no such series.
    """
    if series not in SERIES:
        raise InputError(
            f"there is no series {series!r} of photographs; there are {', '.join(SERIES)}"
        )
    for row, digit in enumerate(cells):
        generator = np.random.default_rng([seed, row, *series.encode()])
        yield photograph(digit, SERIES[series], generator)


def _check(cells: np.ndarray, distortions: tuple[str, ...], axes: int) -> None:
    unknown = [name for name in distortions if name not in DISTORTIONS]
    if unknown:
        raise InputError(
            f"there is no distortion {list_some(unknown)}; there are {', '.join(DISTORTIONS)}"
        )
    if cells.ndim != axes or cells.shape[-2:] != (CELLS, CELLS):
        raise InputError(f"digits of 8x8 cells on {axes} axes are needed, got {cells.shape}")


def _write(sheet: np.ndarray, cells: np.ndarray, top: int, left: int, side: int) -> None:
    """Write a digit whose 8x8 cells are `side` pixels high; edges stay soft."""
    import cv2

    edge = round(side * MARGIN / CELLS)
    whole = side + 2 * edge
    ink = cv2.resize(enlarge_cells(cells), (whole, whole), interpolation=cv2.INTER_CUBIC)
    ink = np.clip(ink, 0, 1)
    # What lies over the edge of the sheet isn't there.
    rows = slice(max(0, top - edge), min(sheet.shape[0], top - edge + ink.shape[0]))
    columns = slice(max(0, left - edge), min(sheet.shape[1], left - edge + ink.shape[1]))
    down, right = rows.start - (top - edge), columns.start - (left - edge)
    part = ink[
        down : down + rows.stop - rows.start, right : right + columns.stop - columns.start
    ]
    np.maximum(sheet[rows, columns], part, out=sheet[rows, columns])


def _take_photo(
    coverage: np.ndarray, distortions: tuple[str, ...], generator: np.random.Generator
) -> np.ndarray:
    """Turn how ink covers a sheet (height, width), 0 to 1, into a photo of it."""
    if "perspective" in distortions:
        coverage = _see_aside(coverage, generator)
    paper, pen = (
        _choose_colours(generator) if "ink-colour" in distortions else (_WHITE, _DARK_PEN)
    )
    share = coverage[..., np.newaxis]
    photo = np.array(paper, np.float32) * (1 - share) + np.array(pen, np.float32) * share
    if "texture" in distortions:
        photo += _grow_grain(coverage.shape, generator)[..., np.newaxis]
    if "shadow" in distortions:
        photo *= _cast_shadow(coverage.shape, generator)[..., np.newaxis]
    photo += _CAMERA_NOISE * generator.standard_normal(photo.shape, dtype=np.float32)
    return np.rint(photo).clip(0, 255).astype(np.uint8)


def _see_aside(coverage: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Turn the sheet by up to 10 degrees and pull its corners in by up to an eighth."""
    import cv2

    height, width = coverage.shape
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    turn = np.deg2rad(generator.uniform(-10, 10))
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    inwards = np.sign(corners.mean(axis=0) - corners) * generator.uniform(0, 1 / 8, (4, 2))
    moved = corners + inwards * (width, height) - (width / 2, height / 2)
    # Small enough that no corner leaves the photo: a digit may lie in any of them.
    moved = 0.85 * moved @ rotation + (width / 2, height / 2)
    matrix = cv2.getPerspectiveTransform(corners, moved.astype(np.float32))
    return np.asarray(cv2.warpPerspective(coverage, matrix, (width, height)))


def _choose_colours(generator: np.random.Generator) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Choose paper and pen; one photo in six is chalk on a board."""
    if generator.random() < 1 / 6:
        return _BOARD, _CHALK
    paper, pen = generator.integers(len(_PAPERS)), generator.integers(len(_PENS))
    return _PAPERS[paper], _PENS[pen]


def _grow_grain(shape: tuple[int, int], generator: np.random.Generator) -> np.ndarray:
    """Return how paper departs from even: clouds, grain, and fibres that lie one way."""
    import cv2

    height, width = shape
    # What is as smooth as clouds is as good, and much quicker, from a small picture.
    clouds = _blur_noise((-(-height // 8), -(-width // 8)), generator, 3, 3)
    clouds = cv2.resize(clouds, (width, height), interpolation=cv2.INTER_CUBIC)
    grain = _blur_noise(shape, generator, 1.2, 1.2)
    fibres = _blur_noise(shape, generator, 6, 0.8)
    return 4 * clouds + 5 * grain + 5 * fibres


def _blur_noise(
    shape: tuple[int, int], generator: np.random.Generator, across: float, down: float
) -> np.ndarray:
    """Return noise of so many pixels' grain, its standard deviation 1."""
    import cv2

    noise = generator.standard_normal(shape, dtype=np.float32)
    smooth = np.asarray(cv2.GaussianBlur(noise, (0, 0), sigmaX=across, sigmaY=down))
    return smooth / smooth.std()


def _cast_shadow(shape: tuple[int, int], generator: np.random.Generator) -> np.ndarray:
    """Return light from one side, and the shadow of something with a straight edge."""
    down, right = np.indices(shape, np.float32)
    middle = shape[0] / 2, shape[1] / 2
    side, edge = generator.uniform(0, 2 * np.pi, 2)
    reach = np.hypot(*middle)

    def look(angle: float) -> np.ndarray:
        return (
            np.sin(angle) * (down - middle[0]) + np.cos(angle) * (right - middle[1])
        ) / reach

    light = 1 + 0.25 * look(side)
    place, softness = generator.uniform(-0.4, 0.4), generator.uniform(0.01, 0.08)
    shade = 1 / (1 + np.exp(-(look(edge) - place) / softness))
    return light * (1 - generator.uniform(0.25, 0.5) * shade) / 1.1
