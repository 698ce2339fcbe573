"""The most confident mistakes against a naive loop."""

import numpy as np
import pytest

from digitflow.errors import InputError
from digitflow.evaluation.mistakes import find_mistakes


def sure_of(digits: list[int], probabilities: list[float]) -> np.ndarray:
    rows = np.repeat((1 - np.array(probabilities))[:, None] / 9, 10, axis=1)
    rows[np.arange(len(digits)), digits] = probabilities
    return rows


def test_mistakes_come_by_falling_probability_and_hits_not_at_all():
    mistakes = find_mistakes(
        np.array([1, 2, 3, 4], np.uint8), sure_of([7, 2, 8, 9], [0.5, 0.99, 0.9, 0.7])
    )
    assert mistakes.rows.tolist() == [2, 3, 0]
    assert mistakes.predicted.tolist() == [8, 9, 7]
    assert mistakes.probability.tolist() == [0.9, 0.7, 0.5]


def test_equal_probabilities_keep_the_order_of_rows():
    labels = np.zeros(50, np.uint8)
    mistakes = find_mistakes(labels, sure_of([1] * 50, [0.8] * 50), most=30)
    assert mistakes.rows.tolist() == list(range(30))


def test_a_random_model_gives_the_mistakes_of_a_naive_loop():
    random = np.random.default_rng(5)
    labels = random.integers(0, 10, 200).astype(np.uint8)
    probabilities = random.dirichlet(np.ones(10), 200)
    found = []
    for row, (label, given) in enumerate(zip(labels, probabilities, strict=True)):
        if given.argmax() != label:
            found.append((-given.max(), row, given.argmax()))
    expected = sorted(found)[:24]
    mistakes = find_mistakes(labels, probabilities)
    assert mistakes.rows.tolist() == [row for _, row, _ in expected]
    assert mistakes.predicted.tolist() == [digit for _, _, digit in expected]
    assert mistakes.probability.tolist() == [-negative for negative, _, _ in expected]


def test_a_perfect_model_has_none():
    mistakes = find_mistakes(np.array([4, 2]), np.eye(10)[[4, 2]])
    assert len(mistakes.rows) == len(mistakes.predicted) == len(mistakes.probability) == 0


def test_probabilities_that_are_none_are_refused():
    with pytest.raises(InputError, match="nan"):
        find_mistakes(np.array([1]), np.full((1, 10), np.nan))
