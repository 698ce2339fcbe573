"""How digits that were read are shown, without rich: it takes longer to import than to read."""

from collections.abc import Iterator, Sequence
from itertools import chain, groupby

from digitflow.predict.predictions import Prediction

SIGNS = {"read": "", "unsure": "?", "not a digit": "#"}

MOST_REASONS = 10


def describe_file(digits: Sequence[Prediction]) -> Iterator[str]:
    """Yield the lines that tell what was read in one picture."""
    if len(digits) == 1:
        yield f"{digits[0].file}: {_describe_digit(digits[0])}"
        return
    lines = [list(line) for _, line in groupby(digits, key=lambda digit: digit.line)]
    on = "1 line" if len(lines) == 1 else f"{len(lines)} lines"
    yield f"{digits[0].file}: {len(digits)} digits on {on}{_explain_signs(digits)}"
    for line in lines:
        yield "  " + " ".join(_sign(digit) for digit in line)
    reasons = list(chain.from_iterable(_describe_reasons(line) for line in lines))
    yield from reasons[:MOST_REASONS]
    if len(reasons) > MOST_REASONS:
        yield f"  and {len(reasons) - MOST_REASONS} more that are doubtful; --json has all"


def _sign(digit: Prediction) -> str:
    # What is no digit is not shown as one, however much it resembles it.
    shown = "" if digit.status == "not a digit" else str(digit.digit)
    return shown + SIGNS[digit.status]


def _explain_signs(digits: Sequence[Prediction]) -> str:
    seen = {digit.status for digit in digits}
    signs = [f"{sign} {status}" for status, sign in SIGNS.items() if sign and status in seen]
    return f" ({', '.join(signs)})" if signs else ""


def _describe_reasons(line: Sequence[Prediction]) -> Iterator[str]:
    for place, digit in enumerate(line, start=1):
        if digit.reasons and digit.box is not None:
            left, top, width, height = digit.box
            where = f"{width} x {height} at {left}, {top}"
            named = f"line {digit.line + 1}, digit {place} ({where})"
            yield f"  {named}: {_describe_digit(digit)}"


def _describe_digit(digit: Prediction) -> str:
    others = ", ".join(f"{other} {share:.2%}" for other, share in digit.runners_up)
    chances = f"({digit.probability:.2%}; then {others})"
    if digit.status == "read":
        return f"{digit.digit} {chances}"
    return f"{digit.digit} {chances} {digit.status}: {'; '.join(digit.reasons)}"
