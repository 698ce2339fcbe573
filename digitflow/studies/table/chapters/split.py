"""Chapter `split`: what stratifying buys, and which test rows stay."""

from typing import Any

import numpy as np

from digitflow.formatting import format_count
from digitflow.reports.charts import draw_bars, draw_lines
from digitflow.studies.chapter import Chapter, ChapterContext, Parts, Table, check_number
from digitflow.studies.scope import TableScope
from digitflow.studies.table.experiments.split import WAYS

# Géron, 3rd edition, figure 2-10: shares of the income categories (%), to two decimals.
PUBLISHED = {
    "overall": (3.98, 31.88, 35.06, 17.63, 11.44),
    "stratified": (4.00, 31.88, 35.05, 17.64, 11.43),
    "random": (4.24, 30.74, 34.52, 18.41, 12.09),
}
LAST_DIGIT = 0.0051
TOLD = {
    "hash": "a hash of the row's identity decides",
    "shuffle": "a shuffle with the same seed decides",
}


def compose(context: ChapterContext) -> Chapter:
    """Show the shares of each group, ten shuffles, and what added rows change."""
    added = context.results["added rows"].values
    return Chapter(
        section="split",
        title="Test rows",
        question="Are the test rows like all others, and do they stay test rows?",
        findings=(*_conclude(context), _tell_added(added)),
        parts=(*_show_proportions(context), *_show_shuffles(context), _list_added(added)),
    )


def _conclude(context: ChapterContext) -> tuple[str, ...]:
    if "proportions" not in context.results:
        return ()
    found = context.results["shuffles"].values
    worst = {way: 100 * float(np.mean(found[way])) for way in ("stratified", "random")}
    return (
        f"Drawn at random, the share that is most off differs by {worst['random']:.1f} % "
        f"(mean of {format_count(len(found['random']), 'shuffle')}); stratified, by "
        f"{worst['stratified']:.1f} %.",
    )


def _tell_added(added: Any) -> str:
    by_hash, shuffled = added["hash"], added["shuffle"]
    return (
        f"When {added['later']:,} rows are added, {by_hash['left'] + by_hash['joined']:,} of "
        f"the {added['earlier']:,} earlier ones change sides by hash, and "
        f"{shuffled['left'] + shuffled['joined']:,} by a shuffle."
    )


def _show_proportions(context: ChapterContext) -> Parts:
    if "proportions" not in context.results:
        return ()
    scope, found = TableScope.of(context.scope), context.results["proportions"].values
    shares = {name: [100 * share for share in found[name]] for name in PUBLISHED}
    column = scope.stratify.column if scope.stratify else ""
    rows = (
        {
            "group": name.removeprefix(f"{column} "),
            "rows": found["counts"][place],
            "overall (%)": shares["overall"][place],
            "stratified (%)": shares["stratified"][place],
            "random (%)": shares["random"][place],
            "error of stratified (%)": _measure_error(shares, "stratified", place),
            "error of random (%)": _measure_error(shares, "random", place),
        }
        for place, name in enumerate(found["groups"])
    )
    return (
        Table.of(
            rows,
            "proportions",
            f"Shares of each group of {column}",
            "Of all rows, of the study's test rows, and of as many drawn at random; errors "
            "are relative to the share of all rows.",
            decimals=2,
        ),
        context.figure(
            "proportions",
            f"How far shares of {column} are off in the test rows",
            "Below 0 the test rows have too few of the group, above it too many.",
            draw_bars,
            [name.removeprefix(f"{column} ") for name in found["groups"]],
            {
                way: [
                    _measure_error(shares, way, place) for place in range(len(found["groups"]))
                ]
                for way in ("stratified", "random")
            },
            "error of the share (%)",
        ),
        *(
            check_number(
                f"shares of the income categories, {way} (%)",
                published,
                [round(share, 2) for share in shares[way]],
                LAST_DIGIT,
            )
            for way, published in PUBLISHED.items()
            if len(published) == len(shares[way])
        ),
    )


def _measure_error(shares: dict[str, list[float]], way: str, place: int) -> float:
    return 100 * (shares[way][place] / shares["overall"][place] - 1)


def _show_shuffles(context: ChapterContext) -> Parts:
    if "shuffles" not in context.results:
        return ()
    found = context.results["shuffles"].values
    numbers = np.arange(1, len(found["random"]) + 1)
    lines = {way: 100 * np.array(found[way]) for way in ("stratified", "random")}
    return (
        context.figure(
            "shuffles",
            "The share that is most off, shuffle by shuffle",
            f"Of {len(numbers)} shuffles each: stratifying is better every time, not by luck."
            if (lines["stratified"] < lines["random"]).all()
            else f"Of {len(numbers)} shuffles each.",
            draw_lines,
            {way: (numbers, errors) for way, errors in lines.items()},
            "shuffle",
            "largest error of a share (%)",
        ),
        Table.behind(
            "shuffles",
            ("shuffle", *(f"largest error, {way} (%)" for way in lines)),
            zip(numbers.tolist(), *(errors.tolist() for errors in lines.values()), strict=True),
        ),
    )


def _list_added(added: Any) -> Table:
    rows = (
        {
            "way": TOLD[by],
            "test rows before": added[by]["test"],
            "of them no test rows after": added[by]["left"],
            "training rows that became test rows": added[by]["joined"],
        }
        for by in WAYS
    )
    return Table.of(
        rows,
        "added-rows",
        f"What changes when {added['later']:,} rows are added to {added['earlier']:,}",
        "A row that changes sides was learnt from and then tests, or the other way round. The "
        "main job keeps the rows that its champion was judged on, whichever way it splits.",
    )
