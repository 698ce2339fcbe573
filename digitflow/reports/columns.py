"""Charts of a table's columns, as PNG bytes: histograms, points, a scatter matrix, maps."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from digitflow.reports.charts import COLOURS, INK, NO_VALUE, encode, new_figure, soften_frame

if TYPE_CHECKING:
    import pandas as pd

COLUMNS_A_ROW = 4
BINS = 40
# Points squared, of the dots of a map: the smallest, and what the largest has more.
SMALLEST_DOT, DOT_RANGE = 4.0, 120.0


def draw_columns(
    title: str, frame: "pd.DataFrame", units: Mapping[str, str] | None = None
) -> bytes:
    """Draw a histogram of each column of numbers, bars of each column of texts; a PNG.

    Parameters
    ----------
    units : mapping of str to str, optional
        What the numbers of a column are counted in.
    """
    rows = -(-len(frame.columns) // COLUMNS_A_ROW)
    figure = new_figure(9.6, 1.9 * rows + 0.5)
    figure.suptitle(title, color=INK)
    grid = list(figure.subplots(rows, COLUMNS_A_ROW, squeeze=False).flat)
    for axes, name in zip(grid, frame.columns, strict=False):
        cells = frame[name].dropna()
        if cells.dtype.kind == "f":
            axes.hist(cells, bins=BINS, color=COLOURS[0])
            axes.set_xlabel((units or {}).get(str(name), ""), fontsize=7)
        else:
            counts = cells.value_counts()
            axes.barh([str(value) for value in counts.index], counts, color=COLOURS[0])
        axes.set_title(str(name), color=INK, fontsize=10)
        axes.tick_params(labelsize=7)
        write_thousands(axes)
        soften_frame(axes)
    for axes in grid[len(frame.columns) :]:
        axes.set_axis_off()
    return encode(figure)


def write_thousands(axes: Any) -> None:
    """Write 20k for 20,000: a small axis has no room for more."""
    for axis in (axes.xaxis, axes.yaxis):
        _, high = sorted(axis.get_view_interval())
        if high >= 10_000:
            axis.set_major_formatter(lambda value, _: f"{value / 1000:g}k" if value else "0")


def draw_points(
    title: str,
    x: np.ndarray,
    y: np.ndarray,
    x_label: str,
    y_label: str,
    colours: np.ndarray | None = None,
    colour_label: str = "",
    diagonal: str = "",
) -> bytes:
    """Draw a dot for each pair of numbers; faint where they are many; a PNG.

    Parameters
    ----------
    colours : ndarray, optional
        A number for each dot, told by its colour; the dots are large then.
    diagonal : str, optional
        What the line is called where both numbers are equal; without it, there is none.
    """
    figure = new_figure(7.2, 4.8)
    axes = figure.add_subplot()
    if colours is None:
        alpha = min(0.8, max(0.1, 1500 / max(len(x), 1)))
        axes.scatter(x, y, s=7, alpha=alpha, color=COLOURS[0], linewidths=0)
    else:
        dots = axes.scatter(x, y, c=colours, s=90, cmap="viridis_r", edgecolors="white")
        figure.colorbar(dots, label=colour_label)
    if diagonal:
        ends = [float(min(x.min(), y.min())), float(max(x.max(), y.max()))]
        axes.plot(ends, ends, color=COLOURS[1], linewidth=1.2, label=diagonal)
        axes.legend(frameon=False)
    _finish(axes, title, x_label, y_label)
    return encode(figure)


def draw_scatter_matrix(title: str, frame: "pd.DataFrame") -> bytes:
    """Draw each column of numbers against each other one, and each one's histogram; a PNG."""
    names = [str(name) for name in frame.columns]
    cells = frame.to_numpy(np.float64)
    figure = new_figure(9.6, 8.6)
    figure.suptitle(title, color=INK)
    grid = figure.subplots(len(names), len(names), squeeze=False)
    for row, line in enumerate(grid):
        for column, axes in enumerate(line):
            _fill_cell(axes, cells, row, column)
            axes.tick_params(labelsize=6)
            write_thousands(axes)
            soften_frame(axes)
            if row == len(names) - 1:
                axes.set_xlabel(names[column], fontsize=8)
            if column == 0:
                axes.set_ylabel(names[row], fontsize=8)
    return encode(figure)


