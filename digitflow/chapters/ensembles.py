"""Chapter `ensembles`: what several models together add, and what they cost."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from digitflow.chapters.chapter import Chapter, Figure, Known, Part, Press, Table
from digitflow.charts import draw_bars, draw_gallery, draw_lines, draw_matrix
from digitflow.evaluation.comparison import holm
from digitflow.studies.ensembles import (
    BAG_SHARE,
    BAGGED,
    BAGS,
    CANDIDATES,
    HELD_OUT,
    KINDS,
    name_bagging,
    name_part,
    name_whole,
)

SIGNIFICANT = 0.05
MEGABYTE = 2**20


@dataclass(frozen=True)
class Reader:
    """One model or several together: shares read right, seconds, megabytes.

    `fit` is of all that it takes, from the held-out images' lessons to the last member.
    """

    name: str
    held: float | None
    accuracy: float
    fit: float
    predict: float
    size: float


def compose(press: Press) -> Chapter:
    """Show the candidates alone, who of them was taken, and what they are together."""
    choice = press.results["choice"].values
    alone = [_describe_candidate(press, name) for name in choice["ranked"]]
    together = [_describe_joint(press, kind) for kind in KINDS]
    bagged = [_describe_bagging(press, name) for name in BAGGED]
    chosen = max(together, key=lambda reader: reader.held or 0.0)
    return Chapter(
        section="ensembles",
        title="Several models together",
        question="Do voting, stacking and bagging read better than their best member, and what "
        "does that cost?",
        findings=_conclude(press, alone, chosen),
        parts=(
            *_check_goal(press, chosen),
            _list_candidates(press, choice, alone),
            _show_accuracy(press, choice, [*alone, *together, bagged[0]], chosen),
            _list_gains(press, alone, together, bagged),
            _show_costs(press, [*together, bagged[0]], alone[0], chosen),
            *_show_growing(press, choice),
            *_show_shared(press, choice),
            *_show_differences(press, chosen),
            *_show_bags(press),
        ),
    )


def _describe_candidate(press: Press, name: str) -> Reader:
    part, whole = press.results[name_part(name)], press.results[name_whole(name)]
    return Reader(
        name,
        part.values["accuracy"],
        whole.values["accuracy"],
        whole.measured["fit_seconds"],
        whole.measured["predict_seconds"],
        whole.models["model"].bytes / MEGABYTE,
    )


def _describe_joint(press: Press, kind: str) -> Reader:
    facts, members = press.results[kind], press.results["choice"].values["members"]
    wholes = [_describe_candidate(press, name) for name in members]
    # A vote of equals needs no lessons from held-out images.
    lessons = sum(press.results[name_part(name)].measured["fit_seconds"] for name in members)
    learns = kind in ("weighted voting", "stacking")
    join = facts.measured["join_seconds"]
    return Reader(
        kind,
        facts.values["held_accuracy"],
        facts.values["accuracy"],
        sum(whole.fit for whole in wholes) + (lessons + join if learns else 0.0),
        sum(whole.predict for whole in wholes),
        sum(whole.size for whole in wholes),
    )


def _describe_bagging(press: Press, name: str) -> Reader:
    bags = [press.results[f"bag {number + 1} of {name}"] for number in range(BAGS)]
    return Reader(
        f"{BAGS} bags of {name}",
        None,
        press.results[name_bagging(name)].values["accuracy"],
        sum(bag.measured["fit_seconds"] for bag in bags),
        sum(bag.measured["predict_seconds"] for bag in bags),
        sum(bag.models["model"].bytes for bag in bags) / MEGABYTE,
    )


def _judge(p: float) -> str:
    return f"{'' if p < SIGNIFICANT else 'not '}beyond chance (p = {p:.2g})"


def _conclude(press: Press, alone: list[Reader], chosen: Reader) -> tuple[str, ...]:
    facts, members = press.results[chosen.name].values, press.results["choice"].values
    best, first = facts["best"], alone[0]
    bagging = [
        f"{100 * (values['accuracy'] - values['single']):+.2f} points to one {name}"
        for name in BAGGED
        for values in [press.results[name_bagging(name)].values]
    ]
    return (
        f"{chosen.name.capitalize()} of {', '.join(members['members'])}, chosen on held-out "
        f"images, reads {chosen.accuracy:.2%} of the test images, {best['member']} alone "
        f"{best['accuracy']:.2%}: {best['wins']} images won, {best['losses']} lost, "
        f"{_judge(best['p'])}.",
        f"It costs {chosen.fit / first.fit:.1f} times the seconds to fit, "
        f"{chosen.predict / first.predict:.1f} times to predict, and "
        f"{chosen.size / first.size:.1f} times the size.",
        f"Bagging adds {' and '.join(bagging)}.",
    )


def _check_goal(press: Press, chosen: Reader) -> tuple[Known, ...]:
    if not press.scope.is_mnist:
        return ()
    strongest = press.results[chosen.name].values["strongest"]
    return (
        Known(
            what="the ensemble chosen on held-out images against the member that is best on "
            "the test images (test accuracy, %)",
            expected=f"better than {strongest['member']}: {100 * strongest['accuracy']:.2f}",
            measured=f"{chosen.name}: {100 * chosen.accuracy:.2f}, p = {strongest['p']:.2g}",
            met=chosen.accuracy > strongest["accuracy"],
        ),
    )


def _list_candidates(press: Press, choice: Any, alone: list[Reader]) -> Table:
    weights = dict(zip(choice["members"], choice["weights"], strict=True))
    held = press.results[name_part(choice["ranked"][0])].values["n"]
    bound = (
        "no known writer is on both sides"
        if press.scope.writers
        else "who wrote them is not known"
    )
    return Table(
        name="candidates",
        title="Who is taken",
        sentence=f"{held:,} training images, a {HELD_OUT}th, are held out ({bound}): by them "
        f"the members are chosen, their votes weighed and the stack is taught. Then the "
        f"members learn from all training images.",
        columns=("candidate", "features", "held out (%)", "taken", "weight of its vote"),
        rows=tuple(
            (
                reader.name,
                CANDIDATES[reader.name].recipe,
                100 * (reader.held or 0.0),
                "yes" if reader.name in weights else "no",
                weights.get(reader.name),
            )
            for reader in alone
        ),
        decimals=2,
    )


def _show_accuracy(press: Press, choice: Any, readers: list[Reader], chosen: Reader) -> Figure:
    values: dict[str, list[float | None]] = {
        "held-out images": [None if r.held is None else 100 * r.held for r in readers],
        "test images": [100 * r.accuracy for r in readers],
    }
    low = float(np.floor(min(v for series in values.values() for v in series if v is not None)))
    top = max(readers, key=lambda reader: reader.accuracy)
    return press.figure(
        "accuracy",
        "Candidates and ensembles",
        f"The ensembles are of {', '.join(choice['members'])}. On held-out images "
        f"{chosen.name} is the best of them; on the test images {top.name} reads best "
        f"({top.accuracy:.2%}). The axis begins at {low:.0f} %.",
        draw_bars(
            [reader.name for reader in readers],
            values,
            f"Accuracy (axis from {low:.0f} %)",
            "accuracy (%)",
            low=low,
        ),
    )


def _list_gains(
    press: Press, alone: list[Reader], together: list[Reader], bagged: list[Reader]
) -> Table:
    against = [press.results[reader.name].values["best"] for reader in together]
    bagging = [press.results[name_bagging(name)].values for name in BAGGED]
    compared = [
        *((r, facts["accuracy"], facts) for r, facts in zip(together, against, strict=True)),
        *((r, facts["single"], facts) for r, facts in zip(bagged, bagging, strict=True)),
    ]
    adjusted = holm([facts["p"] for _, _, facts in compared])
    empty = (None,) * 5
    rows: list[tuple[Any, ...]] = [(*_list_costs(reader), *empty) for reader in alone]
    for (reader, other, facts), p in zip(compared, adjusted, strict=True):
        gain = 100 * (reader.accuracy - other)
        rows.append((*_list_costs(reader), gain, facts["wins"], facts["losses"], facts["p"], p))
    return Table(
        name="ensembles",
        title="What each adds and costs",
        sentence=f"Against the member that is best on held-out images ({alone[0].name}), bags "
        f"against the same model of all images; won and lost are test images that only one "
        f"side reads right (exact McNemar test, two-sided; Holm's p holds for all rows "
        f"together). Seconds and size are those of all members; to fit, weights and a stack "
        f"also need the members' fits without the held-out images.",
        columns=(
            "model", "accuracy (%)", "fit (s)", "predict (s)", "size (MB)", "gain (points)",
            "won", "lost", "p", "p (Holm)",
        ),
        rows=tuple(rows),
        decimals=3,
    )  # fmt: skip


def _list_costs(reader: Reader) -> tuple[Any, ...]:
    return (reader.name, 100 * reader.accuracy, reader.fit, reader.predict, reader.size)


def _show_costs(press: Press, readers: list[Reader], best: Reader, chosen: Reader) -> Figure:
    costs = {
        "seconds to fit": [reader.fit / best.fit for reader in readers],
        "seconds to predict": [reader.predict / best.predict for reader in readers],
        "size": [reader.size / best.size for reader in readers],
    }
    return press.figure(
        "costs",
        "What each costs",
        f"As many times what {best.name} alone costs: {best.fit:.1f} s to fit, "
        f"{best.predict:.2f} s for all test images, {best.size:.1f} MB. {chosen.name} takes "
        f"{chosen.fit:.1f} s, {chosen.predict:.2f} s and {chosen.size:.1f} MB.",
        draw_bars(
            [reader.name for reader in readers],
            costs,
            f"Costs against {best.name} alone",
            f"times the cost of {best.name}",
            1,
        ),
    )


def _show_growing(press: Press, choice: Any) -> tuple[Part, ...]:
    growing, counts = choice["growing"], np.arange(1, len(choice["ranked"]) + 1)
    most = int(np.argmax(growing["held"]))
    return (
        press.figure(
            "growing",
            "More members, better votes?",
            f"By soft voting, from the best candidate on: on held-out images {counts[most]} "
            f"of {len(counts)} read best ({growing['held'][most]:.2%}), of the test images "
            f"they read {growing['test'][most]:.2%}; all of them {growing['test'][-1]:.2%}.",
            draw_lines(
                {
                    f"{name} images": (counts, 100 * np.array(growing[key]))
                    for name, key in (("held-out", "held"), ("test", "test"))
                },
                "Soft voting of the best candidates",
                "number of members",
                "accuracy (%)",
            ),
        ),
        Table(
            name="growing",
            title="Soft voting of the best candidates",
            columns=("members", "added", "held out (%)", "test (%)"),
            rows=tuple(
                (k, name, 100 * held, 100 * test)
                for k, name, held, test in zip(
                    counts.tolist(), choice["ranked"], *growing.values(), strict=True
                )
            ),
            shown=0,
        ),
    )


def _show_shared(press: Press, choice: Any) -> tuple[Part, ...]:
    names = choice["ranked"]
    shared = 100 * np.array(choice["shared"], float)
    others = np.where(np.eye(len(names), dtype=bool), np.nan, shared)
    if np.isnan(others).all():
        return ()
    one, other = np.unravel_index(np.nanargmin(others), others.shape)
    return (
        press.figure(
            "shared-errors",
            "Which errors they share",
            f"Votes mend only what members do not share: least of all, {names[other]} makes "
            f"{others[one, other]:.0f} % of the errors of {names[one]} too.",
            draw_matrix(
                shared,
                "Shared errors (% of the row's)",
                "made by this one too",
                "errors of",
                names,
                names,
                0,
                highest=100,
                blank=(),
            ),
        ),
        Table(
            name="shared-errors",
            title="Which errors they share",
            columns=("errors of", *(f"made by {name} too (%)" for name in names)),
            rows=tuple(
                (name, *(None if np.isnan(share) else float(share) for share in row))
                for name, row in zip(names, shared, strict=True)
            ),
            shown=0,
        ),
    )


def _show_differences(press: Press, chosen: Reader) -> tuple[Figure, ...]:
    facts = press.results[chosen.name].values
    best = facts["best"]
    said = press.store.open_array(press.results[chosen.name].arrays["predicted"])
    alone = press.store.open_array(
        press.results[name_whole(best["member"])].arrays["predicted"]
    )
    labels = press.store.open_array(press.test.labels)
    images = press.store.open_array(press.test.images)
    figures = []
    for name, word, count in (
        ("won", "right where its best member is wrong", best["wins"]),
        ("lost", "wrong where its best member is right", best["losses"]),
    ):
        rows = facts[name]
        if not rows:
            continue
        captions = [f"{labels[row]}: {alone[row]} → {said[row]}" for row in rows]
        figures.append(
            press.figure(
                name,
                f"{chosen.name.capitalize()} is {word}",
                f"{len(rows)} of {count} such test images: the label, what {best['member']} "
                f"reads, and what {chosen.name} makes of it.",
                draw_gallery(
                    np.array(images[rows]), captions, f"{name.capitalize()} by the ensemble", 6
                ),
            )
        )
    return tuple(figures)


def _show_bags(press: Press) -> tuple[Part, ...]:
    counts = np.arange(1, BAGS + 1)
    found = {name: press.results[name_bagging(name)].values for name in BAGGED}
    errors = {
        title: 100 * (1 - values)
        for name, facts in found.items()
        for title, values in (
            (f"bags of {name}", np.array(facts["growing"])),
            (f"one {name} of all images", np.full(BAGS, facts["single"])),
        )
    }
    gains = {
        name: 100 * (np.array(facts["growing"]) - facts["single"])
        for name, facts in found.items()
    }
    rows = press.results[f"bag 1 of {next(iter(BAGGED))}"].values
    return (
        press.figure(
            "bags",
            "Bagging, bag by bag",
            f"Each bag is {rows['rows']:,} images drawn with replacement ({BAG_SHARE:.0%} of "
            f"all; {rows['distinct']:,} different ones in the first). "
            + " ".join(
                f"{BAGS} bags of {name} read {facts['accuracy']:.2%}, one {name} of all "
                f"images {facts['single']:.2%}."
                for name, facts in found.items()
            ),
            draw_lines(
                {name: (counts, values) for name, values in gains.items()},
                "What bags add to one model of all images",
                "number of bags",
                "gain in accuracy (points)",
            ),
        ),
        Table(
            name="bags",
            title="Errors by the number of bags (%)",
            columns=("bags", *errors),
            rows=tuple(
                (k, *line)
                for k, line in zip(
                    counts.tolist(), np.stack(list(errors.values()), 1).tolist(), strict=True
                )
            ),
            shown=0,
        ),
    )
