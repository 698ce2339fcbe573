"""Who votes is chosen without the test images, by images that nobody learnt from."""

import numpy as np

from digitflow.studies.ensembles import (
    CANDIDATES,
    KINDS,
    divide_rows,
    name_part,
    name_whole,
    open_held,
    plan,
    rank_candidates,
)
from digitflow.studies.experiment import Findings, Lab
from digitflow.studies.running import run_plan


def test_candidates_are_ranked_by_what_is_held_out():
    scores = dict(zip(CANDIDATES, (0.9, 0.8, 0.95, 0.7, 0.6), strict=True))
    given = {name_part(name): Findings(values={"accuracy": s}) for name, s in scores.items()}
    given |= {
        name_whole(name): Findings(values={"accuracy": 1 - s}) for name, s in scores.items()
    }
    first, second, third = tuple(CANDIDATES)[:3]
    assert rank_candidates(given)[:3] == [third, first, second]


def test_what_is_held_out_is_not_learnt_from():
    labels = np.arange(600) % 10
    learnt, held = divide_rows(labels, None, 42)
    assert not np.intersect1d(learnt, held).size
    assert len(learnt) == 480
    assert np.bincount(labels[held]).tolist() == [12] * 10


def test_no_writer_is_on_both_sides_and_unknown_ones_are_dealt():
    labels = np.arange(3000) % 10
    writers = np.where(np.arange(3000) < 1000, -1, np.arange(3000) // 40)
    learnt, held = divide_rows(labels, writers, 42)
    shared = np.intersect1d(writers[learnt], writers[held])
    assert shared.tolist() in ([], [-1])
    assert 400 < len(held) < 800
    assert len(learnt) + len(held) == 3000


def test_ensembles_are_compared_with_members_that_learnt_as_much(make_study, store):
    scope, data = make_study(300)
    steps = [step for step in plan(scope) if "bag" not in step.name]
    found = run_plan(store, steps, data, 42)
    lab = Lab(store, data, 42, 1, found)
    choice = found["choice"].values
    held, truth = open_held(lab, choice["ranked"])
    assert held.shape == (5, found["part svm"].values["n"], 10)
    accuracy = (held.argmax(axis=2) == truth).mean(axis=1)
    assert accuracy.tolist() == sorted(accuracy, reverse=True)
    labels = np.asarray(lab.test().labels)
    for kind in KINDS:
        values = found[kind].values
        predicted = store.open_array(found[kind].arrays["predicted"])
        whole = store.open_array(found[name_whole(choice["ranked"][0])].arrays["predicted"])
        assert values["accuracy"] == np.mean(predicted == labels)
        assert values["best"]["accuracy"] == np.mean(whole == labels)
        right, other = predicted == labels, whole == labels
        assert values["best"]["wins"] == (right & ~other).sum()
        assert values["strongest"]["accuracy"] >= values["best"]["accuracy"]
    assert sum(choice["weights"]) == 1
    assert choice["growing"]["test"][0] == found["hard voting"].values["best"]["accuracy"]
