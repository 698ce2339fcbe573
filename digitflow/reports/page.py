"""Pages of HTML that need nothing beside themselves: templates, styles, numbers for people."""

from base64 import b64encode
from collections.abc import Callable
from typing import Any

from digitflow import formatting
from digitflow.formatting import format_figure

SHOWN_DIGEST = 12


def render_page(template: str, **values: Any) -> str:
    """Fill a template of the package, such as "reports/training.html.j2", with values.

    Styles and pictures are inside, scripts there are none; values are escaped.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("digitflow", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= _filters()
    environment.globals["figure_of"] = write_figure
    return environment.get_template(template).render(**values)


def write_figure(name: str, value: float | None, unit: str = "") -> str:
    """Write a figure of a model for a page, see `format_figure`; a dash where there is none."""
    return "–" if value is None else _keep_together(format_figure(name, value, unit))


def _filters() -> dict[str, Callable[[Any], str]]:
    formats: dict[str, Callable[[Any], str]] = {
        "bytes": formatting.format_bytes,
        "seconds": formatting.format_seconds,
        "milliseconds": lambda value: formatting.format_seconds(value / 1000),
        "share": lambda share: _keep_together(formatting.format_share(share)),
        "number": formatting.format_number,
        "signed": formatting.format_signed,
        "moment": formatting.format_moment,
        "thousands": lambda count: f"{count:,}",
        "unbroken": _keep_together,
        "brief": lambda digest: digest[:SHOWN_DIGEST],
        "png": lambda png: f"data:image/png;base64,{b64encode(png).decode()}",
    }
    return {name: _dash_for_none(format_value) for name, format_value in formats.items()}


def _dash_for_none(format_value: Callable[[Any], str]) -> Callable[[Any], str]:
    return lambda value: "–" if value is None else format_value(value)


def _keep_together(text: str) -> str:
    return text.replace(" %", "\N{NO-BREAK SPACE}%")