def _fill_cell(axes: Any, cells: np.ndarray, row: int, column: int) -> None:
    if row == column:
        known = cells[np.isfinite(cells[:, row]), row]
        axes.hist(known, bins=BINS, color=COLOURS[0])
    else:
        axes.scatter(
            cells[:, column], cells[:, row], s=2, alpha=0.12, color=COLOURS[0], linewidths=0
        )


def draw_map(
    title: str,
    places: np.ndarray,
    values: np.ndarray,
    label: str,
    sizes: np.ndarray | None = None,
    size_label: str = "",
    signed: bool = False,
    ringed: Sequence[int] | np.ndarray = (),
    ring_label: str = "",
) -> bytes:
    """Draw values at their longitude and latitude, the largest on top; a PNG.

    Parameters
    ----------
    places : ndarray of shape (n, 2)
        Longitude and latitude, degrees.
    values : ndarray of shape (n,)
        Told by colour; what is beyond the outer two hundredths has the outermost one.
    sizes : ndarray of shape (n,), optional
        Told by the area of the dots.
    signed : bool
        Whether 0 is the middle of the colours.
    ringed : sequence of int
        Rows with a ring around their dot.
    """
    figure = new_figure(7.6, 6.4)
    axes: Any = figure.add_subplot()
    areas = _scale_areas(sizes, len(values))
    order = np.argsort(np.abs(values), kind="stable")
    dots = axes.scatter(
        *places[order].T,
        c=values[order],
        s=areas[order],
        alpha=0.9 if sizes is None else 0.5,
        linewidths=0,
        **_choose_colours(values, signed),
    )
    if len(ringed):
        ring = {"s": 60, "facecolors": "none", "edgecolors": INK, "linewidths": 1.2}
        axes.scatter(*places[np.asarray(ringed)].T, label=ring_label, **ring)
    bar: Any = figure.colorbar(dots, label=label, extend="both" if signed else "neither")
    bar.solids.set_alpha(1)
    if sizes is not None:
        _explain_sizes(axes, sizes, size_label)
    if len(ringed) or sizes is not None:
        axes.legend(frameon=False, loc="upper right", labelspacing=0.9)
    # A degree of longitude is shorter the further north one is.
    axes.set_aspect(1 / max(np.cos(np.deg2rad(np.nanmean(places[:, 1]))), 0.1))
    _finish(axes, title, "longitude (degrees)", "latitude (degrees)")
    return encode(figure)


def _scale_areas(sizes: np.ndarray | None, count: int) -> np.ndarray:
    if sizes is None:
        return np.full(count, 9.0)
    return SMALLEST_DOT + DOT_RANGE * np.nan_to_num(sizes) / (np.nanmax(sizes) or 1.0)


def _choose_colours(values: np.ndarray, signed: bool) -> dict[str, Any]:
    if not signed:
        return {"cmap": "viridis"}
    limit = float(np.quantile(np.abs(values), 0.98)) or 1.0
    return {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit}


def _explain_sizes(axes: Any, sizes: np.ndarray, label: str) -> None:
    """Add to the legend what some sizes of dots stand for."""
    top = 10 ** np.floor(np.log10(max(np.nanmax(sizes), 1.0)))
    for value in (top / 10, top / 2, top):
        (area,) = _scale_areas(np.array([value, np.nanmax(sizes)]), 2)[:1]
        axes.scatter([], [], s=area, color=INK, alpha=0.4, label=f"{value:,.0f} {label}")


def _finish(axes: Any, title: str, x_label: str, y_label: str) -> None:
    axes.set_title(title, color=INK)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.grid(color=NO_VALUE, linewidth=0.8)
    axes.set_axisbelow(True)
    soften_frame(axes)
