"""Options that many commands share, and how each prints its result."""

import json
from collections.abc import Callable
from math import isfinite
from typing import Annotated, Any

import typer

Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks and every log line.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a script.")]
ModelName = Annotated[
    str | None, typer.Option("--model", help="Registered model; else digits, digits-sample.")
]


def print_result(value: Any, as_json: bool, show: Callable[[Any], None]) -> None:
    """Print a command's result for a script or for a person."""
    if as_json:
        typer.echo(json.dumps(_drop_nan(value), indent=2, default=str))
    else:
        show(value)


def _drop_nan(value: Any) -> Any:
    """Write what is no number as null: JSON has no NaN, and strict readers refuse it."""
    if isinstance(value, float) and not isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _drop_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_drop_nan(item) for item in value]
    return value
