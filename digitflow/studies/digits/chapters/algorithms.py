"""Chapter `algorithms`: eight of them side by side, and when to choose which."""

from typing import Any

import numpy as np

from digitflow.formatting import format_bytes, format_seconds
from digitflow.reports.charts import draw_bars, draw_matrix
from digitflow.studies.chapter import Chapter, ChapterContext, Part, Parts, Table, check_number
from digitflow.studies.digits.algorithms import ALGORITHMS, plan_model
from digitflow.studies.digits.data import Split
from digitflow.studies.digits.experiments.algorithms import SPLITS, name_judgement
from digitflow.studies.scope import DigitsScope

DIGITS = range(10)
# Accuracy in per cent, and how far "about" reaches.
BINARY = ("rightly not", "false alarms", "missed", "found")
PUBLISHED = {"forest": 97.0, "knn": 97.0, "svm": 98.0}
ABOUT = 0.7

# What an algorithm is good for beyond the figures beside it.
ADVICE = {
    "logistic": "a baseline that can be read: a weight a pixel and digit; wants scaled pixels",
    "knn": "nothing to fit and every answer shows its neighbours; pays at each prediction",
    "svm": "the most accurate on few hundred features; time grows faster than the images",
    "mlp": "learns its own features from scaled pixels; many settings, and luck in its seed",
    "tree": "rules that can be followed by hand; alone the weakest",
    "forest": "good without any setting or scaling; large files",
    "extra-trees": "a forest that draws its thresholds: quicker to fit, as good, larger",
    "boosting": "small files and quick answers from trees; the slowest of them to fit",
}


def compose(context: ChapterContext) -> Chapter:
    """Show accuracy, errors and costs of every algorithm on both splits."""
    judged = {
        (split, name): context.results[name_judgement(name, split)].values
        for split in SPLITS
        for name in ALGORITHMS
    }
    best = max(ALGORITHMS, key=lambda name: judged["own", name]["accuracy"])
    return Chapter(
        section="algorithms",
        title="Eight algorithms",
        question="How well do they read digits, what do they cost, and when is which to be "
        "chosen?",
        findings=_conclude(context, judged, best),
        parts=(
            *_list_published(judged),
            _show_accuracy(context, judged),
            _list_costs(context, judged),
            _advise(context, judged),
            _show_classes(context, judged),
            *_show_confusions(context, judged["own", best], best),
            _list_binary(judged["own", best], best),
            *_list_numbers(judged),
        ),
    )


def _conclude(context: ChapterContext, judged: Any, best: str) -> tuple[str, ...]:
    scope = DigitsScope.of(context.scope)
    own, dealt = judged["own", best]["accuracy"], judged["80/20", best]["accuracy"]
    worst = min(ALGORITHMS, key=lambda name: judged["own", name]["accuracy"])
    gains = [
        judged["80/20", name]["accuracy"] - judged["own", name]["accuracy"]
        for name in ALGORITHMS
    ]
    return (
        f"{best} reads best ({own:.2%} on the source's own split, {dealt:.2%} on 80/20), "
        f"{worst} worst ({judged['own', worst]['accuracy']:.2%}).",
        f"Dealt out anew, 80/20, accuracy changes by {100 * np.mean(gains):+.2f} points on "
        f"average" + (": the same hands may then be on both sides." if scope.writers else "."),
    )


def _list_published(judged: Any) -> Parts:
    return tuple(
        check_number(
            f"accuracy of {name}, about (%)",
            wanted,
            round(100 * judged["own", name]["accuracy"], 2),
            ABOUT,
        )
        for name, wanted in PUBLISHED.items()
    )


def _show_accuracy(context: ChapterContext, judged: Any) -> Part:
    accuracy = {
        _name_split(split): [100 * judged[split, name]["accuracy"] for name in ALGORITHMS]
        for split in SPLITS
    }
    spread = max(accuracy[_name_split("own")]) - min(accuracy[_name_split("own")])
    return context.figure(
        "accuracy",
        "Accuracy of each algorithm",
        f"Between the best and the worst lie {spread:.1f} points on the source's own split.",
        draw_bars,
        list(ALGORITHMS),
        accuracy,
        "accuracy (%)",
        step=5,
    )


def _name_split(split: Split) -> str:
    return "own split" if split == "own" else split


def _list_costs(context: ChapterContext, judged: Any) -> Part:
    rows = []
    for split, name in judged:
        fitted = context.results[plan_model(name, split)[1].name]
        seconds = fitted.measured["predict_seconds"]
        rows.append(
            {
                "algorithm": name,
                "split": _name_split(split),
                "features": ALGORITHMS[name].recipe,
                "accuracy (%)": 100 * judged[split, name]["accuracy"],
                "F1 (%)": 100 * judged[split, name]["f1"],
                "fit (s)": fitted.measured["fit_seconds"],
                "predict (µs an image)": 1e6 * seconds / fitted.values["n"],
                "size (MB)": fitted.models["model"].bytes / 2**20,
            }
        )
    return Table.of(
        rows,
        "algorithms",
        "Accuracy and costs",
        "One thread each. F1 is the mean over the digits; the time of an image is "
        "that of all test images, over how many there are.",
        decimals=2,
    )


