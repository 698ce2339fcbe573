"""Numbers written for people: sizes, times, shares, counts and moments.

The one place for it: console, pages, verdicts and studies say the same in the same way.
"""

import math
import re
from datetime import UTC, datetime

from digitflow.errors import InputError


def format_bytes(count: float) -> str:
    """Write a size in bytes; a KB is 1,024 of them.

    >>> format_bytes(2048)
    '2.0 KB'
    """
    if count < 1024:
        return f"{count:.0f} B"
    for unit in ("KB", "MB"):
        count /= 1024
        if count < 1024:
            return f"{count:.1f} {unit}"
    return f"{count / 1024:.1f} GB"


_UNITS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def parse_bytes(text: str) -> int:
    """Read a size as people write it; a KB is 1,024 bytes, as in `format_bytes`.

    Raises
    ------
    InputError
        If it is no number with B, KB, MB, GB or TB.

    >>> parse_bytes("20GB"), parse_bytes("1.5 kb")
    (21474836480, 1536)
    """
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([KMGT]?)B?\s*", text.upper())
    if found is None:
        raise InputError(f"a size is a number with B, KB, MB, GB or TB, got {text!r}")
    return int(float(found[1]) * 1024 ** _UNITS[found[2]])


def format_seconds(seconds: float) -> str:
    """Write a duration, to what matters at its length.

    >>> format_seconds(0.0421), format_seconds(75), format_seconds(0.000004)
    ('42 ms', '1 min 15 s', '4.0 µs')
    """
    if 0 < seconds < 0.0000995:
        return f"{1e6 * seconds:.1f} µs"
    if seconds < 0.00995:
        return f"{1000 * seconds:.1f} ms"
    if seconds < 0.9995:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def format_share(share: float) -> str:
    """Write a share of 1 in percent, rounded to what 10,000 images can tell.

    >>> format_share(0.99514)
    '99.51 %'
    """
    return "not a number" if math.isnan(share) else f"{100 * share:.2f} %"


def format_figure(name: str, value: float, unit: str = "") -> str:
    """Write a figure of a model as its kind is written, with its unit.

    >>> format_figure("accuracy", 0.99514), format_figure("RMSE", 39123.4, "USD")
    ('99.51 %', '39,123 USD')
    """
    if name == "accuracy":
        return format_share(value)
    return format_value(value, unit if name in _OF_UNIT else "")


def format_value(value: float, unit: str = "") -> str:
    """Write a value with its unit: to ones from a thousand on, else to four digits.

    >>> format_value(39123.4, "USD"), format_value(0.5)
    ('39,123 USD', '0.5000')
    """
    written = f"{value:,.0f}" if abs(value) >= 1000 else format_number(value)
    return f"{written} {unit}".rstrip()


_OF_UNIT = ("RMSE", "MAE", "median error", "bias")


def format_number(value: float) -> str:
    """Write a number to four digits.

    >>> format_number(0.5), format_number(0.00001234)
    ('0.5000', '1.234e-05')
    """
    if math.isnan(value):
        return "not a number"
    return f"{value:.4f}" if value == 0 or 1e-4 <= abs(value) < 100 else f"{value:.4g}"


def format_signed(value: float) -> str:
    """Write a difference with its sign, to four digits.

    >>> format_signed(0.0012), format_signed(-0.5)
    ('+0.0012', '−0.5000')
    """
    written = format_number(abs(value))
    if value == 0 or math.isnan(value):
        return written
    return f"{'+' if value > 0 else '−'}{written}"


def format_points(delta: float) -> str:
    """Write a difference of two shares in points of a hundred, with its sign.

    >>> format_points(-0.00182)
    '-0.18'
    """
    return f"{100 * delta + 0.0:+.2f}"


def format_count(count: int, one: str, many: str | None = None) -> str:
    """Write a count with its noun.

    >>> format_count(1, "loss", "losses"), format_count(1200, "image")
    ('1 loss', '1,200 images')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def format_cell(value: str | float | None, decimals: int) -> str:
    """Write a cell of a table: floats to so many decimals, thousands apart, None as a dash.

    What would be shown as nothing and isn't is shown to one digit: 3e-08.

    >>> format_cell(1234.567, 1), format_cell(60_000, 1), format_cell(3e-8, 2)
    ('1,234.6', '60,000', '3e-08')
    """
    if value is None:
        return "–"
    if isinstance(value, float):
        small = 0 < abs(value) < 0.5 * 10**-decimals
        return f"{value:.0e}" if small else f"{value:,.{decimals}f}"
    return f"{value:,}" if isinstance(value, int) else value


def format_moment(moment: str) -> str:
    """Write an ISO 8601 moment in UTC; one without a zone, or no moment, as it is.

    >>> format_moment("2026-11-21T07:41:02+01:00")
    '2026-11-21 06:41:02 UTC'
    """
    try:
        parsed = datetime.fromisoformat(moment)
    except ValueError:
        return moment
    if parsed.tzinfo is None:
        return moment
    return f"{parsed.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
