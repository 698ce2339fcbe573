"""Chapter `evaluate`: how far predictions are off on the test rows, and where."""

from typing import Any

import numpy as np

from digitflow.config.table import PLACE
from digitflow.formatting import format_figure
from digitflow.reports.charts import draw_bars, draw_histogram
from digitflow.reports.columns import draw_map, draw_points
from digitflow.studies.chapter import (
    Chapter,
    ChapterContext,
    Part,
    Parts,
    Table,
    check_number,
)
from digitflow.studies.scope import TableScope
from digitflow.studies.table.data import Rows, open_test
from digitflow.studies.table.experiments.search import tell

# Géron, 3rd edition, chapter 2: RMSE on the test rows with its 95 % interval by t, in USD, met
# within one in a hundred.
PUBLISHED = {
    "RMSE on the test rows": 41_424,
    "low end of its 95 % interval": 39_275,
    "high end of its 95 % interval": 43_467,
}
NEAR = 0.01
WAYS = {
    "t": "Student's t",
    "z": "normal distribution (z)",
    "bootstrap": "bootstrap, percentiles of 2,000 draws",
}


def compose(context: ChapterContext) -> Chapter:
    """Show figures with their intervals, and errors by value, region and slice."""
    scope, rows = TableScope.of(context.scope), open_test(context)
    found, groups = (context.results[name].values for name in ("errors", "groups"))
    (predicted,) = context.open("best", "predicted")
    unit = f" ({scope.unit})" if scope.unit else ""
    return Chapter(
        section="evaluate",
        title="The best of the searches, on the test rows",
        question="How far are predictions off on rows that nothing was learnt from or chosen "
        "by, and where most?",
        findings=_conclude(context, scope, found, groups),
        parts=(
            *_list_published(found, unit),
            _list_figures(found, unit),
            _list_intervals(found, unit),
            *_show_errors(context, scope, rows, predicted, unit),
            *(_show_groups(context, by, own, unit) for by, own in groups["groups"].items()),
            Table.of(_list_groups(groups, unit), "groups", "Errors by group", decimals=1),
            *_show_worst(context, scope, rows, predicted, groups["worst"]),
        ),
    )


def _conclude(
    context: ChapterContext, scope: TableScope, found: Any, groups: Any
) -> tuple[str, ...]:
    best = context.results["best"].values
    low, high = found["intervals"]["t"]
    most = {
        by: max(own, key=lambda group: group["rmse"]) for by, own in groups["groups"].items()
    }
    told = (f"{by} {group['group']} ({_write(group['rmse'])})" for by, group in most.items())
    return (
        f"Test RMSE {_write(found['figures']['RMSE'], scope.unit)}, 95 % interval "
        f"{_write(low)} to {_write(high)}, by a forest with {tell(best['params'])} (by folds: "
        f"{_write(best['score'])}).",
        f"Errors are largest (RMSE) in: {', '.join(told)}.",
    )


def _write(rmse: float, unit: str = "") -> str:
    return format_figure("RMSE", rmse, unit)


def _list_published(found: Any, unit: str) -> Parts:
    measured = (found["figures"]["RMSE"], *found["intervals"]["t"])
    return tuple(
        check_number(f"{what}{unit}", expected, round(value), NEAR * expected)
        for (what, expected), value in zip(PUBLISHED.items(), measured, strict=True)
    )


def _list_figures(found: Any, unit: str) -> Part:
    # A share has no unit.
    rows = (
        {"figure": f"{name}{'' if name == 'R2' else unit}", "value": value}
        for name, value in found["figures"].items()
    )
    return Table.of(rows, "figures", "Figures on the test rows", decimals=3)


def _list_intervals(found: Any, unit: str) -> Part:
    rows = (
        {"by": WAYS[name], f"low{unit}": low, f"high{unit}": high, "width": high - low}
        for name, (low, high) in found["intervals"].items()
    )
    return Table.of(
        rows,
        "intervals",
        "95 % interval of the test RMSE, three ways",
        "t and z take the mean of the squared errors for normally distributed; the bootstrap "
        "draws the errors again. With many rows they agree.",
        decimals=1,
    )


