"""Chapter `explore`: what the columns hold, where the rows are, what goes with the target."""

from typing import Any

from digitflow.config.table import PLACE
from digitflow.reports.charts import draw_bars
from digitflow.reports.columns import (
    draw_columns,
    draw_map,
    draw_points,
    draw_scatter_matrix,
)
from digitflow.studies.chapter import (
    Chapter,
    ChapterContext,
    Part,
    Parts,
    Table,
    check_number,
)
from digitflow.studies.scope import TableScope
from digitflow.studies.table.data import open_train
from digitflow.studies.table.experiments.explore import join_target

# The target, and the columns that go with it most.
IN_MATRIX = 4
SHARE = 100
PUBLISHED_MISSING = {"total_bedrooms": 207}
PUBLISHED_CORRELATIONS = {
    "median_income": 0.68838,
    "rooms_per_house": 0.143663,
    "total_rooms": 0.137455,
    "housing_median_age": 0.102175,
    "bedrooms_per_room": -0.256397,
}
LAST_DIGIT = 5e-7


def compose(context: ChapterContext) -> Chapter:
    """Show the columns, their gaps and caps, the map, and what goes with the target."""
    scope = TableScope.of(context.scope)
    columns, cells, found = (
        context.results[name].values for name in ("columns", "gaps and caps", "correlations")
    )
    return Chapter(
        section="explore",
        title="The rows themselves",
        question=f"What do the columns hold, and what goes with {scope.target}?",
        findings=_conclude(scope, cells, found),
        parts=(
            *_show_columns(context, scope, columns),
            *_list_cells(cells),
            *_show_map(context, scope),
            *_show_pairs(context, scope, found["columns"]),
            *_show_correlations(context, scope, found),
        ),
    )


def _conclude(scope: TableScope, cells: Any, found: Any) -> tuple[str, ...]:
    known = _rank(found["columns"])
    best = next(iter(known))
    gaps = ", ".join(f"{n:,} of {name}" for name, n in cells["missing"].items())
    caps = ", ".join(f"{n:,} of {name}" for name, n in cells["capped"].items() if n)
    said = [
        f"{best} goes with {scope.target} most (correlation {known[best]:.3f}).",
        f"Of {cells['rows']:,} rows, cells are missing: {gaps or 'none'}; cut off at their "
        f"largest value: {caps or 'none'}.",
    ]
    if ratios := _rank(found["ratios"]):
        said.append(_compare_ratio(scope, *next(iter(ratios.items())), found["columns"]))
    return tuple(said)


def _compare_ratio(scope: TableScope, ratio: str, r: float, columns: Any) -> str:
    # A column that does not change goes with nothing.
    parts = {name: columns[name] or 0.0 for name in scope.settings.ratios[ratio]}
    more = "more" if abs(r) > max(map(abs, parts.values())) else "no more"
    return (
        f"{ratio} says {more} than {' and '.join(parts)} by themselves: {r:.3f} against "
        f"{' and '.join(f'{each:.3f}' for each in parts.values())}."
    )


def _rank(correlations: dict[str, float | None]) -> dict[str, float]:
    """Return those that are known, the strongest first, whatever their sign."""
    known = {name: r for name, r in correlations.items() if r is not None}
    return dict(sorted(known.items(), key=lambda item: -abs(item[1])))


def _show_columns(context: ChapterContext, scope: TableScope, columns: Any) -> Parts:
    frame = join_target(open_train(context), scope.target)
    units = {name: column.unit or "" for name, column in scope.columns.items()}
    head = ("lowest", "25 %", "median", "75 %", "highest")
    numbers = (
        {"column": _label(scope, name), "known": facts["known"], "mean": facts["mean"]}
        | {"deviation": facts["deviation"]}
        | dict(zip(head, facts["quartiles"], strict=True))
        for name, facts in columns["numbers"].items()
    )
    shares = (
        {"column": name, "category": value, "rows": n, "share (%)": SHARE * n / len(frame)}
        for name, counts in columns["categories"].items()
        for value, n in counts.items()
    )
    listed = Table.of(shares, "categories", "Categories, in the training rows", decimals=2)
    return (
        context.figure(
            "columns",
            "What the columns hold, in the training rows",
            "Counts and incomes have long tails to the right; a spike at the end of an axis "
            "is where measurements were cut off.",
            draw_columns,
            frame,
            units,
        ),
        Table.of(numbers, "numbers", "Numbers, in the training rows", decimals=2),
        *((listed,) if listed.rows else ()),
    )


