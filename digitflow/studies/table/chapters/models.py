"""Chapter `models`: how well each model does on what it learnt from, and on what it did not."""

from typing import Any

import numpy as np

from digitflow.formatting import format_figure
from digitflow.reports.charts import draw_bars
from digitflow.studies.chapter import (
    Chapter,
    ChapterContext,
    Part,
    Parts,
    Table,
    check_number,
)
from digitflow.studies.scope import TableScope
from digitflow.studies.table.experiments.models import FOREST, name_fold
from digitflow.studies.table.models import MEMBERS, MODELS

# Géron, 3rd edition, chapter 2: RMSE in USD, met within one in a hundred.
PUBLISHED = {
    ("train", "linear regression"): 68_688,
    ("train", "decision tree"): 0,
    ("held", FOREST): 47_000,
}
NEAR = 0.01
WORDS = {"train": "on the training rows", "held": "by cross-validation, about"}
# Features beside one another in a figure; the table has all.
SHOWN = 15


def compose(context: ChapterContext) -> Chapter:
    """Show each model's errors, and what the forest looks at."""
    scope = TableScope.of(context.scope)
    scores = _gather(context, scope.settings.folds)
    unit = f" ({scope.unit})" if scope.unit else ""
    return Chapter(
        section="models",
        title="Models",
        question="Which model predicts best, and which has learnt its rows by heart?",
        findings=_conclude(scope, scores),
        parts=(
            *_list_published(scores, unit),
            _list_models(context, scores, unit),
            _show_models(context, scores, unit),
            *_show_importances(context, unit),
        ),
    )


def _gather(context: ChapterContext, folds: int) -> dict[str, dict[str, Any]]:
    """Return of each model the RMSE on its training rows, and of each fold."""
    return {
        model: {
            "train": context.results[f"fit {model}"].values["rmse"],
            "held": [
                context.results[name_fold(model, fold)].values["rmse"] for fold in range(folds)
            ],
        }
        for model in MODELS
    }


def _conclude(scope: TableScope, scores: Any) -> tuple[str, ...]:
    held = {model: float(np.mean(found["held"])) for model, found in scores.items()}
    best = min(held, key=lambda model: held[model])
    spread = {model: float(np.std(found["held"])) for model, found in scores.items()}
    uneven = max(spread, key=lambda model: spread[model])
    ends = [_write(end(scores[uneven]["held"]), scope) for end in (min, max)]
    learnt = min(scores, key=lambda model: scores[model]["train"])
    return (
        f"{best[0].upper()}{best[1:]} predicts best: RMSE {_write(held[best], scope)} by "
        f"{scope.settings.folds} folds.",
        f"The {learnt} has an RMSE of {_write(scores[learnt]['train'], scope)} on the rows "
        f"that it learnt from and {_write(held[learnt], scope)} on others: an error on "
        f"training rows says nothing of new ones.",
        f"The {uneven} depends most on which rows it is asked about: its folds have from "
        f"{ends[0]} to {ends[1]}.",
    )


def _write(rmse: float, scope: TableScope) -> str:
    return format_figure("RMSE", rmse, scope.unit) if rmse else f"0 {scope.unit}".rstrip()


def _list_published(scores: Any, unit: str) -> Parts:
    return tuple(
        check_number(
            f"RMSE of the {model} {WORDS[on]}{unit}",
            published,
            round(float(np.mean(scores[model][on]))),
            NEAR * published,
        )
        for (on, model), published in PUBLISHED.items()
    )


def _list_models(context: ChapterContext, scores: Any, unit: str) -> Part:
    rows = (
        {
            "model": model,
            f"RMSE on training rows{unit}": found["train"],
            f"RMSE by folds, mean{unit}": float(np.mean(found["held"])),
            "standard deviation": float(np.std(found["held"], ddof=1)),
            "lowest": min(found["held"]),
            "highest": max(found["held"]),
            "fit (s)": context.results[f"fit {model}"].measured["fit_seconds"],
        }
        for model, found in scores.items()
    )
    return Table.of(
        rows,
        "models",
        "Errors of each model",
        "On all training rows, which it was fitted on; and on each fold, fitted without it. "
        f"The stack joins {', '.join(MEMBERS[:-1])} and {MEMBERS[-1]} by a ridge regression. "
        "The fit is on all training rows.",
        decimals=1,
    )


def _show_models(context: ChapterContext, scores: Any, unit: str) -> Part:
    order = sorted(scores, key=lambda model: float(np.mean(scores[model]["held"])))
    return context.figure(
        "models",
        "Errors on rows that were learnt from, and on others",
        "The wider the gap between a model's two bars, the more it has learnt by heart.",
        draw_bars,
        order,
        {
            "training rows": [scores[model]["train"] for model in order],
            "held-out folds, mean": [float(np.mean(scores[model]["held"])) for model in order],
        },
        f"RMSE{unit}",
        0 if scores[order[0]]["held"][0] >= 1000 else 2,
    )


def _show_importances(context: ChapterContext, unit: str) -> Parts:
    found = context.results["importances"].values
    shares = dict(sorted(found["impurity"].items(), key=lambda item: -item[1]))
    costs = dict(sorted(found["permutation"].items(), key=lambda item: -item[1]["mean"]))
    feature, column = next(iter(shares)), next(iter(costs))
    shown = list(shares)[:SHOWN]
    return (
        context.figure(
            "impurity",
            "What the forest's splits look at",
            f"Share of the fall in variance that splits by each feature bring, on training "
            f"rows: {feature} has {100 * shares[feature]:.0f} %. It favours features of many "
            f"values.",
            draw_bars,
            shown,
            {"importance": [100 * shares[name] for name in shown]},
            "share of the fall in variance (%)",
            1,
        ),
        Table.behind("impurity", ("feature", "share"), shares.items()),
        context.figure(
            "permutation",
            "What shuffling a column costs",
            f"How much the RMSE on held-out rows rises when a column's values change places: "
            f"most for {column}. What other columns know too costs little.",
            draw_bars,
            list(costs),
            {"rise": [facts["mean"] for facts in costs.values()]},
            f"rise of the RMSE{unit}",
            0 if costs[column]["mean"] >= 100 else 3,
        ),
        Table.behind(
            "permutation",
            ("column", f"rise of the RMSE{unit}", "standard deviation"),
            ((name, facts["mean"], facts["deviation"]) for name, facts in costs.items()),
        ),
    )
