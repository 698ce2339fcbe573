"""Charts of any numbers: drawn whole, whatever is missing, long or many."""

import struct

import numpy as np
import pytest

from digitflow.reports import charts
from digitflow.reports.charts import COLOURS, DOTS_PER_INCH, LUMINANCE, MARKERS

X = np.arange(1, 6)
IMAGES = np.random.default_rng(0).integers(0, 256, (7, 28, 28), np.uint8)
LABELS = ("x (px)", "y (%)")


def _measure(png: bytes) -> tuple[int, int]:
    """Return width and height of a PNG in pixels."""
    assert png.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", png[16:24])
    return width, height


@pytest.mark.parametrize(
    "png",
    [
        lambda: charts.draw_lines("T", {"a": (X, X)}, *LABELS),
        lambda: charts.draw_lines(
            "T", {str(k): (X, k * X) for k in range(12)}, *LABELS, log_y=True
        ),
        lambda: charts.draw_lines("T", {"a": (X, X)}, *LABELS, bands={"a": (X - 1, X + 1)}),
        lambda: charts.draw_bars("T", ["a", "b"], {"one": [1.0, None], "two": [2.0, 3.0]}, "s"),
        lambda: charts.draw_bars("T", ["a"], {"one": [91.0]}, "s", step=5),
        lambda: charts.draw_matrix("T", np.eye(3), *LABELS, range(3), range(3)),
        lambda: charts.draw_matrix("T", np.full((2, 2), np.nan), *LABELS, "ab", "ab"),
        lambda: charts.draw_gallery("T", IMAGES, ["a"] * 7, columns=3),
        lambda: charts.draw_gallery("T", IMAGES[:0], []),
        lambda: charts.draw_image_rows("T", {"long": IMAGES, "short": IMAGES[:2]}),
        lambda: charts.draw_histogram("T", {"a": X, "b": X[:1]}, *LABELS),
        lambda: charts.draw_digit_cloud("T", np.ones((10, 2)), np.arange(10), *LABELS),
    ],
)
def test_every_chart_is_a_picture_of_a_readable_size(png):
    width, height = _measure(png())
    assert 150 < width <= charts.WIDTH * DOTS_PER_INCH + 1
    assert height > 100


def test_equal_numbers_give_equal_pictures_and_others_do_not():
    first, same, other = (charts.draw_lines("T", {"a": (X, k * X)}, *LABELS) for k in (1, 1, 2))
    assert first == same != other


def test_more_names_need_more_room():
    few, many = (
        _measure(charts.draw_bars("T", [str(k) for k in range(n)], {"a": [1.0] * n}, "s"))
        for n in (2, 12)
    )
    assert many[1] > few[1]


def test_no_two_of_a_dozen_lines_look_alike():
    styles = charts._styles()
    seen = {tuple(next(styles).items()) for _ in range(12)}
    assert len(seen) == 12


def test_colours_can_be_read_on_white():
    for colour in COLOURS:
        red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
        assert np.array([red, green, blue]) @ LUMINANCE < 0.75
    assert len(set(MARKERS)) == len(MARKERS)
