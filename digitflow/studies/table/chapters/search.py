"""Chapter `search`: which combinations of parameters predict best."""

from typing import Any

import numpy as np

from digitflow.formatting import format_figure
from digitflow.reports.charts import draw_lines, draw_matrix
from digitflow.reports.columns import draw_points
from digitflow.studies.chapter import (
    Cell,
    Chapter,
    ChapterContext,
    Part,
    Parts,
    Table,
    Text,
)
from digitflow.studies.scope import TableScope
from digitflow.studies.table.experiments.search import SEARCHES, tell

LISTED = 12


def compose(context: ChapterContext) -> Chapter:
    """Show every combination that was tried, and how they came out."""
    scope, trials = TableScope.of(context.scope), _list_trials(context)
    return Chapter(
        section="search",
        title="Search",
        question="Which parameters of the pipeline, recipe and forest together, predict best?",
        findings=_conclude(scope, trials),
        parts=(
            _list_searches(trials, scope),
            _list_best(trials, scope),
            *_tell_failures(trials),
            *_show_grid(context, scope, trials),
            *_show_drawn(context, scope, trials),
            *_show_progress(context, scope, trials),
        ),
    )


def _list_trials(context: ChapterContext) -> list[dict[str, Any]]:
    """Return every combination that was tried, in the order of the plan."""
    return [
        {"search": name.partition(":")[0], "seconds": facts.measured["seconds"]} | facts.values
        for name, facts in context.results.items()
    ]


def _list_scored(trials: Any, search: str | None = None) -> list[dict[str, Any]]:
    return [trial for trial in trials if "score" in trial and search in (None, trial["search"])]


def _conclude(scope: TableScope, trials: Any) -> tuple[str, ...]:
    scored, invalid = _list_scored(trials), sum("error" in trial for trial in trials)
    if not scored:
        return (f"All {len(trials)} combinations are invalid.",)
    best = min(scored, key=lambda trial: trial["score"])
    worst = max(scored, key=lambda trial: trial["score"])
    return (
        f"The {best['search']} search finds the best of {len(trials)} combinations: "
        f"{tell(best['params'])}, RMSE {format_figure('RMSE', best['score'], scope.unit)} by "
        f"{scope.settings.search.folds} folds; the worst has "
        f"{format_figure('RMSE', worst['score'], scope.unit)}.",
        *((f"{invalid} combinations are invalid; the searches went on.",) if invalid else ()),
    )


def _list_searches(trials: Any, scope: TableScope) -> Part:
    rows: list[dict[str, Cell]] = []
    for search in SEARCHES:
        own = [trial for trial in trials if trial["search"] == search]
        scored = _list_scored(trials, search)
        if not scored:
            continue
        best = min(scored, key=lambda trial: trial["score"])
        rows.append(
            {
                "search": search,
                "tried": len(own),
                "invalid": len(own) - len(scored),
                f"best RMSE by folds{_unit(scope)}": best["score"],
                "by": tell(best["params"]),
                "work (s)": sum(trial["seconds"] for trial in own),
            }
        )
    return Table.of(rows, "searches", "What each search found", decimals=1)


def _unit(scope: TableScope) -> str:
    return f" ({scope.unit})" if scope.unit else ""


def _list_best(trials: Any, scope: TableScope) -> Part:
    ranked = sorted(_list_scored(trials), key=lambda trial: trial["score"])
    names = sorted({name for trial in ranked for name in trial["params"]})
    rows = (
        {"search": trial["search"]}
        | {name: trial["params"].get(name) for name in names}
        | {
            f"RMSE, mean{_unit(scope)}": trial["score"],
            "standard deviation": float(np.std(trial["scores"], ddof=1)),
        }
        for trial in ranked
    )
    return Table.of(
        rows,
        "trials",
        "Combinations, the best first",
        f"RMSE by {scope.settings.search.folds} folds of the training rows.",
        decimals=1,
        shown=LISTED,
    )


def _tell_failures(trials: Any) -> Parts:
    failed = [trial for trial in trials if "error" in trial]
    return tuple(
        Text(text=f"Invalid: {tell(trial['params'])}: {trial['error']}") for trial in failed[:3]
    )


def _show_grid(context: ChapterContext, scope: TableScope, trials: Any) -> Parts:
    """Show a grid of two parameters as a matrix; of more there is the table."""
    scored = _list_scored(trials, "grid")
    names = sorted({name for trial in scored for name in trial["params"]})
    if len(names) != 2:
        return ()
    across, down = (sorted({trial["params"][name] for trial in scored}) for name in names)
    values = np.full((len(down), len(across)), np.nan)
    for trial in scored:
        column, row = (trial["params"][name] for name in names)
        values[down.index(row), across.index(column)] = trial["score"]
    return (
        context.figure(
            "grid",
            "RMSE of each combination of the grid",
            f"The lower the better{_unit(scope)}; combinations that are not of the grid are "
            "left blank.",
            draw_matrix,
            values,
            names[0],
            names[1],
            across,
            down,
            0 if np.nanmax(values) >= 1000 else 3,
            # A little below the best, so that it has a colour of its own.
            lowest=float(1.5 * np.nanmin(values) - 0.5 * np.nanmax(values)),
        ),
    )


def _show_drawn(context: ChapterContext, scope: TableScope, trials: Any) -> Parts:
    scored = _list_scored(trials, "randomised")
    names = sorted({name for trial in scored for name in trial["params"]})
    if len(names) != 2:
        return ()
    x, y = (np.array([trial["params"][name] for trial in scored]) for name in names)
    return (
        context.figure(
            "drawn",
            "RMSE of each combination that was drawn",
            "Drawn combinations reach places that a grid of the same size leaves out.",
            draw_points,
            x,
            y,
            names[0],
            names[1],
            np.array([trial["score"] for trial in scored]),
            f"RMSE{_unit(scope)}",
        ),
    )


def _show_progress(context: ChapterContext, scope: TableScope, trials: Any) -> Parts:
    lines = {
        search: (np.arange(1, len(scores) + 1), np.minimum.accumulate(scores))
        for search in SEARCHES
        if (scores := [trial["score"] for trial in _list_scored(trials, search)])
    }
    if not lines:
        return ()
    return (
        context.figure(
            "progress",
            "Best so far",
            "How low each search has come after so many combinations.",
            draw_lines,
            lines,
            "combinations tried",
            f"lowest RMSE by folds{_unit(scope)}",
        ),
    )
