"""Who votes is chosen without the test images, by images that nobody learnt from."""

import numpy as np

from digitflow.studies.digits.algorithms import plan_model
from digitflow.studies.digits.data import open_test
from digitflow.studies.digits.experiments.ensembles import (
    BAGS,
    EQUALS,
    KINDS,
    TEAMS,
    divide_rows,
    name_bagging,
    name_choice,
    name_joint,
    name_part,
    name_whole,
    open_held,
    rank_candidates,
)
from digitflow.studies.plan import ExperimentContext, Findings, plan_section


def test_candidates_are_ranked_by_what_is_held_out():
    scores = dict(zip(EQUALS, (0.9, 0.8, 0.95, 0.7), strict=True))
    given = {name_part(name): Findings(values={"accuracy": s}) for name, s in scores.items()}
    given |= {
        name_whole(name): Findings(values={"accuracy": 1 - s}) for name, s in scores.items()
    }
    assert rank_candidates(given, EQUALS) == ["forest", "knn", "mlp", "extra-trees"]
    assert rank_candidates(given, EQUALS[:2]) == ["knn", "mlp"]


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


def test_ensembles_are_compared_with_members_that_learnt_as_much(make_study, store, run_plan):
    scope, data = make_study(300)
    found = run_plan(
        [step for step in plan_section("ensembles", scope) if "bag" not in step.name], data
    )
    context = ExperimentContext(store, data, 42, 1, found)
    labels = np.asarray(open_test(context).labels)
    for team, candidates in TEAMS.items():
        choice = found[name_choice(team)].values
        assert sorted(choice["ranked"]) == sorted(candidates)
        assert sum(choice["weights"]) == 1
        held, truth = open_held(context, choice["ranked"])
        assert held.shape == (len(candidates), found[name_part("knn")].values["n"], 10)
        accuracy = (held.argmax(axis=2) == truth).mean(axis=1)
        assert accuracy.tolist() == sorted(accuracy, reverse=True)
        first = name_whole(choice["ranked"][0])
        other = store.open_array(found[first].arrays["predicted"]) == labels
        for kind in KINDS:
            joint = found[name_joint(kind, team)]
            right = store.open_array(joint.arrays["predicted"]) == labels
            best = joint.values["best"]
            assert joint.values["accuracy"] == right.mean()
            assert best["accuracy"] == other.mean() == choice["growing"]["test"][0]
            assert (best["wins"], best["losses"]) == (
                (right & ~other).sum(),
                (other & ~right).sum(),
            )
            assert joint.values["strongest"]["accuracy"] >= best["accuracy"]


def test_bags_are_samples_of_all_images_and_compared_with_one_model(make_study, run_plan):
    scope, data = make_study(300)
    steps = [
        step
        for step in plan_section("ensembles", scope)
        if step.name.endswith((" tree", " pixels"))
    ]
    found = run_plan(steps, data)
    bags = [found[f"bag {number + 1} of tree"] for number in range(BAGS)]
    assert [bag.values["rows"] for bag in bags] == [180] * BAGS
    assert len({bag.arrays["test"].digest for bag in bags}) == BAGS
    # Drawn with replacement: as many different ones as chance gives (135.6), nearly.
    assert all(115 < bag.values["distinct"] < 155 for bag in bags)
    values = found[name_bagging("tree")].values
    assert len(values["growing"]) == BAGS
    assert values["growing"][-1] == values["accuracy"] > values["single"]


def test_fits_of_other_sections_are_shared(make_study):
    scope, _ = make_study(300)
    ours = {step.name: step for step in plan_section("ensembles", scope)}
    for name in (*EQUALS, "tree"):
        for step in plan_model(name):
            assert ours[step.name] == step
