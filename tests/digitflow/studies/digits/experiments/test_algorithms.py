"""What is said of an algorithm's answers is what was counted in them."""

import numpy as np
import pytest

from digitflow.data.sets import open_set
from digitflow.models.persistence import load_model
from digitflow.studies.digits.algorithms import ALGORITHMS
from digitflow.studies.digits.data import divide_images, open_test, open_train
from digitflow.studies.digits.experiments.algorithms import judge_model, name_judgement
from digitflow.studies.plan import ExperimentContext, Findings, plan_section


@pytest.fixture
def judge(store):
    """Judge answers made to order."""

    def judge(truth, predicted):
        arrays = {
            name: store.put_array(np.asarray(array, np.uint8))
            for name, array in {"labels": truth, "predicted": predicted}.items()
        }
        context = ExperimentContext(store, None, 42, 1, {"model": Findings(arrays=arrays)})
        return judge_model(context, "model").values

    return judge


def test_confusions_are_counts_and_shares_of_rows_of_columns_and_of_errors(judge):
    truth = [0, 0, 0, 0, 1, 1, 2]
    values = judge(truth, [0, 0, 1, 2, 1, 0, 2])
    counts = np.array(values["counts"])
    assert counts[:3, :3].tolist() == [[2, 1, 1], [1, 1, 0], [0, 0, 1]]
    assert counts.sum() == len(truth)
    assert values["by_row"][0][:3] == [0.5, 0.25, 0.25]
    assert np.array(values["by_column"])[:2, 0].tolist() == pytest.approx([2 / 3, 1 / 3])
    assert values["errors_by_row"][0][:3] == [0, 0.5, 0.5]
    assert np.array(values["errors_by_column"])[:3, 1].tolist() == [1, 0, 0]
    assert values["accuracy"] == pytest.approx(4 / 7)
    # Of digits that never came: nothing, and no NaN.
    assert counts[9].sum() == 0
    assert values["by_row"][9] == [0] * 10


def test_a_digit_against_the_rest_agrees_with_the_counts(judge):
    generator = np.random.default_rng(0)
    truth, predicted = generator.integers(0, 10, (2, 300))
    values = judge(truth, predicted)
    counts = np.array(values["counts"])
    for digit, ((true_no, false_yes), (false_no, true_yes)) in enumerate(values["binary"]):
        assert true_yes == counts[digit, digit]
        assert false_yes == counts[:, digit].sum() - true_yes
        assert false_no == counts[digit].sum() - true_yes
        assert true_no == 300 - true_yes - false_yes - false_no
        assert values["classes"][digit]["precision"] == pytest.approx(
            true_yes / (true_yes + false_yes)
        )
        assert values["classes"][digit]["support"] == counts[digit].sum()


def test_without_errors_nothing_is_weighed_by_them(judge):
    values = judge(range(10), range(10))
    assert values["errors_by_row"] == values["by_row"] == np.eye(10).tolist()


def test_each_algorithm_learns_on_both_splits_and_reads_images(make_study, store, run_plan):
    scope, data = make_study(200)
    found = run_plan(plan_section("algorithms", scope), data)
    assert len(ALGORITHMS) == 8
    for name in ALGORITHMS:
        own, dealt = (found[name_judgement(name, split)].values for split in ("own", "80/20"))
        assert np.sum(own["counts"]) == scope.test_rows
        assert np.sum(dealt["counts"]) == np.ceil((200 + scope.test_rows) / 5)
        assert own["accuracy"] == found[f"model {name}"].values["accuracy"]
        # Little for 200 images, and far from chance.
        assert own["accuracy"] > 0.5
    test = open_set(store, data.test)
    model = load_model(found["model svm"].models["model"], store)
    said = np.asarray(store.open_array(found["model svm"].arrays["predicted"]))
    assert (np.asarray(model.predict(np.asarray(test.images))) == said).all()


def test_80_20_deals_all_images_anew_and_none_twice(make_study, store):
    _, data = make_study(200)
    context = ExperimentContext(store, data, 42, 1)
    train, test = divide_images(context, "80/20")
    everything = np.concatenate([open_train(context).images, open_test(context).images])
    assert len(test) == np.ceil(len(everything) / 5)
    dealt = np.concatenate([train.images, test.images])
    assert sorted(image.tobytes() for image in dealt) == sorted(
        image.tobytes() for image in everything
    )
