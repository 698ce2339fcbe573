"""Section `ensembles`: do several models together read better than the best of them?

Members learn from five sixths of the training images; the rest chooses which are taken and
teaches the stack. Features are scaled and projected over all training images, without their
labels. The test images only judge.
"""

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from digitflow.evaluation.comparison import exact_mcnemar
from digitflow.models.catalogue import build_estimator
from digitflow.studies.experiment import Experiment, Findings, Lab, Scope
from digitflow.studies.features import plan_features
from digitflow.studies.fitting import (
    ALGORITHMS,
    Algorithm,
    predict_probabilities,
    unique,
)

HELD_OUT = 6  # the first of so many folds
CANDIDATES: Mapping[str, Algorithm] = MappingProxyType(
    {
        "svm on strokes": Algorithm(estimator="svm", recipe="strokes"),
        "nystroem on strokes": Algorithm(estimator="nystroem", recipe="strokes"),
        "mlp on strokes": Algorithm(estimator="mlp", recipe="strokes"),
        "svm on pixels": ALGORITHMS["svm"],
        "extra-trees on pixels": ALGORITHMS["extra-trees"],
    }
)
BAGGED = "svm on strokes"
MEMBERS = 3
BAGS, BAG_SHARE = 5, 0.6
# Below it, logarithms say more about rounding than about digits.
LEAST_PROBABILITY = 1e-6
KINDS = ("hard voting", "soft voting", "stacking")


def plan(scope: Scope) -> tuple[Experiment, ...]:
    """Return the candidates, the ensembles of the best of them, and bags of the best."""
    steps: list[Experiment] = []
    for name, chosen in CANDIDATES.items():
        features = plan_features(chosen.recipe)
        fit = Experiment(
            name=f"candidate {name}",
            function=f"{__name__}.fit_candidate",
            params={
                "estimator": chosen.estimator,
                "params": chosen.params,
                "features": features.name,
            },
            needs=(features.name,),
        )
        steps += [features, fit]
    candidates = tuple(f"candidate {name}" for name in CANDIDATES)
    together = (
        Experiment(
            name=kind,
            function=f"{__name__}.join_members",
            params={"kind": kind, "members": MEMBERS},
            needs=candidates,
        )
        for kind in KINDS
    )
    bagged = CANDIDATES[BAGGED]
    bags = tuple(
        Experiment(
            name=f"bag {number + 1}",
            function=f"{__name__}.fit_bag",
            params={
                "number": number,
                "estimator": bagged.estimator,
                "params": bagged.params,
                "features": plan_features(bagged.recipe).name,
            },
            needs=(plan_features(bagged.recipe).name,),
        )
        for number in range(BAGS)
    )
    bagging = Experiment(
        name="bagging",
        function=f"{__name__}.join_bags",
        needs=(f"candidate {BAGGED}", *(bag.name for bag in bags)),
    )
    return unique((*steps, *together, *bags, bagging))


