"""Chapter `ensembles`: what several models together add, and what they cost."""

from typing import Any

from digitflow.chapters.chapter import Chapter, Known, Part, Press, Table
from digitflow.charts import draw_bars
from digitflow.studies.ensembles import BAG_SHARE, BAGS, CANDIDATES, KINDS

TOGETHER = (*KINDS, "bagging")
SIGNIFICANT = 0.05


def compose(press: Press) -> Chapter:
    """Show each member alone, and the ensembles."""
    alone = {name: press.results[f"candidate {name}"] for name in CANDIDATES}
    together = {kind: press.results[kind] for kind in TOGETHER}
    return Chapter(
        section="ensembles",
        title="Several models together",
        question="Do voting, stacking and bagging read better than their best member, and what "
        "does that cost?",
        findings=_conclude(together),
        parts=(
            *_check_goal(press, together),
            _show_accuracy(press, alone, together),
            _list_costs(press, alone, together),
        ),
    )


def _gain(facts: Any) -> float:
    return 100 * float(facts.values["test_accuracy"] - facts.values["best_accuracy"])


def _conclude(together: Any) -> tuple[str, ...]:
    best = max(TOGETHER, key=lambda kind: together[kind].values["test_accuracy"])
    values = together[best].values
    beyond = "beyond chance" if values["p"] < SIGNIFICANT else "not beyond chance"
    bagging = together["bagging"]
    return (
        f"{best.capitalize()} of {', '.join(values['members'])} reads best "
        f"({values['test_accuracy']:.2%}), {_gain(together[best]):+.2f} points against "
        f"{values['best']} alone: {values['wins']} images won, {values['losses']} lost, "
        f"{beyond} (p = {values['p']:.2g}).",
        f"Bagging adds {_gain(bagging):+.2f} points to a stable model: {BAGS} machines on "
        f"samples of {BAG_SHARE:.0%}.",
    )


def _check_goal(press: Press, together: Any) -> tuple[Known, ...]:
    if not press.scope.is_mnist:
        return ()
    best = max(KINDS, key=lambda kind: together[kind].values["test_accuracy"])
    values = together[best].values
    return (
        Known(
            what="an ensemble against its best member (test accuracy, %)",
            expected="better",
            measured=f"{best} {100 * values['test_accuracy']:.2f}, {values['best']} "
            f"{100 * values['best_accuracy']:.2f}",
            met=_gain(together[best]) > 0,
        ),
    )


def _show_accuracy(press: Press, alone: Any, together: Any) -> Part:
    accuracy = {
        name: 100 * facts.values["test_accuracy"] for name, facts in (alone | together).items()
    }
    low = float(int(min(accuracy.values())))
    top = max(accuracy, key=lambda name: accuracy[name])
    members = together[KINDS[0]].values["members"]
    return press.figure(
        "accuracy",
        "Members and ensembles",
        f"The ensembles are of the three best on images held out of training "
        f"({', '.join(members)}); {top} reads best. The axis begins at {low:.0f} %.",
        draw_bars(
            list(accuracy),
            {"accuracy": list(accuracy.values())},
            f"Accuracy on test images (axis from {low:.0f} %)",
            "accuracy (%)",
            low=low,
        ),
    )


def _list_costs(press: Press, alone: Any, together: Any) -> Table:
    rows: list[tuple[Any, ...]] = [
        (
            name,
            "",
            100 * facts.values["test_accuracy"],
            None,
            None,
            facts.measured["fit_seconds"],
            facts.measured["predict_seconds"],
        )
        for name, facts in alone.items()
    ]
    for kind, facts in together.items():
        values = facts.values
        fit, predict = _add_costs(press, alone, kind, facts)
        rows.append(
            (
                kind,
                ", ".join(values["members"]),
                100 * values["test_accuracy"],
                _gain(facts),
                values["p"],
                fit,
                predict,
            )
        )
    return Table(
        name="ensembles",
        title="What each adds and costs",
        sentence="Against the best member, with the exact McNemar test (two-sided); the "
        "seconds of an ensemble are those of all its members.",
        columns=(
            "model", "members", "accuracy (%)", "against the best (points)", "p", "fit (s)",
            "predict (s)",
        ),
        rows=tuple(rows),
        decimals=2,
    )  # fmt: skip


def _add_costs(press: Press, alone: Any, kind: str, facts: Any) -> tuple[float, float]:
    """Return seconds to fit and to predict of an ensemble with all that it is made of."""
    if kind == "bagging":
        bags = [press.results[f"bag {number + 1}"] for number in range(BAGS)]
        return facts.measured["fit_seconds"], sum(
            bag.measured["predict_seconds"] for bag in bags
        )
    members = [alone[name] for name in facts.values["members"]]
    fit, predict = (
        sum(member.measured[key] for member in members)
        for key in ("fit_seconds", "predict_seconds")
    )
    return fit + facts.measured["fit_seconds"], predict
