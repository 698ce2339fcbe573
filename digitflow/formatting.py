"""Numbers written for people: sizes, times, shares, counts and moments."""

import math
from datetime import UTC, datetime


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
