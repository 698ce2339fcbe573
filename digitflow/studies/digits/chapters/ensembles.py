"""Chapter `ensembles`: what several models together add, and what they cost."""

from typing import Any

import numpy as np

from digitflow.evaluation.comparison import holm
from digitflow.formatting import format_seconds
from digitflow.reports.charts import draw_bars, draw_gallery, draw_lines, draw_matrix
from digitflow.studies.chapter import (
    Chapter,
    ChapterContext,
    Part,
    Parts,
    PublishedFigure,
    Table,
    judge_difference,
)
from digitflow.studies.digits.chapters.teams import (
    Reader,
    Team,
    describe_bagging,
    describe_team,
)
from digitflow.studies.digits.data import open_test
from digitflow.studies.digits.experiments.ensembles import (
    BAG_SHARE,
    BAGGED,
    BAGS,
    CANDIDATES,
    HELD_OUT,
    KINDS,
    MEMBERS,
    TEAMS,
    name_bagging,
    name_part,
    name_whole,
)
from digitflow.studies.scope import DigitsScope

GAINS = ("gain (points)", "won", "lost", "p", "p (Holm)")


def compose(context: ChapterContext) -> Chapter:
    """Show the candidates alone, who of them was taken, and what they are together."""
    teams = [describe_team(context, team) for team in TEAMS]
    bagged = [describe_bagging(context, name) for name in BAGGED]
    return Chapter(
        section="ensembles",
        title="Several models together",
        question="Do voting, stacking and bagging read better than their best member, and what "
        "does that cost?",
        findings=_conclude(context, teams),
        parts=(
            *(_check_goal(context, team) for team in teams),
            _list_candidates(context, teams),
            *(_show_accuracy(context, team) for team in teams),
            _list_gains(context, teams, bagged),
            _show_costs(context, teams),
            *_show_growing(context, teams),
            *_show_shared(context, teams[0]),
            *(part for team in teams for part in _show_differences(context, team)),
            *_show_bags(context),
        ),
    )


def _conclude(context: ChapterContext, teams: list[Team]) -> tuple[str, ...]:
    bagging = [
        f"{100 * (values['accuracy'] - values['single']):+.2f} points to one {name}"
        for name in BAGGED
        for values in [context.results[name_bagging(name)].values]
    ]
    return (
        *(_conclude_team(context, team) for team in teams),
        f"Bagging adds {' and '.join(bagging)}.",
    )


def _conclude_team(context: ChapterContext, team: Team) -> str:
    chosen, first = team.chosen, team.alone[0]
    best = context.results[chosen.name].values["best"]
    return (
        f"{chosen.name.capitalize()} ({', '.join(team.choice['members'])}), chosen on held-out "
        f"images, reads {chosen.accuracy:.2%} of the test images, {best['member']} alone "
        f"{best['accuracy']:.2%}: {best['wins']} images won, {best['losses']} lost, "
        f"{judge_difference(best['p'])}. It takes {_write_costs(chosen)} instead of "
        f"{_write_costs(first)}."
    )


def _write_costs(reader: Reader) -> str:
    return (
        f"{format_seconds(reader.fit)} to fit, {format_seconds(reader.predict)} for all test "
        f"images and {reader.size:.1f} MB"
    )


def _check_goal(context: ChapterContext, team: Team) -> Part:
    chosen = team.chosen
    strongest = context.results[chosen.name].values["strongest"]
    return PublishedFigure(
        what=f"{chosen.name}, chosen on held-out images, against the member that is best on "
        f"the test images (test accuracy, %)",
        expected=f"better than {strongest['member']}: {100 * strongest['accuracy']:.2f}",
        measured=f"{100 * chosen.accuracy:.2f} (p = {strongest['p']:.2g})",
        met=chosen.accuracy > strongest["accuracy"],
    )


