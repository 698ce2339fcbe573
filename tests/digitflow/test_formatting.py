"""Numbers for people."""

import doctest
import math

import pytest

from digitflow import formatting
from digitflow.formatting import (
    format_bytes,
    format_cell,
    format_moment,
    format_number,
    format_points,
    format_seconds,
    format_share,
)


def test_the_examples_in_the_docstrings_hold():
    assert doctest.testmod(formatting).failed == 0


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KB"),
        (3 << 20, "3.0 MB"),
        (5 << 40, "5120.0 GB"),
    ],
)
def test_bytes_get_the_unit_that_fits(count, text):
    assert format_bytes(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 ms"),
        (0.0012, "1.2 ms"),
        (0.00994, "9.9 ms"),
        (0.00996, "10 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 0 s"),
        (119.6, "2 min 0 s"),
        (3599.6, "1 h 0 min"),
        (7384, "2 h 3 min"),
    ],
)
def test_seconds_get_the_unit_that_fits(seconds, text):
    assert format_seconds(seconds) == text


def test_what_is_not_a_number_is_called_so():
    assert format_share(math.nan) == format_number(math.nan) == "not a number"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0.0000"),
        (1, "1.0000"),
        (-0.25, "-0.2500"),
        (123456.0, "1.235e+05"),
        (3e-7, "3e-07"),
    ],
)
def test_numbers_keep_four_digits(value, text):
    assert format_number(value) == text


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        ("2026-11-21T06:41:02+00:00", "2026-11-21 06:41:02 UTC"),
        ("2026-11-21T01:41:02-05:00", "2026-11-21 06:41:02 UTC"),
        ("2026-11-21T06:41:02", "2026-11-21T06:41:02"),
        ("yesterday", "yesterday"),
    ],
)
def test_moments_are_written_in_utc(moment, text):
    assert format_moment(moment) == text


def test_no_difference_has_no_minus():
    assert format_points(-0.0) == "+0.00"


@pytest.mark.parametrize(
    ("cell", "written"), [(None, "–"), (1234.5678, "1,234.57"), (60_000, "60,000"), ("k", "k")]
)
def test_cells_are_written_for_people(cell, written):
    assert format_cell(cell, 2) == written
