"""What every picture shares: its paper, its ink, its colours, and how it becomes a PNG.

Each is drawn on a figure of its own, without pyplot and so without global state: any
thread or process may draw. Digits are dark on white, as on paper.
"""

from io import BytesIO
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


def fill_matrix(
    axes: Any, shares: np.ndarray, texts: np.ndarray, colours: str, highest: float
) -> None:
    """Colour cells by value, from 0 to `highest`, and write into those with a text.

    Not scikit-learn's ConfusionMatrixDisplay: that writes 90 zeros among a few errors,
    and imports pyplot, whose state all threads share.
    """
    cells = axes.imshow(shares, cmap=colours, vmin=0, vmax=highest, aspect="auto")
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