def _list_candidates(context: ChapterContext, teams: list[Team]) -> Part:
    held = context.results[name_part(teams[0].alone[0].name)].values["n"]
    bound = (
        "no known writer is on both sides"
        if DigitsScope.of(context.scope).writers
        else "who wrote them is not known"
    )
    weights = {
        team.name: dict(zip(team.choice["members"], team.choice["weights"], strict=True))
        for team in teams
    }
    rows: list[dict[str, Any]] = [
        {
            "candidate": reader.name,
            "features": CANDIDATES[reader.name].recipe,
            "held out (%)": 100 * (reader.held or 0.0),
        }
        | {f"weight in {team}": weight.get(reader.name) for team, weight in weights.items()}
        for reader in teams[0].alone
    ]
    return Table.of(
        rows,
        "candidates",
        "Who is taken",
        f"{held:,} training images, a {HELD_OUT}th, are held out ({bound}): by them "
        f"the members are chosen, each member's probabilities brought to one scale, votes "
        f"weighed and the stack taught. Then the members learn from all training images. The "
        f"team of the best takes the {MEMBERS} best of all candidates; equals are the "
        f"{MEMBERS} best of those on pixels, none of which is far ahead.",
        decimals=2,
    )


def _show_accuracy(context: ChapterContext, team: Team) -> Part:
    readers = (*team.members, *team.together)
    values: dict[str, list[float | None]] = {
        "held-out images": [100 * (reader.held or 0.0) for reader in readers],
        "test images": [100 * reader.accuracy for reader in readers],
    }
    top = max(readers, key=lambda reader: reader.accuracy)
    better = sum(joint.accuracy > team.alone[0].accuracy for joint in team.together)
    return context.figure(
        f"accuracy-{team.name.replace(' ', '-')}",
        f"Members and ensembles of {team.name}",
        f"{better} of {len(KINDS)} ensembles read more test images right than "
        f"{team.alone[0].name}, the best member on held-out images; {top.name} reads best "
        f"({top.accuracy:.2%}).",
        draw_bars,
        [reader.name.removesuffix(f" of {team.name}") for reader in readers],
        values,
        "accuracy (%)",
        step=0.5,
    )


def _list_gains(context: ChapterContext, teams: list[Team], bagged: list[Reader]) -> Part:
    joints = [reader for team in teams for reader in team.together]
    against = [context.results[reader.name].values["best"] for reader in joints]
    bagging = [context.results[name_bagging(name)].values for name in BAGGED]
    compared = [
        *((r, facts["accuracy"], facts) for r, facts in zip(joints, against, strict=True)),
        *((r, facts["single"], facts) for r, facts in zip(bagged, bagging, strict=True)),
    ]
    adjusted = holm([facts["p"] for _, _, facts in compared])
    rows = [_list_costs(reader) | dict.fromkeys(GAINS) for reader in teams[0].alone]
    for (reader, other, facts), p in zip(compared, adjusted, strict=True):
        gain = 100 * (reader.accuracy - other)
        found = (gain, facts["wins"], facts["losses"], facts["p"], p)
        rows.append(_list_costs(reader) | dict(zip(GAINS, found, strict=True)))
    return Table.of(
        rows,
        "ensembles",
        "What each adds and costs",
        f"The best against {teams[0].alone[0].name}, equals against "
        f"{teams[1].alone[0].name} (their best members on held-out images), bags against one "
        f"such model of all images; won and lost are test images that only one "
        f"side reads right (exact McNemar test, two-sided; Holm's p holds for all rows "
        f"together). Seconds and size are those of all members; to fit, weights and a stack "
        f"also need the members' fits without the held-out images.",
        decimals=3,
    )


def _list_costs(reader: Reader) -> dict[str, Any]:
    return {
        "model": reader.name,
        "accuracy (%)": 100 * reader.accuracy,
        "fit (s)": reader.fit,
        "predict (s)": reader.predict,
        "size (MB)": reader.size,
    }


def _show_costs(context: ChapterContext, teams: list[Team]) -> Part:
    pairs = [(joint, team.alone[0]) for team in teams for joint in team.together]
    costs = {
        "seconds to fit": [joint.fit / best.fit for joint, best in pairs],
        "seconds to predict": [joint.predict / best.predict for joint, best in pairs],
        "size": [joint.size / best.size for joint, best in pairs],
    }
    return context.figure(
        "costs",
        "What each costs",
        "As many times what the best member alone costs: "
        + "; ".join(
            f"{team.alone[0].name} takes {_write_costs(team.alone[0])}" for team in teams
        )
        + ".",
        draw_bars,
        [joint.name for joint, _ in pairs],
        costs,
        "times the cost of the best member (1 = as much)",
        1,
        log=True,
    )


