"""Section `split`: test rows that are like all others, and stay what they are."""

from typing import Any, Literal

import numpy as np

from digitflow.config.table import Strata, TableShares
from digitflow.data.sets import SampleSet
from digitflow.data.tables.sets import identify_set, list_slices
from digitflow.data.tables.splits import number_strata, split_rows
from digitflow.studies.plan import ExperimentContext, Findings, Plan, plan_experiment
from digitflow.studies.scope import TableScope
from digitflow.studies.table.data import find_table

SHUFFLES = 10
# Rows that come later, of all.
LATER = 0.1
WAYS: tuple[Literal["hash", "shuffle"], ...] = ("hash", "shuffle")


def plan(scope: TableScope) -> Plan:
    """Return the experiments: shares of each group, ten times again, rows that are added."""
    asked: dict[str, Any] = {
        "strata": None if scope.stratify is None else scope.stratify.model_dump(mode="json"),
        "test": scope.test_share,
    }
    added = plan_experiment("added rows", add_rows, **asked)
    if scope.stratify is None:
        return (added,)
    return (
        plan_experiment("proportions", compare_proportions, **asked),
        plan_experiment("shuffles", repeat_shuffles, shuffles=SHUFFLES, **asked),
        added,
    )


def compare_proportions(
    context: ExperimentContext, strata: dict[str, Any], test: float
) -> Findings:
    """Compare the groups' shares among all rows, the study's test rows, and rows at random.

    Returns
    -------
    Findings
        values "groups" (their names), "counts" (rows of each), and "overall", "stratified"
        and "random" (shares, 0 to 1).
    """
    groups = _find_groups(context, find_table(context), strata)
    own = _find_groups(context, context.data.test, strata)
    chance = _shuffle(groups, test, context.seed, 1, stratified=False)[0]
    return Findings(
        values={
            "groups": list(groups),
            "counts": [int(rows.sum()) for rows in groups.values()],
            "overall": [float(rows.mean()) for rows in groups.values()],
            "stratified": [float(own[name].mean()) if name in own else 0.0 for name in groups],
            "random": [float(rows[chance].mean()) for rows in groups.values()],
        }
    )


def repeat_shuffles(
    context: ExperimentContext, strata: dict[str, Any], test: float, shuffles: int
) -> Findings:
    """Set test rows aside many times; note by how much the groups' shares are off.

    Returns
    -------
    Findings
        values "stratified" and "random": of each shuffle, the error of the share that is
        most off, relative to the share (0.05 is 5 %).
    """
    groups = _find_groups(context, find_table(context), strata)

    def measure(stratified: bool) -> list[float]:
        drawn = _shuffle(groups, test, context.seed, shuffles, stratified)
        return [
            max(abs(float(rows[chosen].mean() / rows.mean()) - 1) for rows in groups.values())
            for chosen in drawn
        ]

    return Findings(values={"stratified": measure(True), "random": measure(False)})


def add_rows(
    context: ExperimentContext, strata: dict[str, Any] | None, test: float
) -> Findings:
    """Split the table without its latest rows, and with them: which rows change sides?

    Returns
    -------
    Findings
        values "earlier" and "later" (how many rows), and by way ("hash", "shuffle") "test"
        (test rows of the earlier ones), "left" (of them, those that are no test rows any
        more), "joined" (earlier training rows that became test rows).
    """
    table = find_table(context)
    keys = identify_set(context.store, table, ())
    records, targets = (context.store.open_array(ref) for ref in (table.samples, table.targets))
    rule = None if strata is None else Strata.model_validate(strata)
    groups = number_strata(records, targets, rule, is_classification=False)
    order = np.random.default_rng(context.seed).permutation(len(keys))
    earlier = np.sort(order[round(LATER * len(keys)) :])

    def choose(rows: np.ndarray, by: Literal["hash", "shuffle"]) -> set[int]:
        own = None if groups is None else groups[rows]
        parts = split_rows(keys[rows], own, TableShares(by=by, test=test), False, context.seed)
        return set(rows[parts["test"]].tolist())

    found: dict[str, Any] = {"earlier": len(earlier), "later": len(keys) - len(earlier)}
    for by in WAYS:
        before = choose(earlier, by)
        after = choose(np.arange(len(keys)), by) & set(earlier.tolist())
        found[by] = {
            "test": len(before),
            "left": len(before - after),
            "joined": len(after - before),
        }
    return Findings(values=found)


def _find_groups(
    context: ExperimentContext, part: SampleSet, strata: dict[str, Any]
) -> dict[str, np.ndarray]:
    """Return which rows are in each group, by its name; groups without rows are left out."""
    records, targets = (context.store.open_array(ref) for ref in (part.samples, part.targets))
    return list_slices(records, targets, (Strata.model_validate(strata),))


def _shuffle(
    groups: dict[str, np.ndarray], test: float, seed: int, times: int, stratified: bool
) -> list[np.ndarray]:
    """Return the test rows of as many shuffles as are asked for."""
    from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

    numbers = np.argmax(np.stack(list(groups.values())), axis=0)
    kind = StratifiedShuffleSplit if stratified else ShuffleSplit
    shuffled = kind(times, test_size=test, random_state=seed).split(numbers, numbers)
    return [chosen for _, chosen in shuffled]
