import math

import numpy as np
import pytest

from digitflow.data.sets import LabelledImages, store_set
from digitflow.evaluation.evidence import (
    EvidenceRefs,
    LoadCheck,
    ScoredRefs,
    ScoredSet,
    Share,
    TestResult,
    load_evidence,
    score_predictions,
)


def check(**changed):
    facts = {"exact": True, "n": 32, "labels_differ": 0, "largest_difference": 0.0}
    return LoadCheck(**facts | {"memory_mb": 100.0} | changed)


def test_on_the_same_machine_it_must_repeat_to_the_bit():
    assert check().repeated
    assert not check(largest_difference=1e-15).repeated


def test_elsewhere_labels_must_be_equal_and_probabilities_nearly():
    assert check(exact=False, largest_difference=1e-7).repeated
    assert not check(exact=False, largest_difference=1e-5).repeated
    assert not check(exact=False, labels_differ=1).repeated


@pytest.mark.parametrize(
    "wrong", [{"n": 0}, {"largest_difference": math.nan}, {"error": "it would not load"}]
)
def test_what_was_not_seen_was_not_repeated(wrong):
    assert not check(**wrong).repeated
    assert not check(exact=False, **wrong).repeated


def make_result(store, share):
    probabilities = np.full((3, 10), share)
    scored = ScoredSet(np.arange(3), probabilities, None)
    score = score_predictions("m", "t", scored, probabilities)
    return TestResult(score=score, predictions=store.put_array(probabilities))


@pytest.fixture
def readings(store):
    data = LabelledImages(
        np.zeros((3, 28, 28), np.uint8),
        np.arange(3, dtype=np.uint8),
        np.array([5, 5, -1], np.int32),
        np.array([0, 4, 4], np.int32),
    )
    return ScoredRefs(
        samples=store_set(store, data),
        challenger=make_result(store, 0.1),
        champion=make_result(store, 0.2),
    )


def test_a_dossier_opens_what_both_models_read_and_who_wrote_it(store, readings):
    refs = EvidenceRefs(test=readings, robustness={"blur": Share(correct=2, n=3)})
    evidence = load_evidence(store, EvidenceRefs.model_validate_json(refs.model_dump_json()))
    assert evidence.test.targets.tolist() == [0, 1, 2]
    assert evidence.test.writers.tolist() == [5, 5, -1]
    assert evidence.test.series.tolist() == [0, 4, 4]
    assert (evidence.test.challenger == 0.1).all()
    assert (evidence.test.champion == 0.2).all()
    assert evidence.robustness["blur"].correct == 2
    assert evidence.feedback is None


def test_without_a_champion_or_with_feedback_it_says_so(store, readings):
    alone = readings.model_copy(update={"champion": None})
    evidence = load_evidence(store, EvidenceRefs(test=alone, feedback=readings))
    assert evidence.test.champion is None
    assert (evidence.feedback.champion == 0.2).all()
