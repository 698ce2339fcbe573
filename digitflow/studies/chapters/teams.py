"""Who reads in the chapter `ensembles`: candidates, teams of them, bags, and their costs."""

from dataclasses import dataclass
from typing import Any

from digitflow.studies.chapter import ChapterContext
from digitflow.studies.experiments.ensembles import (
    BAGS,
    KINDS,
    name_bagging,
    name_choice,
    name_joint,
    name_part,
    name_whole,
)

MEGABYTE = 2**20


@dataclass(frozen=True)
class Reader:
    """One model or several together: shares read right, seconds, megabytes.

    `fit` is of all that it takes, from the held-out images' fold_fits to the last member.
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
    return Reader(
        name,
        part.values["accuracy"],
        whole.values["accuracy"],
        whole.measured["fit_seconds"],
        whole.measured["predict_seconds"],
        whole.models["model"].bytes / MEGABYTE,
    )


def _describe_joint(context: ChapterContext, kind: str, team: str) -> Reader:
    facts = context.results[name_joint(kind, team)]
    members = context.results[name_choice(team)].values["members"]
    wholes = [_describe_candidate(context, name) for name in members]
    # A vote of equals needs no fold_fits from held-out images.
    fold_fits = sum(
        context.results[name_part(name)].measured["fit_seconds"] for name in members
    )
    learns = kind in ("weighted voting", "stacking")
    join = facts.measured["join_seconds"]
    return Reader(
        name_joint(kind, team),
        facts.values["held_accuracy"],
        facts.values["accuracy"],
        sum(whole.fit for whole in wholes) + (fold_fits + join if learns else 0.0),
        sum(whole.predict for whole in wholes),
        sum(whole.size for whole in wholes),
    )


def describe_bagging(context: ChapterContext, name: str) -> Reader:
    """Gather what the bags of one model read together, and cost."""
    bags = [context.results[f"bag {number + 1} of {name}"] for number in range(BAGS)]
    return Reader(
        f"{BAGS} bags of {name}",
        None,
        context.results[name_bagging(name)].values["accuracy"],
        sum(bag.measured["fit_seconds"] for bag in bags),
        sum(bag.measured["predict_seconds"] for bag in bags),
        sum(bag.models["model"].bytes for bag in bags) / MEGABYTE,
    )
