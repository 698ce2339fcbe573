"""Fits of candidates on a part of the images and of bags; what they are together."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from digitflow.models.catalogue import build_estimator
from digitflow.models.persistence import dump_model
from digitflow.studies.fitting import predict_probabilities
from digitflow.studies.plan import Findings, Lab
from digitflow.studies.voting import (
    calibrate,
    compare_readers,
    join,
    join_crosswise,
    vote_soft,
    weigh_members,
)

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


def _divide(lab: Lab) -> tuple[np.ndarray, np.ndarray]:
    train = lab.train()
    return divide_rows(np.asarray(train.labels), train.writers, lab.seed)


def fit_part(lab: Lab, estimator: str, params: Mapping[str, Any], features: str) -> Findings:
    """Fit a candidate on its share of the training images; read what is held out.

    Returns
    -------
    Findings
        values "accuracy" and "n" of what is held out; arrays "held": probabilities float32
        (n, 10); measured "fit_seconds".
    """
    train, labels = lab.open(features, "train", "train_labels")
    learnt, held = _divide(lab)
    began = time.perf_counter()
    model = build_estimator(estimator, params, lab.seed, lab.threads)
    model.fit(train[learnt], labels[learnt])
    seconds = time.perf_counter() - began
    read = predict_probabilities(model, train[held])
    return Findings(
        values={
            "accuracy": float((read.argmax(axis=1) == labels[held]).mean()),
            "n": len(held),
        },
        measured={"fit_seconds": seconds},
        arrays={"held": lab.store.put_array(read)},
    )


def rank_candidates(given: Mapping[str, Findings], candidates: Sequence[str]) -> list[str]:
    """Return the candidates, the best on what is held out first."""
    return sorted(candidates, key=lambda name: -given[name_part(name)].values["accuracy"])


def open_held(lab: Lab, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return what candidates read in the held-out images (m, n, 10), and the truth (n,)."""
    truth = np.asarray(lab.train().labels)[_divide(lab)[1]]
    return np.concatenate([lab.open(name_part(name), "held") for name in names]), truth


def open_test(lab: Lab, names: Sequence[str]) -> np.ndarray:
    """Return what they read in the test images (m, n, 10), fitted on all training images."""
    return np.concatenate([lab.open(name_whole(name), "probabilities") for name in names])


def choose_members(lab: Lab, candidates: Sequence[str], count: int) -> Findings:
    """Choose the best candidates on what is held out; see how they differ.

    Returns
    -------
    Findings
        values: "ranked", the candidates; "members", the first of them; "weights" of the
        members' votes; "growing", the accuracy of soft voting by the first 1, 2, ...
        candidates, {"held", "test"}; "shared" (m, m): which share of the test errors of
        one (row) the other (column) makes too, by "ranked"; None without errors.
    """
    ranked = rank_candidates(lab.given, candidates)
    held, truth = open_held(lab, ranked)
    labels = np.asarray(lab.test().labels)
    held, test = calibrate(held, truth, open_test(lab, ranked))
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


def join_members(lab: Lab, kind: str, choice: str) -> Findings:
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
    members = lab.given[choice].values["members"]
    held, truth = open_held(lab, members)
    test, labels = open_test(lab, members), np.asarray(lab.test().labels)
    began = time.perf_counter()
    predicted = join(kind, held, truth, test)
    seconds = time.perf_counter() - began
    crosswise = join_crosswise(kind, held, truth, lab.seed)
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
        measured={"join_seconds": seconds},
        arrays={"predicted": lab.store.put_array(predicted.astype(np.uint8))},
    )


def fit_bag(
    lab: Lab, number: int, estimator: str, params: Mapping[str, Any], features: str
) -> Findings:
    """Fit on a sample of the training images, drawn with replacement; read the test images.

    L. Breiman, "Bagging predictors", Machine Learning 24 (1996).

    Returns
    -------
    Findings
        values "rows" and "distinct": how many were drawn; arrays "test": probabilities
        float32 (n, 10); models "model"; measured "fit_seconds", "predict_seconds".
    """
    train, labels, test = lab.open(features, "train", "train_labels", "test")
    generator = np.random.default_rng([lab.seed, number])
    rows = generator.choice(len(train), int(BAG_SHARE * len(train)), replace=True)
    began = time.perf_counter()
    model = build_estimator(estimator, params, lab.seed, lab.threads)
    model.fit(train[rows], labels[rows])
    fitted = time.perf_counter()
    read = predict_probabilities(model, test)
    ended = time.perf_counter()
    return Findings(
        values={"rows": len(rows), "distinct": len(np.unique(rows))},
        measured={"fit_seconds": fitted - began, "predict_seconds": ended - fitted},
        arrays={"test": lab.store.put_array(read)},
        models={"model": dump_model(model, lab.store)},
    )


def join_bags(lab: Lab, single: str, bags: Sequence[str]) -> Findings:
    """Average the bags; compare with one model of all training images.

    Returns
    -------
    Findings
        values: "accuracy"; "single", that of the one model; "growing", that of the first
        1, 2, ... bags; and as of `compare_readers`.
    """
    read = np.concatenate([lab.open(bag, "test") for bag in bags])
    labels = np.asarray(lab.test().labels)
    (alone,) = lab.open(single, "predicted")
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
