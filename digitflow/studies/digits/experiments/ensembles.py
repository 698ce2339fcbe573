"""Section `ensembles`: do several models together read better than the best of them?

Candidates learn from four fifths of the training images; by the rest it is chosen which of
them are taken, weights and a stack are learnt, and of the ensembles one is chosen. The
members then learn from all training images. The test images only judge. Features are
scaled and projected over all training images, without their labels.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from digitflow.models.building import build_estimator
from digitflow.models.persistence import dump_model
from digitflow.studies.digits.algorithms import (
    ALGORITHMS,
    Algorithm,
    plan_fit,
    predict_probabilities,
)
from digitflow.studies.digits.data import open_test, open_train
from digitflow.studies.digits.voting import (
    calibrate,
    compare_readers,
    join,
    join_crosswise,
    vote_soft,
    weigh_members,
)
from digitflow.studies.plan import ExperimentContext, Findings, Plan, plan_experiment
from digitflow.studies.scope import DigitsScope

HELD_OUT = 5  # the first of so many folds
# Images whose writer is unknown are dealt to so many groups, as if each were a writer.
UNKNOWN_GROUPS = 100
BAG_SHARE = 0.6
SHOWN = 12


def name_part(candidate: str) -> str:
    """Return what the fit of a candidate on a part of the training images is called."""
    return f"part {candidate}"


def name_whole(candidate: str) -> str:
    """Return what its fit on all training images is called."""
    return f"model {candidate}"


def divide_rows(
    labels: np.ndarray, writers: np.ndarray | None, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows that candidates learn from, and those that are held out.

    Both have every digit as often, nearly; a known writer's rows are all in one of them.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    options: dict[str, Any] = {"shuffle": True, "random_state": seed}
    folds: Any = StratifiedKFold(HELD_OUT, **options)
    groups = None
    if writers is not None and len(np.unique(writers[writers >= 0])) >= HELD_OUT:
        dealt = -1 - np.arange(len(writers)) % UNKNOWN_GROUPS
        groups = np.where(writers >= 0, writers, dealt)
        folds = StratifiedGroupKFold(HELD_OUT, **options)
    learnt, held = next(iter(folds.split(labels, labels, groups)))
    return learnt, held


def _divide(context: ExperimentContext) -> tuple[np.ndarray, np.ndarray]:
    train = open_train(context)
    return divide_rows(np.asarray(train.labels), train.writers, context.seed)


def fit_part(
    context: ExperimentContext, estimator: str, params: Mapping[str, Any], features: str
) -> Findings:
    """Fit a candidate on its share of the training images; read what is held out.

    Returns
    -------
    Findings
        values "accuracy" and "n" of what is held out; arrays "held": probabilities float32
        (n, 10); measured "fit_seconds".
    """
    train, labels = context.open(features, "train", "train_labels")
    learnt, held = _divide(context)
    model = build_estimator(estimator, params, context.seed, context.threads)
    with context.timed("fit"):
        model.fit(train[learnt], labels[learnt])
    read = predict_probabilities(model, train[held])
    return Findings(
        values={
            "accuracy": float((read.argmax(axis=1) == labels[held]).mean()),
            "n": len(held),
        },
        arrays=context.keep(held=read),
    )


def rank_candidates(given: Mapping[str, Findings], candidates: Sequence[str]) -> list[str]:
    """Return the candidates, the best on what is held out first."""
    return sorted(candidates, key=lambda name: -given[name_part(name)].values["accuracy"])


def open_held(
    context: ExperimentContext, names: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Return what candidates read in the held-out images (m, n, 10), and the truth (n,)."""
    truth = np.asarray(open_train(context).labels)[_divide(context)[1]]
    return np.concatenate([context.open(name_part(name), "held") for name in names]), truth


def open_answers(context: ExperimentContext, names: Sequence[str]) -> np.ndarray:
    """Return what they read in the test images (m, n, 10), fitted on all training images."""
    return np.concatenate([context.open(name_whole(name), "probabilities") for name in names])


def choose_members(
    context: ExperimentContext, candidates: Sequence[str], count: int
) -> Findings:
    """Choose the best candidates on what is held out; see how they differ.

    Returns
    -------
    Findings
        values: "ranked", the candidates; "members", the first of them; "weights" of the
        members' votes; "growing", the accuracy of soft voting by the first 1, 2, ...
        candidates, {"held", "test"}; "shared" (m, m): which share of the test errors of
        one (row) the other (column) makes too, by "ranked"; None without errors.
    """
    ranked = rank_candidates(context.given, candidates)
    held, truth = open_held(context, ranked)
    labels = np.asarray(open_test(context).labels)
    held, test = calibrate(held, truth, open_answers(context, ranked))
    wrong = test.argmax(axis=2) != labels
    counts = range(1, len(ranked) + 1)
    return Findings(
        values={
            "ranked": ranked,
            "members": ranked[:count],
            "weights": weigh_members(held[:count], truth).tolist(),
            "growing": {
                name: [float((vote_soft(read[:k]) == right).mean()) for k in counts]
                for name, read, right in (("held", held, truth), ("test", test, labels))
            },
            "shared": [
                [float(other[one].mean()) if one.any() else None for other in wrong]
                for one in wrong
            ],
        }
    )