def _advise(context: ChapterContext, judged: Any) -> Part:
    rows = []
    for name in ALGORITHMS:
        fitted = context.results[plan_model(name)[1].name]
        seconds = fitted.measured["predict_seconds"]
        rows.append(
            {
                "algorithm": name,
                "accuracy": f"{judged['own', name]['accuracy']:.2%}",
                "fit": format_seconds(fitted.measured["fit_seconds"]),
                "an image": format_seconds(seconds / fitted.values["n"]),
                "size": format_bytes(fitted.models["model"].bytes),
                "choose it for": ADVICE[name],
            }
        )
    rows.sort(key=lambda row: row["accuracy"], reverse=True)
    return Table.of(
        rows, "choosing", "When to choose which", "The figures are of the source's own split."
    )


def _show_classes(context: ChapterContext, judged: Any) -> Part:
    scores = np.array(
        [[100 * facts["f1"] for facts in judged["own", name]["classes"]] for name in ALGORITHMS]
    )
    hardest = int(scores.mean(axis=0).argmin())
    return context.figure(
        "classes",
        "F1 of each digit, own split (%)",
        f"The digit {hardest} is the hardest for all together (mean F1 "
        f"{scores[:, hardest].mean():.1f} %).",
        draw_matrix,
        scores,
        "digit",
        "",
        DIGITS,
        list(ALGORITHMS),
        decimals=1,
        blank=(),
    )


def _show_confusions(context: ChapterContext, facts: Any, best: str) -> Parts:
    counts = np.array(facts["counts"])
    off = counts - np.diag(np.diag(counts))
    true, said = np.unravel_index(off.argmax(), off.shape)
    rows, columns = np.array(facts["errors_by_row"]), np.array(facts["errors_by_column"])
    top_row = np.unravel_index(rows.argmax(), rows.shape)
    top_column = np.unravel_index(columns.argmax(), columns.shape)
    kinds = {
        "counts": (
            "number of images",
            f"{int(off.sum()):,} images are read wrong; most often a {true} is read as {said} "
            f"({int(off[true, said])} times).",
        ),
        "by_row": (
            "% of the true digit",
            f"The diagonal is the recall of each digit, least for "
            f"{int(np.diag(np.array(facts['by_row'])).argmin())}.",
        ),
        "by_column": (
            "% of what was read as the digit",
            f"The diagonal is the precision of each digit, least for "
            f"{int(np.diag(np.array(facts['by_column'])).argmin())}.",
        ),
        "errors_by_row": (
            "errors only, % of the true digit's errors",
            f"Right answers weigh nothing here: {100 * rows.max():.0f} % of the errors with a "
            f"{top_row[0]} read it as {top_row[1]}.",
        ),
        "errors_by_column": (
            "errors only, % of the errors that read a digit so",
            f"Of all that is wrongly read as {top_column[1]}, {100 * columns.max():.0f} % is a "
            f"{top_column[0]}.",
        ),
    }
    return tuple(
        context.figure(
            kind.replace("_", "-"),
            f"Confusions of {best}: {unit}",
            sentence,
            draw_matrix,
            np.array(facts[kind]) * (1 if kind == "counts" else 100),
            "predicted digit",
            "true digit",
            DIGITS,
            DIGITS,
            decimals=1 if kind in ("by_row", "by_column") else 0,
            colours="Oranges" if kind.startswith("errors") else "Blues",
        )
        for kind, (unit, sentence) in kinds.items()
    )


def _list_binary(facts: Any, best: str) -> Part:
    pairs = zip(facts["binary"], facts["classes"], strict=True)
    rows = (
        {
            "digit": digit,
            "found": found,
            "false alarms": alarms,
            "missed": missed,
            "rightly not": rest,
            "precision (%)": 100 * scores["precision"],
            "recall (%)": 100 * scores["recall"],
            "F1 (%)": 100 * scores["f1"],
        }
        for digit, (((rest, alarms), (missed, found)), scores) in enumerate(pairs)
    )
    return Table.of(
        rows,
        "binary",
        f"Each digit against the rest: {best}",
        "The multilabel confusion matrices, a row a digit, and its report.",
        decimals=2,
    )


def _list_numbers(judged: Any) -> Parts:
    reports, confusions, binary = [], [], []
    columns = ("split", "algorithm", "digit")
    kinds = ("counts", "by_row", "by_column", "errors_by_row", "errors_by_column")
    for (split, name), facts in judged.items():
        for digit in DIGITS:
            scores = facts["classes"][digit]
            figures = (scores[key] for key in ("precision", "recall", "f1", "support"))
            reports.append((split, name, digit, *figures))
            binary.append((split, name, digit, *np.ravel(facts["binary"][digit]).tolist()))
            for other in DIGITS:
                cells = (facts[kind][digit][other] for kind in kinds)
                confusions.append((split, name, digit, other, *cells))
    return (
        Table.behind("reports", (*columns, "precision", "recall", "f1", "support"), reports),
        Table.behind(
            "confusions", ("split", "algorithm", "true", "predicted", *kinds), confusions
        ),
        Table.behind("binary-all", (*columns, *BINARY), binary),
    )