def _show_errors(
    context: ChapterContext,
    scope: TableScope,
    rows: Rows,
    predicted: np.ndarray,
    unit: str,
) -> Parts:
    errors, cap = predicted - rows.targets, scope.columns[scope.target].capped
    half = float(np.median(np.abs(errors)))
    within = float(np.mean(np.abs(errors) <= np.abs(rows.targets) / 10))
    capped = (
        f" Points in the last column are cut off at {cap:,.0f}: a forest, which averages, "
        "stays below."
        if cap
        else ""
    )
    return (
        context.figure(
            "predicted",
            "Predicted against true",
            f"{within:.0%} of the predictions are within a tenth of the true value.{capped}",
            draw_points,
            rows.targets,
            predicted,
            f"true {scope.target}{unit}",
            f"predicted{unit}",
            diagonal="predicted = true",
        ),
        context.figure(
            "errors",
            "How errors are spread",
            f"Half of them are below {_write(half)}, whatever their sign; the few large ones "
            f"make the RMSE.",
            draw_histogram,
            {"test rows": errors},
            f"predicted less true{unit}",
            "test rows",
        ),
    )


def _show_groups(context: ChapterContext, by: str, own: Any, unit: str) -> Part:
    worst = max(own, key=lambda group: group["rmse"])
    large = worst["rmse"] >= 1000
    return context.figure(
        f"by-{by.replace(' ', '-').replace('_', '-').lower()}",
        f"Errors by {by}",
        f"Largest: {worst['group']}, of which there are {worst['rows']:,} test rows. A bias "
        f"below 0 means that predictions are too low.",
        draw_bars,
        [f"{group['group']} ({group['rows']:,})" for group in own],
        {
            "RMSE": [group["rmse"] for group in own],
            "MAE": [group["mae"] for group in own],
            "bias": [group["bias"] for group in own],
        },
        f"error{unit}",
        0 if large else 3,
    )


def _list_groups(groups: Any, unit: str) -> list[dict[str, Any]]:
    return [
        {
            "by": by,
            "group": group["group"],
            "rows": group["rows"],
            f"RMSE{unit}": group["rmse"],
            "MAE": group["mae"],
            "bias": group["bias"],
        }
        for by, own in groups["groups"].items()
        for group in own
    ]


def _show_worst(
    context: ChapterContext,
    scope: TableScope,
    rows: Rows,
    predicted: np.ndarray,
    worst: list[int],
) -> Parts:
    listed = Table.of(
        (_describe_row(scope, rows, predicted, row) for row in worst),
        "worst",
        "The largest errors",
        "Where a prediction is far off, look at the row first: few people, a place of its "
        "own, a value that was cut off.",
        decimals=2,
    )
    if not set(PLACE) <= set(rows.frame.columns):
        return (listed,)
    unit = f" ({scope.unit})" if scope.unit else ""
    drawn = context.figure(
        "map",
        "Where predictions are off",
        f"Red is too high, blue too low; the {len(worst)} largest errors have a ring.",
        draw_map,
        rows.frame[list(PLACE)].to_numpy(),
        predicted - rows.targets,
        f"predicted less true{unit}",
        signed=True,
        ringed=worst,
        ring_label=f"the {len(worst)} largest errors",
    )
    return (drawn, listed)


def _describe_row(
    scope: TableScope, rows: Rows, predicted: np.ndarray, row: int
) -> dict[str, Any]:
    """Return a row's target, what was predicted, and what tells where and what it is."""
    cells = {str(name): cell for name, cell in rows.frame.iloc[row].items()}
    groups = () if scope.stratify is None else (scope.stratify.column,)
    told = {*PLACE, *groups, scope.settings.size, *_list_categories(scope)}
    return {
        f"true {scope.target}": float(rows.targets[row]),
        "predicted": float(predicted[row]),
        "off by": float(predicted[row] - rows.targets[row]),
    } | {name: None if cell != cell else cell for name, cell in cells.items() if name in told}


def _list_categories(scope: TableScope) -> list[str]:
    return [name for name, column in scope.columns.items() if column.type == "category"]
