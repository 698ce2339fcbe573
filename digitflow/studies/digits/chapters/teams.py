"""Who reads in the chapter `ensembles`: candidates, teams of them, bags, and their costs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from digitflow.studies.chapter import ChapterContext
from digitflow.studies.digits.experiments.ensembles import (
    BAGS,
    KINDS,
    name_bagging,
    name_choice,
    name_joint,
    name_part,
    name_whole,
)
from digitflow.studies.plan import Findings

MEGABYTE = 2**20


@dataclass(frozen=True)
class Reader:
    """One model or several together: shares read right, seconds, megabytes.

    `fit` is of all that it takes, from fits without the held-out images to the last member.
    """

    name: str
    held: float | None
    accuracy: float
    fit: float
    predict: float
    size: float


@dataclass(frozen=True)
class Team:
    """The members of a team, the best on held-out images first, and what they are together.

    `chosen` is the ensemble that is best on held-out images.
    """

    name: str
    choice: Any
    alone: tuple[Reader, ...]
    together: tuple[Reader, ...]

    @property
    def chosen(self) -> Reader:
        """The ensemble that is best on held-out images."""
        return max(self.together, key=lambda reader: reader.held or 0.0)

    @property
    def members(self) -> tuple[Reader, ...]:
        """Those of `alone` that were taken."""
        return self.alone[: len(self.choice["members"])]


def describe_team(context: ChapterContext, name: str) -> Team:
    """Gather a team's candidates, the best on held-out images first, and its ensembles."""
    choice = context.results[name_choice(name)].values
    return Team(
        name,
        choice,
        tuple(_describe_candidate(context, candidate) for candidate in choice["ranked"]),
        tuple(_describe_joint(context, kind, name) for kind in KINDS),
    )


def _describe_candidate(context: ChapterContext, name: str) -> Reader:
    part, whole = context.results[name_part(name)], context.results[name_whole(name)]
    return _add_up(name, part.values["accuracy"], whole.values["accuracy"], [whole])


def _describe_joint(context: ChapterContext, kind: str, team: str) -> Reader:
    name = name_joint(kind, team)
    joint, members = context.results[name], context.results[name_choice(team)].values["members"]
    # A vote of equals needs no fits without the held-out images.
    learnt = 0.0
    if kind in ("weighted voting", "stacking"):
        parts = [context.results[name_part(member)] for member in members]
        learnt = sum(part.measured["fit_seconds"] for part in parts)
        learnt += joint.measured["join_seconds"]
    wholes = [context.results[name_whole(member)] for member in members]
    held, accuracy = joint.values["held_accuracy"], joint.values["accuracy"]
    return _add_up(name, held, accuracy, wholes, learnt)


def describe_bagging(context: ChapterContext, name: str) -> Reader:
    """Gather what the bags of one model read together, and cost."""
    accuracy = context.results[name_bagging(name)].values["accuracy"]
    bags = [context.results[f"bag {number + 1} of {name}"] for number in range(BAGS)]
    return _add_up(f"{BAGS} bags of {name}", None, accuracy, bags)


def _add_up(
    name: str,
    held: float | None,
    accuracy: float,
    fits: Sequence[Findings],
    learnt: float = 0.0,
) -> Reader:
    """Return what reads by all of these fits; `learnt` seconds went into joining them."""
    return Reader(
        name,
        held,
        accuracy,
        fit=sum(fit.measured["fit_seconds"] for fit in fits) + learnt,
        predict=sum(fit.measured["predict_seconds"] for fit in fits),
        size=sum(fit.models["model"].bytes for fit in fits) / MEGABYTE,
    )
