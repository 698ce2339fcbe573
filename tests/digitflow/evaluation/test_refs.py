import numpy as np
import pytest

from digitflow.data.digits import LabelledImages
from digitflow.data.sets import store_set
from digitflow.evaluation.evidence import Share
from digitflow.evaluation.refs import EvidenceRefs, ScoredRefs, load_evidence
from digitflow.evaluation.scoring import TestResult, TestScore


def make_result(store, share):
    score = TestScore(model_digest="m", test_digest="t", n=3, correct=1, interval=(0, 1))
    probabilities = store.put_array(np.full((3, 10), share))
    return TestResult(score=score, probabilities=probabilities)


@pytest.fixture
def readings(store):
    data = LabelledImages(
        np.zeros((3, 28, 28), np.uint8),
        np.arange(3, dtype=np.uint8),
        np.array([5, 5, -1], np.int32),
        np.array([0, 4, 4], np.int32),
    )
    return ScoredRefs(
        images=store_set(store, data),
        challenger=make_result(store, 0.1),
        champion=make_result(store, 0.2),
    )


def test_a_dossier_opens_what_both_models_read_and_who_wrote_it(store, readings):
    refs = EvidenceRefs(test=readings, robustness={"blur": Share(correct=2, n=3)})
    evidence = load_evidence(store, EvidenceRefs.model_validate_json(refs.model_dump_json()))
    assert evidence.test.labels.tolist() == [0, 1, 2]
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
