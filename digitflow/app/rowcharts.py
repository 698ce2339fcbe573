"""Charts of one row of a table, drawn by the browser: its place, its value, what moved it."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import streamlit as st

from digitflow.config.table import PLACE
from digitflow.data.facts import TableFacts
from digitflow.formatting import format_share, format_value
from digitflow.predict.rows import RowPrediction
from digitflow.reports.charts import COLOURS

BINS = 40
MAP_HEIGHT, VALUES_HEIGHT, BAR = 380, 170, 26
# Of names beside bars: as wide as the widest, so that nothing moves.
NAMES = {"title": None, "axis": {"labelLimit": 150, "labelOverlap": False}}


def draw_place(
    key: str,
    records: np.ndarray,
    rows: np.ndarray,
    targets: np.ndarray,
    here: Mapping[str, Any],
    table: TableFacts,
    on_click: Callable[[], None],
) -> None:
    """Draw a dot for each record at its longitude and latitude, and a cross for a row.

    Parameters
    ----------
    rows : ndarray of shape (n,), int
        What a click gives of each record, as `row` of the selection `place`.
    targets : ndarray of shape (n,)
        Values or names of classes, told by colour.
    """
    import pandas as pd

    places = {name: [*records[name], here[name]] for name in PLACE}
    # One table for all, so that the browser keeps the picture when the cross moves.
    dots = pd.DataFrame(
        places | {"target": [*targets, targets[0]], "row": [*rows, -1], "kind": "row"}
    )
    dots.loc[len(rows), "kind"] = "here"
    st.vega_lite_chart(
        dots,
        _build_map(table),
        height=MAP_HEIGHT,
        key=key,
        on_select=on_click,
        selection_mode="place",
        alt=f"A map of {len(rows):,} training rows, their {table.target} told by colour",
    )


def _build_map(table: TableFacts) -> dict[str, Any]:
    def axis(name: str) -> dict[str, Any]:
        return {"field": name, "type": "quantitative", "scale": {"zero": False}}

    colour: dict[str, Any] = {
        "field": "target",
        "type": "nominal" if table.classes else "quantitative",
        "legend": {"orient": "top", "title": table.unit or None, "format": "~s"},
    }
    if table.classes:
        colour["scale"] = {"range": list(COLOURS)}
        del colour["legend"]["format"]
    else:
        colour["scale"] = {"scheme": "viridis"}
    is_here = {"test": "datum.kind === 'here'"}
    return {
        "params": [{"name": "place", "select": {"type": "point", "fields": ["row"]}}],
        "mark": {"type": "point", "filled": True},
        "encoding": {
            "x": axis(PLACE[0]),
            "y": axis(PLACE[1]),
            "color": {"condition": is_here | {"value": COLOURS[1]}, **colour},
            "shape": {"condition": is_here | {"value": "cross"}, "value": "circle"},
            "size": {"condition": is_here | {"value": 260}, "value": 36},
            "opacity": {"condition": is_here | {"value": 1}, "value": 0.7},
            "tooltip": [{"field": "target", "title": table.target, "format": ",.4~r"}]
            if not table.classes
            else [{"field": "target", "title": table.target}],
        },
    }


def draw_values(targets: np.ndarray, found: RowPrediction) -> None:
    """Draw how the training targets (n,) are spread, the predicted value and its interval."""
    counts, edges = np.histogram(targets, BINS)
    bars = [
        {"from": low, "to": high, "rows": count}
        for low, high, count in zip(edges[:-1], edges[1:], counts.tolist(), strict=True)
    ]
    low, high = found.interval or (found.value, found.value)
    x = {"type": "quantitative", "title": found.unit or found.target, "axis": {"format": "~s"}}
    y = {"field": "rows", "type": "quantitative", "title": "training rows"}
    inside = {"values": [{"low": low, "high": high, "value": found.value}]}
    spec = {
        "layer": [
            {
                "data": {"values": bars},
                "mark": {"type": "bar", "color": COLOURS[5], "binSpacing": 1},
                "encoding": {"x": x | {"field": "from", "bin": "binned"}, "x2": {"field": "to"},
                             "y": y},
            },
            {
                "data": inside,
                "mark": {"type": "rect", "color": COLOURS[1], "opacity": 0.2},
                "encoding": {"x": x | {"field": "low"}, "x2": {"field": "high"}},
            },
            {
                "data": inside,
                "mark": {"type": "rule", "color": COLOURS[1], "strokeWidth": 3},
                "encoding": {"x": x | {"field": "value"}},
            },
        ]
    }  # fmt: skip
    place = float(np.mean(targets < found.value))
    said = f"{format_share(place)} of the training rows are below the prediction"
    st.vega_lite_chart(spec, height=VALUES_HEIGHT, alt=said)
    st.caption(f"The line is the prediction, the band its interval. {said}.")


def draw_classes(probabilities: Mapping[str, float], shares: Mapping[str, float]) -> None:
    """Draw the probability of each class as a bar, and its share of the training rows."""
    rows = [
        {"class": name, "probability": share, "training": shares.get(name, 0.0)}
        for name, share in probabilities.items()
    ]
    x = {"type": "quantitative", "title": None, "scale": {"domain": [0, 1]},
         "axis": {"format": ".0%"}}  # fmt: skip
    y = {"field": "class", "type": "nominal", "sort": None, **NAMES}
    tooltip = [
        {"field": "class"},
        {"field": "probability", "format": ".3%"},
        {"field": "training", "title": "of the training rows", "format": ".3%"},
    ]
    bars = {
        "mark": {"type": "bar", "color": COLOURS[5]},
        "encoding": {"x": x | {"field": "probability"}, "y": y, "tooltip": tooltip},
    }
    ticks = {
        "mark": {"type": "tick", "color": COLOURS[1], "thickness": 3},
        "encoding": {"x": x | {"field": "training"}, "y": y, "tooltip": tooltip},
    }
    said = ", ".join(f"{name} {share:.1%}" for name, share in probabilities.items())
    spec = {"layer": [bars, ticks] if shares else [bars]}
    st.vega_lite_chart(rows, spec, height=60 + BAR * len(rows), alt=said)
    if shares:
        st.caption("The line in each bar is the class's share of the training rows.")


def draw_effects(
    effects: Mapping[str, float], row: Mapping[str, Any], unit: str, is_share: bool
) -> None:
    """Draw by how much each cell moves the prediction, the largest first.

    Parameters
    ----------
    is_share : bool
        Whether they are differences of a probability.
    """

    def write(effect: float) -> str:
        said = format_share(effect) if is_share else format_value(effect, unit)
        return f"+{said}" if effect > 0 else said

    rows = [
        {
            "column": name,
            "effect": effect,
            "cell": str(row[name]),
            "changes it by": write(effect),
            "direction": "raises it" if effect > 0 else "lowers it",
        }
        for name, effect in effects.items()
    ]
    spec = {
        "mark": {"type": "bar"},
        "encoding": {
            "y": {"field": "column", "type": "nominal", "sort": None, **NAMES},
            "x": {
                "field": "effect",
                "type": "quantitative",
                "title": "probability" if is_share else unit or None,
                "axis": {"format": "+.0%" if is_share else "+~s"},
            },
            "color": {
                "field": "direction",
                "type": "nominal",
                "scale": {
                    "domain": ["raises it", "lowers it"],
                    "range": [COLOURS[1], COLOURS[5]],
                },
                "legend": {"orient": "top", "title": None},
            },
            "tooltip": [
                {"field": name, "type": "nominal"}
                for name in ("column", "cell", "changes it by")
            ],
        },
    }
    said = "; ".join(f"{each['column']} {each['changes it by']}" for each in rows)
    st.vega_lite_chart(rows, spec, height=80 + BAR * len(rows), alt=said)
