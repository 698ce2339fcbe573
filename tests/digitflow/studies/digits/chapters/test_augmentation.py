from types import SimpleNamespace

import pytest

from digitflow.studies.digits.chapters.augmentation import _gain


def test_a_gain_is_points_over_the_same_model_without_copies():
    accuracies = {("svm", "none"): 0.94, ("svm", "shift"): 0.965, ("svm", "blur"): 0.93}
    found = {key: SimpleNamespace(values={"accuracy": a}) for key, a in accuracies.items()}
    assert _gain(found, "svm", "shift") == pytest.approx(2.5)
    assert _gain(found, "svm", "blur") == pytest.approx(-1.0)
