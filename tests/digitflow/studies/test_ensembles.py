"""Who votes is chosen without the test images, and a tie goes to the best member."""

import numpy as np

from digitflow.studies.ensembles import _vote_hard, choose_members, divide_rows
from digitflow.studies.experiment import Findings


def _said(*digits):
    """Probabilities (members, 1, 10) of members that are nearly sure of a digit each."""
    return np.stack([np.full((1, 10), 0.01) + 0.9 * np.eye(10)[[digit]] for digit in digits])


def test_a_tie_goes_to_the_best_member_and_a_majority_does_not():
    assert _vote_hard(None, None, _said(3, 5, 7)).tolist() == [3]
    assert _vote_hard(None, None, _said(3, 5, 5)).tolist() == [5]


def test_members_are_the_best_on_what_is_held_out():
    scores = {"a": (0.9, 0.1), "b": (0.8, 0.99), "c": (0.95, 0.2)}
    given = {
        f"candidate {name}": Findings(values={"held_accuracy": held, "test_accuracy": test})
        for name, (held, test) in scores.items()
    }
    given["bag 1"] = Findings()
    assert choose_members(given, 2) == ["candidate c", "candidate a"]


def test_what_chooses_is_not_what_was_learnt_from():
    labels = np.arange(600) % 10
    learnt, held = divide_rows(labels, 42)
    assert not np.intersect1d(learnt, held).size
    assert len(learnt) == 500
    assert np.bincount(labels[held]).tolist() == [10] * 10
