"""Who votes is chosen without the test images, by images that nobody learnt from."""

import numpy as np
import pytest
from sklearn.model_selection import StratifiedGroupKFold

from digitflow.studies.digits.algorithms import plan_model
from digitflow.studies.digits.data import open_test, open_train, prepare_features
from digitflow.studies.digits.experiments.ensembles import (
    BAGS,
    EQUALS,
    KINDS,
    TEAMS,
    choose_members,
    divide_rows,
    fit_bag,
    fit_part,
    join_bags,
    join_members,
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


def test_few_writers_are_no_groups_to_divide_by_and_five_are():
    labels = np.arange(500) % 10
    for count, grouped in ((4, False), (5, True)):
        writers = (np.arange(500) // 10 % count).astype(np.int32)
        learnt, held = divide_rows(labels, writers, 42)
        shared = np.intersect1d(writers[learnt], writers[held])
        assert (len(shared) == 0) is grouped
        assert len(held) == 100
    # A writer numbered 0 is known like any other.
    assert not np.isin(writers[held], writers[learnt]).any()
    assert 0 in writers


def test_images_of_unknown_writers_are_a_hundred_groups():
    labels = np.arange(2000) % 10
    writers = np.where(np.arange(2000) < 1000, np.arange(2000) // 100, -1)
    _, held = divide_rows(labels, writers, 42)
    groups = np.where(writers >= 0, writers, -1 - np.arange(2000) % 100)
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=42)
    wanted = next(iter(folds.split(labels, labels, groups)))[1]
    np.testing.assert_array_equal(held, wanted)


def say(*digits, sure=0.9):
    """Probabilities of a reader that is as sure of each of these digits."""
    said = np.full((len(digits), 10), (1 - sure) / 9, np.float32)
    said[np.arange(len(digits)), list(digits)] = sure
    return said


@pytest.fixture
def team(make_context):
    """Three readers of ten held-out images and ten test images: a good one, and two worse."""
    context = make_context(train=50, test=10)
    _, held = divide_rows(np.arange(50) % 10, None, 42)
    truth = np.asarray(open_train(context).labels)[held]
    readers = {
        "a": (truth, [0, 1, 2, 3, 4, 5, 6, 7, 9, 8]),
        "b": (np.where(truth == 0, 1, truth), [0, 1, 2, 3, 4, 5, 6, 7, 8, 8]),
        "c": (np.where(truth < 2, 9, truth), [1, 1, 2, 3, 4, 5, 6, 7, 9, 8]),
    }
    given = {}
    for name, (on_held, on_test) in readers.items():
        right = float((on_held == truth).mean())
        given[name_part(name)] = Findings(
            values={"accuracy": right}, arrays=context.keep(held=say(*on_held))
        )
        given[name_whole(name)] = Findings(arrays=context.keep(probabilities=say(*on_test)))
    return ExperimentContext(context.store, context.data, 42, 1, given)


def test_members_are_the_best_on_what_is_held_out_and_share_errors(team):
    found = choose_members(team, ["c", "a", "b"], 2).values
    assert found["ranked"] == ["a", "b", "c"]
    assert found["members"] == ["a", "b"]
    assert len(found["weights"]) == 2
    assert sum(found["weights"]) == pytest.approx(1)
    assert found["growing"]["held"] == pytest.approx([1.0, 1.0, 1.0])
    assert found["growing"]["test"][0] == pytest.approx(0.8)
    # Of both errors of a, b makes one and c both; of the three of c, a makes two.
    assert found["shared"][0] == pytest.approx([1, 0.5, 1])
    assert found["shared"][2] == pytest.approx([2 / 3, 1 / 3, 1])


def test_who_makes_no_errors_shares_none(team):
    right = team.keep(probabilities=say(*range(10)))
    given = {**team.given, name_whole("a"): Findings(arrays=right)}
    context = ExperimentContext(team.store, team.data, 42, 1, given)
    found = choose_members(context, ["a", "b"], 1).values
    assert found["shared"] == [[None, None], [0.0, 1.0]]


def test_a_vote_is_compared_with_its_best_and_its_strongest_member(team):
    given = {**team.given, "members": Findings(values={"members": ["a", "b", "c"]})}
    context = ExperimentContext(team.store, team.data, 42, 1, given)
    joint = join_members(context, "hard voting", "members")
    # Two of three say 9 for 8 and 8 for 9; the first image is read as 0 by two.
    said = team.store.open_array(joint.arrays["predicted"])
    assert said.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 9, 8]
    values = joint.values
    assert values["accuracy"] == 0.8
    assert values["held_accuracy"] == 1.0
    assert values["best"] == {"member": "a", "accuracy": 0.8, "wins": 0, "losses": 0, "p": 1}
    assert values["strongest"] == {
        "member": "b",
        "accuracy": 0.9,
        "wins": 0,
        "losses": 1,
        "p": 1,
    }
    assert (values["won"], values["lost"]) == ([], [])


def test_the_images_that_only_one_side_reads_are_listed_up_to_a_dozen(make_context):
    context = make_context(train=50, test=40)
    _, held = divide_rows(np.arange(50) % 10, None, 42)
    truth = np.arange(40) % 10
    worse = np.where(np.arange(40) < 20, (truth + 1) % 10, truth)
    worse[30:] = truth[30:]
    better = truth.copy()
    better[35] = (truth[35] + 1) % 10
    given = {"members": Findings(values={"members": ["x", "y", "z"]})}
    known = np.asarray(open_train(context).labels)[held]
    for name, digits in (("x", worse), ("y", better), ("z", better)):
        given[name_part(name)] = Findings(arrays=context.keep(held=say(*known)))
        given[name_whole(name)] = Findings(arrays=context.keep(probabilities=say(*digits)))
    context = ExperimentContext(context.store, context.data, 42, 1, given)
    values = join_members(context, "hard voting", "members").values
    assert values["won"] == list(range(12))
    assert values["lost"] == [35]
    assert (values["best"]["wins"], values["best"]["losses"]) == (20, 1)


@pytest.fixture
def prepared(make_context):
    """Two hundred images with their pixels as features."""
    context = make_context(train=200, test=40)
    given = {"features pixels": prepare_features(context, "pixels", "own")}
    return ExperimentContext(context.store, context.data, 42, 1, given)


def test_a_part_is_judged_on_what_it_did_not_learn(prepared):
    found = fit_part(prepared, "tree", {}, "features pixels")
    _, held = divide_rows(np.arange(200) % 10, None, 42)
    read = prepared.store.open_array(found.arrays["held"])
    right = read.argmax(axis=1) == held % 10
    assert found.values == {"accuracy": right.mean(), "n": 40}
    # A tree knows what it has learnt by heart.
    assert right.mean() < 1


def test_bags_are_three_fifths_drawn_with_replacement_and_averaged(prepared):
    bags = {
        f"bag {number}": fit_bag(prepared, number, "tree", {}, "features pixels")
        for number in range(3)
    }
    drawn = np.random.default_rng([42, 1]).choice(200, 120, replace=True)
    assert bags["bag 1"].values == {"rows": 120, "distinct": len(np.unique(drawn))}
    labels = np.asarray(open_test(prepared).labels)
    given = {**prepared.given, **bags}
    alone = np.where(labels == 3, 5, labels).astype(np.uint8)
    given["model"] = Findings(arrays=prepared.keep(predicted=alone))
    context = ExperimentContext(prepared.store, prepared.data, 42, 1, given)
    found = join_bags(context, "model", list(bags)).values
    read = [prepared.store.open_array(bag.arrays["test"]) for bag in bags.values()]
    made = [np.mean(read[: k + 1], axis=0).argmax(axis=1) for k in range(3)]
    assert found["growing"] == [(said == labels).mean() for said in made]
    assert found["accuracy"] == found["growing"][2]
    assert found["single"] == 0.9
    right = made[2] == labels
    assert found["wins"] == (right & (labels == 3)).sum()
    assert found["losses"] == (~right & (labels != 3)).sum()


def test_the_teams_are_those_that_the_page_tells_of(mnist_scope):
    steps = {step.name: step for step in plan_section("ensembles", mnist_scope)}
    for team in TEAMS:
        assert steps[name_choice(team)].params == {
            "candidates": list(TEAMS[team]),
            "count": 3,
        }
    bags = [steps[f"bag {number} of tree"].params["number"] for number in range(1, 6)]
    assert bags == list(range(5))
    assert BAGS == 5
