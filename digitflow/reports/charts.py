"""Charts for any numbers, as PNG bytes: lines, bars, matrices, galleries, clouds.

Each has a title and named axes with their units. What is told apart by colour is told
apart by a marker or a dash too.
"""

from collections.abc import Mapping, Sequence
from io import BytesIO
from itertools import cycle
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOTS_PER_INCH = 120
INK = "#1f2933"
NO_VALUE = "#e4e7eb"
# Told apart by all kinds of colour vision (M. Okabe and K. Ito, "Color Universal Design",
# 2008), without their yellow, which is too faint on white; and by markers and dashes too.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#000000", "#56b4e9", "#e69f00")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">")
DASHES = ("-", "--", "-.", ":")
# What red, green and blue add to how light a colour looks (ITU-R BT.601).
LUMINANCE = np.array([0.299, 0.587, 0.114])


def new_figure(width: float, height: float) -> "Figure":
    """Return an empty figure, so many inches wide and high."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def encode(figure: "Figure") -> bytes:
    """Return the figure as a PNG."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH)
    return buffer.getvalue()


def soften_frame(axes: Any) -> None:
    """Draw the axes' frame in a light grey."""
    for spine in axes.spines.values():
        spine.set_color(NO_VALUE)


def draw_digit(axes: Any, image: np.ndarray) -> None:
    """Fill the axes with one image, 0 to 255, its ink dark."""
    axes.imshow(image, cmap="gray_r", vmin=0, vmax=255, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    soften_frame(axes)


def _draw_tiles(
    axes: Any,
    images: np.ndarray,
    rows: int,
    columns: int,
    over: float = 0.0,
    places: Sequence[int] | None = None,
) -> np.ndarray:
    """Draw images (k, height, width) on a grid; return their upper left corners, (k, 2).

    One picture of all: axes of its own would take longer for each image than drawing it.

    Parameters
    ----------
    over : float
        Room for words over each row, as a share of the images' width.
    places : sequence of int, optional
        The cell of each image, row by row; None fills one after another.
    """
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    height, width = images.shape[1:]
    gap = max(1, round(GAP * width))
    words = round(over * (width + gap))
    cells = np.arange(len(images)) if places is None else np.asarray(places)
    x = gap + cells % columns * (width + gap)
    y = gap + words + cells // columns * (height + gap + words)
    size = (gap + rows * (height + gap + words), gap + columns * (width + gap))
    canvas = np.zeros(size, np.uint8)
    for left, top, image in zip(x, y, images, strict=True):
        canvas[top : top + height, left : left + width] = image
    draw_digit(axes, canvas)
    axes.spines[:].set_visible(False)
    corners = np.column_stack([x, y]) - 0.5
    frames = [Rectangle((left, top), width, height) for left, top in corners]
    axes.add_collection(
        PatchCollection(frames, facecolor="none", edgecolor=NO_VALUE, linewidth=0.8)
    )
    axes.tick_params(length=0)
    return corners


def fill_matrix(
    axes: Any,
    shares: np.ndarray,
    texts: np.ndarray,
    colours: str,
    highest: float,
    lowest: float = 0.0,
) -> None:
    """Colour cells by value, from `lowest` to `highest`, and write into those with a text.

    Not scikit-learn's ConfusionMatrixDisplay: that writes 90 zeros among a few errors,
    and imports pyplot, whose state all threads share.
    """
    cells = axes.imshow(shares, cmap=colours, vmin=lowest, vmax=highest, aspect="auto")
    lightness = cells.to_rgba(shares)[..., :3] @ LUMINANCE
    for row, column in np.argwhere(texts != "").tolist():
        colour = "white" if lightness[row, column] < 0.5 else INK
        where = (column, row, texts[row, column])
        axes.text(*where, color=colour, ha="center", va="center", fontsize=11)
    rows, columns = shares.shape
    axes.set_xticks(np.arange(columns + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(rows + 1) - 0.5, minor=True)
    axes.grid(which="minor", color=NO_VALUE, linewidth=0.8)
    axes.tick_params(which="both", length=0)
    soften_frame(axes)


WIDTH = 7.2
# Of a line of words over an image: inches for each point that its letters are high.
LINE = 0.019
# White between two images, as a share of their width.
GAP = 0.15
# A line of more points than this is drawn without a marker for each.
MARKED_POINTS = 30

Line = tuple[Sequence[float] | np.ndarray, Sequence[float] | np.ndarray]


def draw_lines(
    title: str,
    lines: Mapping[str, Line],
    x_label: str,
    y_label: str,
    bands: Mapping[str, Line] | None = None,
    marks: Mapping[str, tuple[float, float]] | None = None,
    log_x: bool = False,
    log_y: bool = False,
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
    height: float = 4.2,
) -> bytes:
    """Draw lines through points (x, y).

    Parameters
    ----------
    lines : mapping of str to (x, y)
        By what the legend calls them; one line alone has no legend.
    bands : mapping of str to (low, high), optional
        Around the line of the same name, at its x: an interval, a spread.
    marks : mapping of str to (x, y), optional
        Single points with a word beside them.
    """
    from matplotlib.ticker import LogFormatter, MaxNLocator

    figure = new_figure(WIDTH, height)
    axes = figure.add_subplot()
    for (name, (x, y)), style in zip(lines.items(), _styles(), strict=False):
        marker = style["marker"] if len(x) <= MARKED_POINTS else ""
        axes.plot(x, y, label=name, linewidth=1.8, markersize=5, **style | {"marker": marker})
        if bands and name in bands:
            axes.fill_between(x, *bands[name], color=style["color"], alpha=0.15, linewidth=0)
    for name, (at, value) in (marks or {}).items():
        axes.plot(at, value, "o", color=INK, markersize=7, zorder=5)
        axes.annotate(name, (at, value), xytext=(8, 8), textcoords="offset points", color=INK)
    if log_x:
        axes.set_xscale("log")
        # Plain numbers: 20, and not 2 times 10 to the first.
        for formatter in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
            formatter(LogFormatter(minor_thresholds=(1.5, 0.5)))
    elif all(np.asarray(x).dtype.kind in "iu" for x, _ in lines.values()):
        # Half a member or a seventh of a fold is no point on such an axis.
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if log_y:
        axes.set_yscale("log")
    if x_range:
        axes.set_xlim(*x_range)
    if y_range:
        axes.set_ylim(*y_range)
    _finish(axes, title, x_label, y_label)
    if len(lines) > 1:
        _add_legend(figure, axes)
    return encode(figure)


def draw_bars(
    title: str,
    names: Sequence[str],
    series: Mapping[str, Sequence[float | None]],
    value_label: str,
    decimals: int = 2,
    step: float | None = None,
    log: bool = False,
) -> bytes:
    """Draw lying bars, a group a name, a bar a series; the value stands at its end.

    Parameters
    ----------
    names : sequence of str
        From the top down.
    series : mapping of str to sequence of float or None
        A value for each name; None leaves a gap.
    step : float, optional
        Begin the axis at the multiple of it that is next under the values, and say so;
        without it, at 0.
    """
    low = step * np.floor(_lowest(series) / step) if step else 0.0
    figure = new_figure(WIDTH, 1.3 + len(names) * (0.16 + 0.22 * len(series)))
    axes = figure.add_subplot()
    thick = 0.8 / len(series)
    places = np.arange(len(names), dtype=float)
    for number, (name, values) in enumerate(series.items()):
        heights = np.array([np.nan if value is None else value for value in values], float)
        at = places + (number - (len(series) - 1) / 2) * thick
        style: dict[str, Any] = {
            "color": COLOURS[number % len(COLOURS)],
            "hatch": ("", "//", "..", "xx")[number % 4],
        }
        bars = axes.barh(
            at,
            heights - (0 if log else low),
            0.9 * thick,
            left=0 if log else low,
            label=name,
            edgecolor="white",
            linewidth=0.5,
            **style,
        )
        texts = ["" if np.isnan(value) else f"{value:,.{decimals}f}" for value in heights]
        axes.bar_label(bars, texts, padding=4, fontsize=9, color=INK)
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    if log:
        axes.set_xscale("log")
    axes.margins(x=0.14)
    _finish(axes, title, f"{value_label}, from {low:g} on" if low else value_label, "")
    axes.grid(visible=False, axis="y")
    if len(series) > 1:
        _add_legend(figure, axes)
    return encode(figure)


def _lowest(series: Mapping[str, Sequence[float | None]]) -> float:
    return min(value for values in series.values() for value in values if value is not None)


def draw_matrix(
    title: str,
    values: np.ndarray,
    x_label: str,
    y_label: str,
    x_names: Sequence[Any],
    y_names: Sequence[Any],
    decimals: int = 2,
    highest: float | None = None,
    colours: str = "Blues",
    blank: Sequence[float] = (0.0,),
    lowest: float = 0.0,
) -> bytes:
    """Draw numbers (rows, columns) as coloured cells with the number in each.

    Parameters
    ----------
    values : ndarray of shape (rows, columns)
        At least `lowest`, whose colour is the faintest; NaN is left blank.
    blank : sequence of float
        Values that are not written, so that the others stand out.
    """
    values = np.asarray(values, float)
    rows, columns = values.shape
    written = np.isfinite(values) & ~np.isin(values, blank)
    texts = np.where(written, np.char.mod(f"%.{decimals}f", np.nan_to_num(values)), "")
    figure = new_figure(min(WIDTH, 2 + 0.62 * columns), 1.6 + 0.44 * rows)
    axes = figure.add_subplot()
    shown = np.nan_to_num(values, nan=lowest)
    fill_matrix(axes, shown, texts, colours, highest or float(shown.max()) or 1.0, lowest)
    turned = max(len(str(name)) for name in x_names) > 6
    # A turned name ends at its column.
    style: dict[str, Any] = (
        {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if turned else {}
    )
    axes.set_xticks(range(columns), x_names, **style)
    axes.set_yticks(range(rows), y_names)
    axes.set_title(title, color=INK)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    return encode(figure)


def draw_gallery(
    title: str,
    images: np.ndarray,
    captions: Sequence[str],
    columns: int = 8,
    points: float = 9,
) -> bytes:
    """Draw k images (k, height, width), uint8 with bright ink, a caption over each.

    The captions' letters are so many points high.
    """
    rows = max(1, ceil(len(images) / columns))
    lines = max((caption.count("\n") + 1 for caption in captions if caption), default=0)
    side, over = WIDTH / columns, LINE * points * lines
    figure = new_figure(WIDTH, rows * (side + over) + 0.5)
    axes = figure.add_subplot()
    axes.set_title(title, color=INK)
    corners = _draw_tiles(axes, images, rows, columns, over / side)
    for (x, y), caption in zip(corners, captions, strict=False):
        where = (x + images.shape[2] / 2, y - 0.6)
        axes.text(*where, caption, ha="center", va="bottom", fontsize=points, color=INK)
    return encode(figure)


def draw_image_rows(title: str, rows: Mapping[str, np.ndarray]) -> bytes:
    """Draw a row of images (k, height, width), uint8, for each name, which stands at its left.

    The rows are of equal length: what stands below one another belongs together.
    """
    count = max(len(images) for images in rows.values())
    figure = new_figure(WIDTH, len(rows) * (WIDTH - 1) / count + 0.6)
    axes = figure.add_subplot()
    axes.set_title(title, color=INK)
    places = [
        line * count + k for line, each in enumerate(rows.values()) for k in range(len(each))
    ]
    images = np.concatenate(list(rows.values()))
    corners = _draw_tiles(axes, images, len(rows), count, places=places)
    firsts = np.cumsum([0, *(len(each) for each in rows.values())][:-1])
    axes.set_yticks(corners[firsts, 1] + images.shape[1] / 2, rows, color=INK)
    return encode(figure)


def draw_histogram(
    title: str, values: Mapping[str, np.ndarray], x_label: str, y_label: str, bins: int = 40
) -> bytes:
    """Draw how often values occur, an outline for each name, on common bins."""
    figure = new_figure(WIDTH, 4.0)
    axes = figure.add_subplot()
    edges = np.histogram_bin_edges(np.concatenate(list(values.values())), bins)
    for (name, sample), style in zip(values.items(), _styles(), strict=False):
        counts, _ = np.histogram(sample, edges)
        dash, colour = style["linestyle"], style["color"]
        axes.stairs(counts, edges, label=name, color=colour, linestyle=dash, linewidth=1.8)
    _finish(axes, title, x_label, y_label)
    if len(values) > 1:
        _add_legend(figure, axes)
    return encode(figure)


def draw_digit_cloud(
    title: str, points: np.ndarray, labels: np.ndarray, x_label: str, y_label: str
) -> bytes:
    """Draw each point (n, 2) as the digit that it is, so that colour only helps."""
    figure = new_figure(WIDTH, 6.0)
    axes = figure.add_subplot()
    for digit, colour in zip(np.unique(labels), cycle(COLOURS), strict=False):
        x, y = points[labels == digit].T
        axes.scatter(x, y, s=28, marker=f"${digit}$", color=colour, linewidth=0.3, alpha=0.8)
    _finish(axes, title, x_label, y_label)
    return encode(figure)


def _styles() -> Any:
    styles = zip(cycle(COLOURS), cycle(MARKERS), cycle(DASHES))
    return ({"color": c, "marker": m, "linestyle": d} for c, m, d in styles)


def _finish(axes: Any, title: str, x_label: str, y_label: str) -> None:
    axes.set_title(title, color=INK)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.grid(color=NO_VALUE, linewidth=0.8)
    axes.set_axisbelow(True)
    soften_frame(axes)


def _add_legend(figure: Any, axes: Any) -> None:
    handles, names = axes.get_legend_handles_labels()
    columns = min(4, len(names))
    figure.legend(handles, names, loc="outside lower center", ncols=columns, frameon=False)