def join_members(context: ExperimentContext, kind: str, choice: str) -> Findings:
    """Let the members vote, or a model learn from what they read in held-out images.

    Returns
    -------
    Findings
        values: "held_accuracy" (each half by what the other taught), "accuracy" on the
        test images; "best" and "strongest": the member that is best on what is held out,
        and that is best on the test images, each with its "accuracy" there and as of
        `compare_readers`; "won", "lost": the first test images that only the ensemble,
        only the best member reads right; arrays "predicted"; measured "join_seconds".
    """
    members = context.given[choice].values["members"]
    held, truth = open_held(context, members)
    test, labels = open_answers(context, members), np.asarray(open_test(context).labels)
    with context.timed("join"):
        predicted = join(kind, held, truth, test)
    crosswise = join_crosswise(kind, held, truth, context.seed)
    alone = test.argmax(axis=2)
    strongest = int((alone == labels).sum(axis=1).argmax())
    ours, theirs = predicted == labels, alone[0] == labels
    return Findings(
        values={
            "held_accuracy": float((crosswise == truth).mean()),
            "accuracy": float(ours.mean()),
            "won": np.flatnonzero(ours & ~theirs)[:SHOWN].tolist(),
            "lost": np.flatnonzero(theirs & ~ours)[:SHOWN].tolist(),
        }
        | {
            name: {"member": members[row], "accuracy": float((alone[row] == labels).mean())}
            | compare_readers(predicted, alone[row], labels)
            for name, row in (("best", 0), ("strongest", strongest))
        },
        arrays=context.keep(predicted=predicted.astype(np.uint8)),
    )


def fit_bag(
    context: ExperimentContext,
    number: int,
    estimator: str,
    params: Mapping[str, Any],
    features: str,
) -> Findings:
    """Fit on a sample of the training images, drawn with replacement; read the test images.

    L. Breiman, "Bagging predictors", Machine Learning 24 (1996).

    Returns
    -------
    Findings
        values "rows" and "distinct": how many were drawn; arrays "test": probabilities
        float32 (n, 10); models "model"; measured "fit_seconds", "predict_seconds".
    """
    train, labels, test = context.open(features, "train", "train_labels", "test")
    generator = np.random.default_rng([context.seed, number])
    rows = generator.choice(len(train), int(BAG_SHARE * len(train)), replace=True)
    model = build_estimator(estimator, params, context.seed, context.threads)
    with context.timed("fit"):
        model.fit(train[rows], labels[rows])
    with context.timed("predict"):
        read = predict_probabilities(model, test)
    return Findings(
        values={"rows": len(rows), "distinct": len(np.unique(rows))},
        arrays=context.keep(test=read),
        models={"model": dump_model(model, context.store)},
    )


def join_bags(context: ExperimentContext, single: str, bags: Sequence[str]) -> Findings:
    """Average the bags; compare with one model of all training images.

    Returns
    -------
    Findings
        values: "accuracy"; "single", that of the one model; "growing", that of the first
        1, 2, ... bags; and as of `compare_readers`.
    """
    read = np.concatenate([context.open(bag, "test") for bag in bags])
    labels = np.asarray(open_test(context).labels)
    (alone,) = context.open(single, "predicted")
    made = [vote_soft(read[: count + 1]) for count in range(len(bags))]
    growing = [float((digits == labels).mean()) for digits in made]
    return Findings(
        values={
            "accuracy": growing[-1],
            "single": float((alone == labels).mean()),
            "growing": growing,
        }
        | compare_readers(made[-1], alone, labels)
    )


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


def plan(scope: DigitsScope) -> Plan:
    """Return the candidates, the teams of the best of them, their ensembles, and bags."""
    candidates = [step for name in CANDIDATES for step in _plan_candidate(name)]
    bags = [step for name in BAGGED for step in _plan_bags(name)]
    teams = [step for team in TEAMS for step in _plan_team(team)]
    return (*candidates, *bags, *teams)


def name_bagging(bagged: str) -> str:
    """Return what the ensemble of bags of one model is called."""
    return f"bagging {bagged}"


def name_choice(team: str) -> str:
    """Return what the choice of a team's members is called."""
    return f"members of {team}"


def name_joint(kind: str, team: str) -> str:
    """Return what an ensemble of a team is called."""
    return f"{kind} of {team}"


def _plan_team(team: str) -> Plan:
    candidates = TEAMS[team]
    given = tuple(name(one) for name in (name_part, name_whole) for one in candidates)
    choice = plan_experiment(
        name_choice(team), choose_members, *given, candidates=list(candidates), count=MEMBERS
    )
    needs = (*given, choice.name)
    joined = (
        plan_experiment(
            name_joint(kind, team), join_members, *needs, kind=kind, choice=choice.name
        )
        for kind in KINDS
    )
    return (choice, *joined)


def _plan_candidate(name: str) -> Plan:
    features, whole = plan_fit(name, CANDIDATES[name])
    given = CANDIDATES[name].learn_from(features.name)
    part = plan_experiment(name_part(name), fit_part, features.name, **given)
    return features, part, whole


def _plan_bags(name: str) -> Plan:
    features, single = plan_fit(name, BAGGED[name])
    given = BAGGED[name].learn_from(features.name)
    bags = [
        plan_experiment(
            f"bag {number + 1} of {name}", fit_bag, features.name, number=number, **given
        )
        for number in range(BAGS)
    ]
    names = [bag.name for bag in bags]
    joined = plan_experiment(
        name_bagging(name), join_bags, single.name, *names, single=single.name, bags=names
    )
    return (features, single, *bags, joined)