def _show_growing(context: ChapterContext, teams: list[Team]) -> Parts:
    gains = {
        f"{team.name}, {name}": (
            np.arange(1, len(team.alone) + 1),
            100 * (np.array(team.choice["growing"][key]) - team.choice["growing"][key][0]),
        )
        for team in teams
        for name, key in (("held out", "held"), ("test", "test"))
    }
    said = [_say_growth(team) for team in teams]
    return (
        context.figure(
            "growing",
            "More members, better votes?",
            f"Soft voting of the best candidate, the best two, ...: {'; '.join(said)}. Who "
            f"comes next is ranked on held-out images.",
            draw_lines,
            gains,
            "number of members",
            "gain in accuracy (points)",
        ),
        Table.behind(
            "growing",
            ("team", "members", "added", "held out (%)", "test (%)"),
            (
                (team.name, count + 1, name, 100 * held, 100 * test)
                for team in teams
                for count, (name, held, test) in enumerate(
                    zip(team.choice["ranked"], *team.choice["growing"].values(), strict=True)
                )
            ),
        ),
    )


def _say_growth(team: Team) -> str:
    held, test = (np.array(team.choice["growing"][key]) for key in ("held", "test"))
    most = int(held.argmax())
    if most == 0:
        return f"of {team.name} none adds to the first on held-out images"
    return (
        f"of {team.name} the first {most + 1} do best on held-out images, and add "
        f"{100 * (test[most] - test[0]):+.2f} points on the test images"
    )


def _show_shared(context: ChapterContext, team: Team) -> Parts:
    names = team.choice["ranked"]
    shared = 100 * np.array(team.choice["shared"], float)
    others = np.where(np.eye(len(names), dtype=bool), np.nan, shared)
    if np.isnan(others).all():
        return ()
    one, other = np.unravel_index(np.nanargmin(others), others.shape)
    return (
        context.figure(
            "shared-errors",
            "Which errors they share (% of the row's)",
            f"Votes mend only what members do not share: least of all, {names[other]} makes "
            f"{others[one, other]:.0f} % of the errors of {names[one]} too.",
            draw_matrix,
            shared,
            "made by this one too",
            "errors of",
            names,
            names,
            0,
            highest=100,
            blank=(),
        ),
        Table.behind(
            "shared-errors",
            ("errors of", *(f"made by {name} too (%)" for name in names)),
            (
                (name, *(None if np.isnan(share) else float(share) for share in row))
                for name, row in zip(names, shared, strict=True)
            ),
        ),
    )


def _show_differences(context: ChapterContext, team: Team) -> Parts:
    chosen = team.chosen
    facts = context.results[chosen.name].values
    best = facts["best"]
    (said,) = context.open(chosen.name, "predicted")
    (alone,) = context.open(name_whole(best["member"]), "predicted")
    test = open_test(context)
    figures = []
    for name, word, count in (
        ("won", "right where its best member is wrong", best["wins"]),
        ("lost", "wrong where its best member is right", best["losses"]),
    ):
        rows = facts[name]
        if not rows:
            continue
        captions = [f"{test.labels[row]}: {alone[row]} → {said[row]}" for row in rows]
        figures.append(
            context.figure(
                f"{name}-{team.name.replace(' ', '-')}",
                f"{chosen.name.capitalize()} is {word}",
                f"{len(rows)} of {count} such test images: the label, what {best['member']} "
                f"reads, and what {chosen.name} makes of it.",
                draw_gallery,
                np.array(test.images[rows]),
                captions,
                6,
            )
        )
    return tuple(figures)


def _show_bags(context: ChapterContext) -> Parts:
    counts = np.arange(1, BAGS + 1)
    found = {name: context.results[name_bagging(name)].values for name in BAGGED}
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
    rows = context.results[f"bag 1 of {next(iter(BAGGED))}"].values
    return (
        context.figure(
            "bags",
            "Bagging, bag by bag",
            f"Each bag is {rows['rows']:,} images drawn with replacement ({BAG_SHARE:.0%} of "
            f"all; {rows['distinct']:,} different ones in the first). "
            + " ".join(
                f"{BAGS} bags of {name} read {facts['accuracy']:.2%}, one {name} of all "
                f"images {facts['single']:.2%}."
                for name, facts in found.items()
            ),
            draw_lines,
            {name: (counts, values) for name, values in gains.items()},
            "number of bags",
            "gain in accuracy (points)",
        ),
        Table.behind(
            "bags",
            ("bags", *errors),
            (
                (k, *line)
                for k, line in zip(
                    counts.tolist(), np.stack(list(errors.values()), 1).tolist(), strict=True
                )
            ),
        ),
    )
