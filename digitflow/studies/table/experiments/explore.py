"""Section `explore`: what the columns hold, before anything is learnt from them."""

from typing import TYPE_CHECKING, Any

import numpy as np

from digitflow.features.frames import Ratio
from digitflow.studies.plan import ExperimentContext, Findings, Plan, plan_experiment
from digitflow.studies.scope import TableScope
from digitflow.studies.table.data import Rows, find_table, open_rows, open_train

if TYPE_CHECKING:
    import pandas as pd

QUARTILES = (0.0, 0.25, 0.5, 0.75, 1.0)


def plan(scope: TableScope) -> Plan:
    """Return the experiments: the columns, their gaps and caps, their correlations."""
    capped = {
        name: column.capped
        for name, column in scope.columns.items()
        if column.capped is not None
    }
    ratios = {name: list(pair) for name, pair in scope.settings.ratios.items()}
    return (
        plan_experiment("columns", describe_columns, target=scope.target),
        plan_experiment("gaps and caps", count_cells, target=scope.target, capped=capped),
        plan_experiment("correlations", correlate, target=scope.target, ratios=ratios),
    )


def join_target(rows: Rows, target: str) -> "pd.DataFrame":
    """Return the features and, as the last column, the target."""
    return rows.frame.assign(**{target: rows.targets})


def describe_columns(context: ExperimentContext, target: str) -> Findings:
    """Describe what the training rows hold.

    Returns
    -------
    Findings
        values "numbers" ({column: "known", "mean", "deviation", "quartiles"}) and "categories"
        ({column: {category: rows}}).
    """
    frame = join_target(open_train(context), target)
    numbers = frame.select_dtypes("number")
    return Findings(
        values={
            "numbers": {name: _describe_numbers(numbers[name]) for name in numbers},
            "categories": {
                name: {str(value): int(n) for value, n in frame[name].value_counts().items()}
                for name in frame.columns.difference(numbers.columns)
            },
        }
    )


def _describe_numbers(cells: "pd.Series") -> dict[str, Any]:
    return {
        "known": int(cells.notna().sum()),
        "mean": float(cells.mean()),
        "deviation": float(cells.std()),
        "quartiles": cells.quantile(list(QUARTILES)).tolist(),
    }


def count_cells(context: ExperimentContext, target: str, capped: dict[str, float]) -> Findings:
    """Count cells that are missing, or cut off, among all rows.

    Returns
    -------
    Findings
        values "rows", "missing" and "capped" ({column: cells}, those that have some).
    """
    table = open_rows(context.store, find_table(context))
    frame = join_target(table, target)
    missing = {str(name): int(n) for name, n in frame.isna().sum().items() if n}
    cut = {name: int((frame[name] == cap).sum()) for name, cap in capped.items()}
    return Findings(values={"rows": len(frame), "missing": missing, "capped": cut})


def correlate(
    context: ExperimentContext, target: str, ratios: dict[str, list[str]]
) -> Findings:
    """Correlate columns, and one column by another, with the target (Pearson).

    Returns
    -------
    Findings
        values "columns" and "ratios" ({name: r}; None where a column does not change).
    """
    frame = join_target(open_train(context), target)
    numbers = frame.select_dtypes("number")
    combined = {name: Ratio().fit_transform(frame[pair])[:, 0] for name, pair in ratios.items()}
    joined = numbers.assign(**combined).corr()[target].drop(target)
    found = {str(name): None if np.isnan(r) else float(r) for name, r in joined.items()}
    return Findings(
        values={
            "columns": {name: r for name, r in found.items() if name not in ratios},
            "ratios": {name: found[name] for name in ratios},
        }
    )
