import math

import pytest

from digitflow.evaluation.evidence import LoadCheck


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
