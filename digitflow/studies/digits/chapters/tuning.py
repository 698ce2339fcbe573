"""Chapter `tuning`: what searches found, and what that brought."""

from typing import Any

import numpy as np

from digitflow.reports.charts import draw_bars, draw_lines
from digitflow.studies.chapter import (
    Chapter,
    ChapterContext,
    Part,
    Parts,
    Table,
    Text,
    check_number,
)
from digitflow.studies.digits.experiments.tuning import CHOICES, CURVES, GRIDS, MODELS

SEARCHES = ("grid", "randomised", "halving", "optuna")
PUBLISHED, ABOUT = 97.1, 0.3


def compose(context: ChapterContext) -> Chapter:
    """Show every search, the finals on the test images, and the curves."""
    trials = _list_trials(context)
    finals = context.gather("{} {}".format, MODELS, CHOICES)
    return Chapter(
        section="tuning",
        title="Tuning",
        question="What do grid, randomised, halving and Optuna's searches find, and is it "
        "better than what was set by hand, or by default?",
        findings=_conclude(context, trials, finals),
        parts=(
            _check_published(finals),
            _show_finals(context, finals),
            _list_finals(finals),
            _list_searches(trials),
            *_tell_failures(context, trials),
            _show_progress(context, trials),
            _show_variance(context, trials),
            *(_show_learning(context, model) for model in MODELS),
            *(_show_validation(context, model) for model in CURVES),
            *_list_numbers(context, trials),
        ),
    )


def _list_trials(context: ChapterContext) -> list[dict[str, Any]]:
    """Return every combination that was tried, in the order of the plan."""
    found = []
    for name, facts in context.results.items():
        search, _, rest = name.partition(" ")
        if search not in SEARCHES:
            continue
        model = rest.partition(":")[0]
        listed = "trials" in facts.values
        found += [
            {
                "search": search,
                "model": model,
                "params": trial["params"],
                "score": trial.get("score"),
                "error": trial.get("error"),
                "ended": listed and trial.get("score") is None,
            }
            for trial in facts.values.get("trials", [facts.values])
        ]
    return found


def _write(params: Any) -> str:
    told = (
        f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in sorted(params.items())
    )
    return ", ".join(told) or "defaults"


def _conclude(context: ChapterContext, trials: Any, finals: Any) -> tuple[str, ...]:
    gains = ", ".join(
        f"{model} {_score(finals, model, 'tuned') - _score(finals, model, 'default'):+.2f}"
        for model in MODELS
    )
    model, choice = max(finals, key=lambda key: finals[key].values["accuracy"])
    invalid = sum(trial["error"] is not None for trial in trials)
    return (
        f"Against the defaults, tuning changes test accuracy by (points): {gains}; the best is "
        f"{model}, {choice} ({_score(finals, model, choice):.2f} %).",
        f"{len(trials)} combinations were tried, {invalid} of them invalid: these are "
        f"reported, and the searches went on.",
    )


def _score(finals: Any, model: str, choice: str) -> float:
    return 100 * float(finals[model, choice].values["accuracy"])


def _check_published(finals: Any) -> Part:
    measured = round(_score(finals, "knn", "hand-set"), 2)
    return check_number(
        "accuracy of KNN, k = 4 by distance, about (%)", PUBLISHED, measured, ABOUT
    )


def _show_finals(context: ChapterContext, finals: Any) -> Part:
    series = {choice: [_score(finals, model, choice) for model in MODELS] for choice in CHOICES}
    model = max(MODELS, key=lambda m: _score(finals, m, "tuned") - _score(finals, m, "default"))
    return context.figure(
        "finals",
        "Default, set by hand, tuned",
        f"Tuning brings {model} most; all three learnt from all training images, and are "
        f"judged on the test images.",
        draw_bars,
        list(MODELS),
        series,
        "accuracy (%)",
        step=5,
    )


def _list_finals(finals: Any) -> Part:
    rows = (
        {
            "model": model,
            "chosen": choice,
            "parameters": _write(fit.values["params"]),
            "accuracy (%)": 100 * fit.values["accuracy"],
            "fit (s)": fit.measured["fit_seconds"],
            "predict (s)": fit.measured["predict_seconds"],
        }
        for (model, choice), fit in finals.items()
    )
    return Table.of(rows, "finals", "Default, set by hand, tuned", decimals=2)


def _list_searches(trials: Any) -> Part:
    rows = [
        _describe_search(trials, search, model)
        for search in SEARCHES
        for model in dict.fromkeys(trial["model"] for trial in trials)
    ]
    return Table.of(
        filter(None, rows),
        "searches",
        "What each search found",
        "Scores are by cross-validation on part of the training images; of halving, "
        "the combinations of the last round.",
        decimals=2,
    )