def divide_rows(labels: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows that members learn from, and those that choose and stack."""
    from sklearn.model_selection import StratifiedKFold

    folds = StratifiedKFold(HELD_OUT, shuffle=True, random_state=seed)
    learnt, held = next(iter(folds.split(labels, labels)))
    return learnt, held


def fit_candidate(lab: Lab, estimator: str, params: dict[str, Any], features: str) -> Findings:
    """Fit on the members' share; read what is held out, and the test images.

    Returns
    -------
    Findings
        values "held_accuracy", "test_accuracy"; arrays "held" and "test": probabilities
        float32 (m, 10); measured "fit_seconds", "predict_seconds" (of the test images).
    """
    train, labels, test, truth = _open(lab, features)
    learnt, held = divide_rows(labels, lab.seed)
    model = build_estimator(estimator, params, lab.seed, lab.threads)
    began = time.perf_counter()
    model.fit(train[learnt], labels[learnt])
    fitted = time.perf_counter()
    read = predict_probabilities(model, test)
    ended = time.perf_counter()
    chosen = predict_probabilities(model, train[held])
    return Findings(
        values={
            "held_accuracy": float((chosen.argmax(axis=1) == labels[held]).mean()),
            "test_accuracy": float((read.argmax(axis=1) == truth).mean()),
        },
        measured={"fit_seconds": fitted - began, "predict_seconds": ended - fitted},
        arrays={"held": lab.store.put_array(chosen), "test": lab.store.put_array(read)},
    )


def choose_members(given: Any, count: int) -> list[str]:
    """Return the experiments of the best candidates on what is held out, best first."""
    names = [name for name in given if name.startswith("candidate ")]
    return sorted(names, key=lambda name: -given[name].values["held_accuracy"])[:count]


def join_members(lab: Lab, kind: str, members: int) -> Findings:
    """Let the best candidates vote, or teach a model from their probabilities.

    Returns
    -------
    Findings
        values "members", "test_accuracy", "best" (the member that is best on what is held
        out) and its "best_accuracy"; "wins", "losses", "p": against it, on the test images
        that only one of the two reads right (exact McNemar test, two-sided); measured
        "fit_seconds" (of the stack itself).
    """
    chosen = choose_members(lab.given, members)
    held, test = (
        np.stack([lab.store.open_array(lab.given[name].arrays[part]) for name in chosen])
        for part in ("held", "test")
    )
    began = time.perf_counter()
    predicted = JOINTS[kind](lab, held, test)
    seconds = time.perf_counter() - began
    return Findings(
        values={"members": [name.removeprefix("candidate ") for name in chosen]}
        | _compare(lab, predicted, test[0], chosen[0]),
        measured={"fit_seconds": seconds},
    )


def _vote_hard(lab: Lab, held: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Count each member's digit; where digits tie, the best member's of them counts."""
    votes = np.eye(10)[test.argmax(axis=2)].sum(axis=0)
    # The best member breaks ties, and never more than that.
    return np.asarray((votes + 0.5 * np.eye(10)[test[0].argmax(axis=1)]).argmax(axis=1))


def _vote_soft(lab: Lab, held: np.ndarray, test: np.ndarray) -> np.ndarray:
    return np.asarray(test.mean(axis=0).argmax(axis=1))


def _stack(lab: Lab, held: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Learn from the members' log-probabilities on images that they did not learn from."""
    from sklearn.linear_model import LogisticRegression

    labels = np.asarray(lab.train().labels)
    _, rows = divide_rows(labels, lab.seed)
    learnt, asked = (
        np.log(np.maximum(np.concatenate(list(part), axis=1), LEAST_PROBABILITY))
        for part in (held, test)
    )
    stack = LogisticRegression(C=0.01, max_iter=1000).fit(learnt, labels[rows])
    return np.asarray(stack.predict(asked))


JOINTS: dict[str, Callable[[Lab, np.ndarray, np.ndarray], np.ndarray]] = {
    "hard voting": _vote_hard,
    "soft voting": _vote_soft,
    "stacking": _stack,
}


def fit_bag(
    lab: Lab, number: int, estimator: str, params: dict[str, Any], features: str
) -> Findings:
    """Fit on a sample of the members' share; read the test images.

    L. Breiman, "Bagging predictors", Machine Learning 24 (1996).
    """
    train, labels, test, _ = _open(lab, features)
    learnt, _ = divide_rows(labels, lab.seed)
    generator = np.random.default_rng([lab.seed, number])
    rows = generator.choice(learnt, int(BAG_SHARE * len(learnt)), replace=True)
    model = build_estimator(estimator, params, lab.seed, lab.threads)
    began = time.perf_counter()
    model.fit(train[rows], labels[rows])
    fitted = time.perf_counter()
    read = predict_probabilities(model, test)
    return Findings(
        values={"rows": len(rows)},
        measured={
            "fit_seconds": fitted - began,
            "predict_seconds": time.perf_counter() - fitted,
        },
        arrays={"test": lab.store.put_array(read)},
    )


def join_bags(lab: Lab) -> Findings:
    """Average the bags; compare with one model on all of the members' share."""
    bags = [facts for name, facts in lab.given.items() if name.startswith("bag ")]
    read = np.mean([lab.store.open_array(bag.arrays["test"]) for bag in bags], axis=0)
    single = lab.store.open_array(lab.given[f"candidate {BAGGED}"].arrays["test"])
    return Findings(
        values={"members": [f"{len(bags)} x {BAGGED}"]}
        | _compare(lab, read.argmax(axis=1), single, f"candidate {BAGGED}"),
        measured={"fit_seconds": sum(bag.measured["fit_seconds"] for bag in bags)},
    )


def _compare(lab: Lab, predicted: np.ndarray, best: np.ndarray, name: str) -> dict[str, Any]:
    truth = np.asarray(lab.test().labels)
    ours, theirs = predicted == truth, best.argmax(axis=1) == truth
    wins, losses = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    one_sided = exact_mcnemar(max(wins, losses), min(wins, losses))
    return {
        "test_accuracy": float(ours.mean()),
        "best": name.removeprefix("candidate "),
        "best_accuracy": float(theirs.mean()),
        "wins": wins,
        "losses": losses,
        "p": min(1.0, 2 * one_sided),
    }


def _open(lab: Lab, features: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    arrays = lab.given[features].arrays
    names = ("train", "train_labels", "test", "test_labels")
    train, labels, test, truth = (lab.store.open_array(arrays[name]) for name in names)
    return train, labels, test, truth
