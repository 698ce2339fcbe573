"""What the commands share: their options, and how each prints its result."""

import codecs
import io
import json
import sys
import unicodedata
from collections.abc import Callable
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

Result = TypeVar("Result")

Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks and every log line.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a script.")]
ModelName = Annotated[
    str | None,
    typer.Option("--model", help="Registered model (default: digits, else digits-sample)."),
]
ConfigFile = Annotated[Path, typer.Option("--config", "-c", help="The config file.")]
PLAIN_SIGNS = {
    "✓": "+", "✗": "x", "→": "->", "←": "<-", "≥": ">=", "≤": "<=", "±": "+-", "×": "x",
    "–": "-", "—": "-", "−": "-", "·": "-", "•": "*", "“": '"', "”": '"', "‘": "'", "’": "'",
    "★": "*", "µ": "u", "░": ".", "▒": ":", "▓": "%", "█": "#", "▀": "#", "▄": "#",
}  # fmt: skip
DEFAULT_CONFIG = Path("configs/digits.yaml")


def print_result(value: Result, as_json: bool, show: Callable[[Result], None]) -> None:
    """Print a command's result for a script or for a person."""
    if as_json:
        typer.echo(json.dumps(_drop_nan(value), indent=2, default=str))
    else:
        show(value)


def print_error(message: str) -> None:
    """Print an error in one line to standard error."""
    typer.echo(f"digitflow: error: {message}", err=True)


def use_plain_signs() -> None:
    """Write what a terminal's encoding lacks, in ASCII for example, as plain signs."""
    codecs.register_error("plain", _write_plainly)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="plain")


def _write_plainly(error: UnicodeError) -> tuple[str, int]:
    """Say what to write instead of what can't be encoded: see `codecs.register_error`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    return "".join(map(_find_plain, signs)), error.end


def _find_plain(sign: str) -> str:
    """Return a sign of ours in ASCII, or a letter without its accent, or a question mark."""
    letters = unicodedata.normalize("NFKD", sign).encode("ascii", "ignore").decode()
    return PLAIN_SIGNS.get(sign) or letters or "?"


def _drop_nan(value: Any) -> Any:
    """Write what is no number as null: JSON has no NaN, and strict readers refuse it."""
    if isinstance(value, float) and not isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _drop_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_drop_nan(item) for item in value]
    return value
