"""What is said of ensembles is what was found, and the goal is one of MNIST."""

import pytest

from digitflow.studies.chapter import PublishedFigure, Table, draw_chapter
from digitflow.studies.digits.experiments.ensembles import (
    BAGGED,
    CANDIDATES,
    KINDS,
    TEAMS,
    name_joint,
)


def test_gains_and_costs_are_those_that_were_measured_and_the_goal_is_of_mnist(study_once):
    store, scope, data, found = study_once("ensembles")
    chapter = draw_chapter(store, "ensembles", scope, data, found)
    tables = {part.name: part for part in chapter.parts if isinstance(part, Table)}
    rows = {row[0]: row for row in tables["ensembles"].rows}
    assert len(rows) == len(CANDIDATES) + len(TEAMS) * len(KINDS) + len(BAGGED)
    for team in TEAMS:
        members = found[f"members of {team}"].values["members"]
        for kind in KINDS:
            _, accuracy, fit, predict, size, gain, won, lost, p, adjusted = rows[
                name_joint(kind, team)
            ]
            assert accuracy == 100 * found[name_joint(kind, team)].values["accuracy"]
            assert gain == pytest.approx(100 * (won - lost) / scope.test_rows)
            assert predict == pytest.approx(sum(rows[name][3] for name in members))
            assert size == pytest.approx(sum(rows[name][4] for name in members))
            # Who learns from held-out images pays for fits without them too.
            alone = sum(rows[name][2] for name in members)
            assert (fit == pytest.approx(alone)) == (kind in ("hard voting", "soft voting"))
            assert fit > 0.999 * alone
            assert p <= adjusted <= 1
    assert not any(isinstance(part, PublishedFigure) for part in chapter.parts)

    mnist = scope.model_copy(update={"source": "mnist", "complete": True})
    chapter = draw_chapter(store, "ensembles", mnist, data, found)
    goals = [part for part in chapter.parts if isinstance(part, PublishedFigure)]
    assert len(goals) == len(TEAMS)
    for goal, team in zip(goals, TEAMS, strict=True):
        facts = [found[name_joint(kind, team)].values for kind in KINDS]
        chosen = max(facts, key=lambda values: values["held_accuracy"])
        assert goal.met == (chosen["accuracy"] > chosen["strongest"]["accuracy"])