def _list_cells(cells: Any) -> Parts:
    rows = [
        {
            "column": name,
            "missing": cells["missing"].get(name, 0),
            "cut off": cells["capped"].get(name, 0),
            "cut off (% of all rows)": SHARE * cells["capped"].get(name, 0) / cells["rows"],
        }
        for name in {**cells["missing"], **cells["capped"]}
    ]
    published = (
        check_number(f"cells of {name} that are missing", n, cells["missing"].get(name, 0), 0.5)
        for name, n in PUBLISHED_MISSING.items()
    )
    listed = Table.of(
        rows,
        "gaps",
        "Cells that are missing or cut off, among all rows",
        "What is cut off is at least so much: no model can tell how much more.",
        decimals=2,
    )
    return (*((listed,) if rows else ()), *published)


def _show_map(context: ChapterContext, scope: TableScope) -> Parts:
    if not set(PLACE) <= scope.columns.keys():
        return ()
    rows = open_train(context)
    size = scope.settings.size
    told = f"; the area of a dot its {size}" if size else ""
    return (
        context.figure(
            "map",
            f"Where the rows are, and their {scope.target}",
            f"A dot is a row, its colour its {scope.target}{told}. Where one is says much of "
            f"what a house costs: dear places lie together, most along the coast.",
            draw_map,
            rows.frame[list(PLACE)].to_numpy(),
            rows.targets,
            _label(scope, scope.target),
            rows.frame[size].to_numpy() if size else None,
            scope.columns[size].unit or size if size else "",
        ),
    )


def _label(scope: TableScope, name: str) -> str:
    unit = scope.columns[name].unit
    return f"{name} ({unit})" if unit else name


def _show_pairs(context: ChapterContext, scope: TableScope, correlations: Any) -> Parts:
    frame = join_target(open_train(context), scope.target)
    ranked = list(_rank(correlations))
    shown = [scope.target, *ranked[: IN_MATRIX - 1]]
    cap = scope.columns[scope.target].capped
    caps = f" The line at {cap:,.0f} is where {scope.target} was cut off." if cap else ""
    return (
        context.figure(
            "pairs",
            "Columns against one another",
            f"{scope.target} and the columns that go with it most, in the training rows.",
            draw_scatter_matrix,
            frame[shown],
        ),
        context.figure(
            "strongest",
            f"{scope.target} against {ranked[0]}",
            f"The correlation is {correlations[ranked[0]]:.3f}.{caps}",
            draw_points,
            frame[ranked[0]].to_numpy(),
            frame[scope.target].to_numpy(),
            _label(scope, ranked[0]),
            _label(scope, scope.target),
        ),
    )


def _show_correlations(context: ChapterContext, scope: TableScope, found: Any) -> Parts:
    ranked = _rank(found["columns"] | found["ratios"])
    names = sorted(ranked, key=lambda name: -ranked[name])
    series: dict[str, list[float | None]] = {
        "columns": [found["columns"].get(name) for name in names]
    }
    if found["ratios"]:
        series["combined features"] = [found["ratios"].get(name) for name in names]
    listed: list[Part] = [
        check_number(f"correlation of {name} with {scope.target}", r, ranked[name], LAST_DIGIT)
        for name, r in PUBLISHED_CORRELATIONS.items()
        if name in ranked
    ]
    return (
        context.figure(
            "correlations",
            f"Correlation with {scope.target}",
            "Pearson's coefficient in the training rows, from -1 to 1, of columns as they are "
            "and of features combined of two: what goes up with the target stands above, what "
            "goes down below.",
            draw_bars,
            names,
            series,
            f"correlation with {scope.target}",
            3,
        ),
        Table.behind("correlations", ("feature", "correlation"), ranked.items()),
        *listed,
    )
