"""Metrics against scikit-learn, and the calibration error against its definition."""

import json

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    confusion_matrix,
    log_loss,
    precision_recall_fscore_support,
)

from digitflow.errors import InputError
from digitflow.evaluation.metrics import (
    ClassificationMetrics,
    find_mistakes,
    measure_predictions,
)

DIGITS = np.arange(10)


def random_predictions(n: int = 500, seed: int = 0, sharpness: float = 3.0):
    """Labels and probabilities that agree more often than chance."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 10, n).astype(np.uint8)
    scores = random.normal(size=(n, 10)) + sharpness * np.eye(10)[labels]
    return labels, softmax(scores)


def softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores)
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.fixture(params=["usual", "float32", "missing classes", "certain", "one image", "map"])
def predictions(request, tmp_path):
    labels, probabilities = random_predictions()
    if request.param == "float32":
        probabilities = probabilities.astype(np.float32)
    elif request.param == "missing classes":
        keep = labels < 4
        labels, probabilities = labels[keep], probabilities[keep]
    elif request.param == "certain":
        probabilities = np.eye(10)[probabilities.argmax(axis=1)]
    elif request.param == "one image":
        labels, probabilities = labels[:1], probabilities[:1]
    elif request.param == "map":
        np.save(tmp_path / "p.npy", probabilities)
        probabilities = np.load(tmp_path / "p.npy", mmap_mode="r")
    return labels, probabilities


def test_class_figures_are_those_of_scikit_learn(predictions):
    labels, probabilities = predictions
    metrics = measure_predictions(labels, probabilities)
    predicted = probabilities.argmax(axis=1)
    assert metrics.n == len(labels)
    assert metrics.accuracy == accuracy_score(labels, predicted)
    assert metrics.correct == accuracy_score(labels, predicted, normalize=False)
    np.testing.assert_array_equal(
        metrics.confusion, confusion_matrix(labels, predicted, labels=DIGITS)
    )
    expected = precision_recall_fscore_support(
        labels, predicted, labels=DIGITS, zero_division=0
    )
    rows = [(c.precision, c.recall, c.f1, c.support) for c in metrics.per_class]
    np.testing.assert_allclose(rows, np.transpose(expected), rtol=1e-14)
    assert [c.label for c in metrics.per_class] == DIGITS.tolist()


def test_macro_figures_are_those_of_scikit_learn(predictions):
    labels, probabilities = predictions
    metrics = measure_predictions(labels, probabilities)
    expected = precision_recall_fscore_support(
        labels, probabilities.argmax(axis=1), average="macro", zero_division=0
    )
    assert (metrics.precision, metrics.recall, metrics.f1) == pytest.approx(expected[:3])


def test_losses_are_those_of_scikit_learn(predictions):
    labels, probabilities = predictions
    metrics = measure_predictions(labels, probabilities)
    exact = np.asarray(probabilities, np.float64)
    exact = exact / exact.sum(axis=1, keepdims=True)
    # rtol: scikit-learn divides float32 rows by their sum, which is 1 to seven digits.
    rtol = 1e-12 if probabilities.dtype == np.float64 else 1e-6
    np.testing.assert_allclose(
        metrics.log_loss, log_loss(labels, exact, labels=DIGITS), rtol=rtol
    )
    np.testing.assert_allclose(
        metrics.brier, brier_score_loss(labels, exact, labels=DIGITS), rtol=rtol
    )


def calibration_error_by_definition(labels, probabilities, bins=15):
    """Loop over the bins of Guo et al. 2017, equation 3."""
    predicted, top = probabilities.argmax(axis=1), probabilities.max(axis=1)
    error = 0.0
    for m in range(1, bins + 1):
        inside = (top > (m - 1) / bins) & (top <= m / bins)
        if inside.any():
            accuracy = (predicted[inside] == labels[inside]).mean()
            error += inside.mean() * abs(accuracy - top[inside].mean())
    return error


@pytest.mark.parametrize("sharpness", [0.0, 1.0, 3.0, 10.0])
def test_the_calibration_error_is_that_of_its_definition(sharpness):
    labels, probabilities = random_predictions(2000, seed=2, sharpness=sharpness)
    metrics = measure_predictions(labels, probabilities)
    assert metrics.ece == pytest.approx(calibration_error_by_definition(labels, probabilities))


def test_a_probability_on_an_edge_counts_in_the_bin_below():
    # .2 is an edge of 15 bins. Both images in one bin: accuracy .5 and mean .195, gap .305.
    rows = np.full((2, 10), 0.8 / 9)
    rows[:, 3] = 0.2
    rows[1] = np.array([0.09] * 9 + [0.19])
    metrics = measure_predictions(np.array([3, 0]), rows)
    assert metrics.ece == pytest.approx(0.305)


def test_a_sure_and_right_model_is_perfect():
    labels = np.arange(10, dtype=np.uint8)
    metrics = measure_predictions(labels, np.eye(10))
    assert (metrics.accuracy, metrics.f1, metrics.brier, metrics.ece) == (1, 1, 0, 0)
    assert metrics.log_loss == pytest.approx(0, abs=1e-15)
    assert metrics.confused_pairs == ()


def test_a_sure_and_wrong_model_has_finite_losses():
    metrics = measure_predictions(np.array([1, 2]), np.eye(10)[[2, 1]])
    assert metrics.brier == 2
    assert metrics.ece == 1
    assert np.isfinite(metrics.log_loss)


def test_the_order_of_the_images_does_not_matter():
    labels, probabilities = random_predictions()
    order = np.random.default_rng(1).permutation(len(labels))
    first = measure_predictions(labels, probabilities).model_dump()
    second = measure_predictions(labels[order], probabilities[order]).model_dump()
    for name in ("log_loss", "brier", "ece"):
        assert first.pop(name) == pytest.approx(second.pop(name))
    assert first == second


def test_confused_pairs_come_by_count_and_then_by_digit():
    pairs = [(4, 9)] * 3 + [(7, 2)] * 5 + [(3, 5)] * 3 + [(8, 8)] * 9
    labels, predicted = np.array(pairs).T
    metrics = measure_predictions(labels, np.eye(10)[predicted])
    found = [(p.true, p.predicted, p.count) for p in metrics.confused_pairs]
    assert found == [(7, 2, 5), (3, 5, 3), (4, 9, 3)]


def test_at_most_ten_confused_pairs_are_kept():
    metrics = measure_predictions(*random_predictions(2000, sharpness=0))
    assert len(metrics.confused_pairs) == 10


def test_a_tie_goes_to_the_lower_digit():
    even = np.full((1, 10), 0.1)
    assert measure_predictions(np.array([0]), even).accuracy == 1


def test_metrics_survive_json():
    metrics = measure_predictions(*random_predictions())
    text = json.dumps(metrics.model_dump(mode="json"), allow_nan=False)
    assert ClassificationMetrics.model_validate_json(text) == metrics


def test_a_hair_above_one_is_one():
    rows = np.eye(10, dtype=np.float32)
    exact = measure_predictions(np.arange(10), rows)
    assert measure_predictions(np.arange(10), rows * np.float32(1.0000001)) == exact


def spoil(row: int, column: int, value: float) -> np.ndarray:
    _, probabilities = random_predictions(8)
    probabilities[row, column] = value
    return probabilities


@pytest.mark.parametrize(
    ("probabilities", "message"),
    [
        (spoil(5, 2, np.nan), "1 of 8 rows: 5; .*nan"),
        (spoil(3, 0, np.inf), "1 of 8 rows: 3"),
        (spoil(0, 0, -0.1), "1 of 8 rows: 0"),
        (np.full((8, 10), 0.2), "8 of 8 rows: 0, 1, 2, 3, 4 and 3 more"),
        (np.full((8, 1), 1.0), r"shape \(8, classes\), got \(8, 1\)"),
        (np.full((8, 5), 0.2), "labels must be from 0 to 4, got 5, 6, 7"),
        (np.full((7, 10), 0.1), r"got \(7, 10\)"),
        (np.full(8, 0.1), r"got \(8,\)"),
        (np.eye(10, dtype=np.int64)[:8], "floats, got int64"),
    ],
)
def test_what_is_no_probability_is_refused(probabilities, message):
    with pytest.raises(InputError, match=message):
        measure_predictions(np.arange(8, dtype=np.uint8), probabilities)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array([0, 1, 10, 255], np.uint8), "got 10, 255"),
        (np.array([0, -1, 2, 3]), "got -1"),
        (np.array([0, np.nan, 2, 3]), "got float64"),
        (np.zeros((4, 1), np.uint8), r"got uint8 \(4, 1\)"),
        (np.zeros(0, np.uint8), r"got uint8 \(0,\)"),
    ],
)
def test_what_is_no_label_is_refused(labels, message):
    with pytest.raises(InputError, match=message):
        measure_predictions(labels, np.full((len(labels), 10), 0.1))


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