def _describe_search(trials: Any, search: str, model: str) -> dict[str, Any]:
    """Return a search's row; nothing where it has no score of the model."""
    own = [trial for trial in trials if (trial["search"], trial["model"]) == (search, model)]
    scored = [trial for trial in own if trial["score"] is not None]
    if not scored:
        return {}
    best = max(scored, key=lambda trial: trial["score"])
    return {
        "search": search,
        "model": model,
        "tried": len(own),
        "invalid": sum(trial["error"] is not None for trial in own),
        "ended early": sum(trial["ended"] for trial in own),
        "best score (%)": 100 * best["score"],
        "by": _write(best["params"]),
    }


def _tell_failures(context: ChapterContext, trials: Any) -> Parts:
    told = [
        Text(text=f"Invalid: {trial['model']} with {_write(trial['params'])}: {trial['error']}")
        for trial in trials
        if trial["error"] is not None
    ]
    missing = context.results["optuna svm"].values.get("missing")
    return (*told[:3], *([Text(text=f"{missing}.")] if missing else []))


def _show_progress(context: ChapterContext, trials: Any) -> Part:
    lines = {}
    for search in ("randomised", "optuna"):
        scores = [
            trial["score"] if trial["score"] is not None else 0.0
            for trial in trials
            if trial["search"] == search and trial["model"] == "svm"
        ]
        if scores:
            best = 100 * np.maximum.accumulate(scores)
            lines[search] = (np.arange(1, len(best) + 1), best)
    reached = ", ".join(f"{name} {values[-1]:.2f} %" for name, (_, values) in lines.items())
    lowest = min(float(values[values > 0].min()) for _, values in lines.values())
    rounds = context.results["halving svm"].values["rounds"]
    told = ", ".join(f"{each['candidates']} on {each['images']:,} images" for each in rounds)
    return context.figure(
        "progress",
        "The best so far, SVM",
        f"Reached in the end: {reached}. Halving tried {told}, and reached "
        f"{100 * rounds[-1]['best']:.2f} %.",
        draw_lines,
        lines,
        "combinations tried",
        "best score, cross-validated (%)",
        y_range=(lowest - 0.5, 100),
    )


def _show_variance(context: ChapterContext, trials: Any) -> Part:
    own = [trial for trial in trials if trial["model"] == "pca"]
    shares = GRIDS["pca"]["variance"]
    scores = [100 * trial["score"] for trial in own]
    best = shares[int(np.argmax(scores))]
    return context.figure(
        "variance",
        "How much variance to keep",
        f"Neighbours read best with {best:.0%} of the variance kept: what is left out is noise "
        f"to them.",
        draw_lines,
        {"knn after PCA": (100 * np.array(shares), np.array(scores))},
        "variance kept (%)",
        "score, cross-validated (%)",
    )


def _show_learning(context: ChapterContext, model: str) -> Part:
    values = context.results[f"learning {model}"].values
    lines, bands = _average(values, np.array(values["images"]))
    held = lines["held out"][1]
    return context.figure(
        f"learning-{model}",
        f"Learning curve: {model}",
        f"From {values['images'][-2]:,} to {values['images'][-1]:,} images the score still "
        f"changes by {held[-1] - held[-2]:+.2f} points; bands are the spread of the folds.",
        draw_lines,
        lines,
        "training images",
        "accuracy (%)",
        bands=bands,
    )


def _show_validation(context: ChapterContext, model: str) -> Part:
    values = context.results[f"validation {model}"].values
    parameter, tried = CURVES[model]
    lines, bands = _average(values, np.array(tried, float))
    held = lines["held out"][1]
    return context.figure(
        f"validation-{model}",
        f"Validation curve: {model}",
        f"Best at {parameter} = {tried[int(held.argmax())]:g} ({held.max():.2f} %); bands are "
        f"the spread of the folds.",
        draw_lines,
        lines,
        f"{parameter} (no unit)",
        "accuracy (%)",
        bands=bands,
        log_x=True,
    )


def _average(values: Any, x: np.ndarray) -> tuple[dict[str, Any], dict[str, Any]]:
    lines, bands = {}, {}
    for name, key in (("learnt from", "train"), ("held out", "held")):
        scores = 100 * np.array(values[key])
        lines[name] = (x, scores.mean(axis=1))
        bands[name] = (scores.min(axis=1), scores.max(axis=1))
    return lines, bands


def _list_numbers(context: ChapterContext, trials: Any) -> Parts:
    curves = []
    for model in MODELS:
        for kind, xs in (("learning", "images"), ("validation", "values")):
            values = context.results[f"{kind} {model}"].values
            for place, x in enumerate(values[xs]):
                for part in ("train", "held"):
                    for fold, score in enumerate(values[part][place]):
                        curves.append((kind, model, x, part, fold + 1, score))
    return (
        Table.behind(
            "trials",
            ("search", "model", "parameters", "score", "error"),
            (
                (t["search"], t["model"], _write(t["params"]), t["score"], t["error"])
                for t in trials
            ),
        ),
        Table.behind(
            "curves", ("curve", "model", "images or value", "on", "fold", "accuracy"), curves
        ),
    )
