"""Section `ensembles`: do several models together read better than the best of them?

Candidates learn from four fifths of the training images; by the rest it is chosen which of
them are taken, weights and a stack are learnt, and of the ensembles one is chosen. The
members then learn from all training images. The test images only judge. Features are
scaled and projected over all training images, without their labels.
"""

from collections.abc import Mapping
from types import MappingProxyType

from digitflow.studies.experiments.ensembles_fits import name_part, name_whole
from digitflow.studies.fitting import ALGORITHMS, Algorithm, plan_fit, unique
from digitflow.studies.plan import Experiment, Scope

FITS = "digitflow.studies.experiments.ensembles_fits"
# Of pixels: about as good as one another, and of four kinds. Gradient boosting is left out:
# on all of MNIST it takes longer to fit than all of these together.
EQUALS = ("knn", "mlp", "forest", "extra-trees")
CANDIDATES: Mapping[str, Algorithm] = MappingProxyType(
    {
        "svm on strokes": Algorithm(estimator="svm", recipe="strokes"),
        "nystroem on strokes": Algorithm(estimator="nystroem", recipe="strokes"),
        "mlp on strokes": Algorithm(estimator="mlp", recipe="strokes"),
    }
    | {name: ALGORITHMS[name] for name in EQUALS}
)
# Of each, the best on what is held out become members.
TEAMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"the best": tuple(CANDIDATES), "equals": EQUALS}
)
MEMBERS = 3
KINDS = ("hard voting", "soft voting", "weighted voting", "stacking")
# The best candidate, and a model that changes with every image that it learns from.
BAGGED: Mapping[str, Algorithm] = MappingProxyType(
    {"svm on strokes": CANDIDATES["svm on strokes"], "tree": ALGORITHMS["tree"]}
)
BAGS = 5


def plan(scope: Scope) -> tuple[Experiment, ...]:
    """Return the candidates, the teams of the best of them, their ensembles, and bags."""
    candidates = [step for name in CANDIDATES for step in _plan_candidate(name)]
    bags = [step for name in BAGGED for step in _plan_bags(name)]
    teams = [step for team in TEAMS for step in _plan_team(team)]
    return unique((*candidates, *bags, *teams))


def name_bagging(bagged: str) -> str:
    """Return what the ensemble of bags of one model is called."""
    return f"bagging {bagged}"


def name_choice(team: str) -> str:
    """Return what the choice of a team's members is called."""
    return f"members of {team}"


def name_joint(kind: str, team: str) -> str:
    """Return what an ensemble of a team is called."""
    return f"{kind} of {team}"


def _plan_team(team: str) -> tuple[Experiment, ...]:
    candidates = TEAMS[team]
    given = tuple(name(one) for name in (name_part, name_whole) for one in candidates)
    choice = Experiment(
        name=name_choice(team),
        function=f"{FITS}.choose_members",
        params={"candidates": list(candidates), "count": MEMBERS},
        needs=given,
    )
    joined = (
        Experiment(
            name=name_joint(kind, team),
            function=f"{FITS}.join_members",
            params={"kind": kind, "choice": choice.name},
            needs=(*given, choice.name),
        )
        for kind in KINDS
    )
    return (choice, *joined)


def _plan_candidate(name: str) -> tuple[Experiment, ...]:
    chosen = CANDIDATES[name]
    features, whole = plan_fit(name, chosen)
    part = Experiment(
        name=name_part(name),
        function=f"{FITS}.fit_part",
        params={
            "estimator": chosen.estimator,
            "params": chosen.params,
            "features": features.name,
        },
        needs=(features.name,),
    )
    return features, part, whole


def _plan_bags(name: str) -> tuple[Experiment, ...]:
    chosen = BAGGED[name]
    features, single = plan_fit(name, chosen)
    bags = [
        Experiment(
            name=f"bag {number + 1} of {name}",
            function=f"{FITS}.fit_bag",
            params={
                "number": number,
                "estimator": chosen.estimator,
                "params": chosen.params,
                "features": features.name,
            },
            needs=(features.name,),
        )
        for number in range(BAGS)
    ]
    joined = Experiment(
        name=name_bagging(name),
        function=f"{FITS}.join_bags",
        params={"single": name_whole(name), "bags": [bag.name for bag in bags]},
        needs=(name_whole(name), *(bag.name for bag in bags)),
    )
    return (features, single, *bags, joined)
