import numpy as np
import pytest

from digitflow.errors import InputError
from digitflow.evaluation.calibration import compare_calibration
from digitflow.evaluation.metrics import measure_predictions
from digitflow.evaluation.resampling import Bootstrap

DRAWN = Bootstrap(significance=0.05, resamples=400, seed=1)
RNG_SEED = 7


def make_predictions(n=600):
    rng = np.random.default_rng(RNG_SEED)
    labels = rng.integers(0, 10, n).astype(np.uint8)
    models = [rng.dirichlet(np.full(10, 0.3), n) for _ in range(2)]
    for model in models:
        model[np.arange(n), labels] += 2
        model /= model.sum(axis=1, keepdims=True)
    return labels, *models


def test_figures_are_those_of_the_metrics():
    labels, ours, theirs = make_predictions()
    found = compare_calibration(labels, ours, theirs, None, DRAWN)
    for name, difference in found.items():
        for model, figure in ((ours, difference.challenger), (theirs, difference.champion)):
            assert figure == pytest.approx(getattr(measure_predictions(labels, model), name))


def test_draws_by_writer_are_those_of_whole_writers_measured_anew():
    """The sums of bins a writer give what measuring the drawn images themselves gives."""
    labels, ours, theirs = make_predictions(120)
    writers = np.arange(120) // 6
    found = compare_calibration(labels, ours, theirs, writers, DRAWN)
    drawn = np.random.default_rng(DRAWN.seed).integers(20, size=(DRAWN.resamples, 20))
    gaps = []
    for chosen in drawn:
        rows = np.concatenate([np.flatnonzero(writers == writer) for writer in chosen])
        eces = [measure_predictions(labels[rows], model[rows]).ece for model in (ours, theirs)]
        gaps.append(eces[0] - eces[1])
    assert (found["ece"].lower, found["ece"].upper) == pytest.approx(
        DRAWN.find_bounds(np.array(gaps), 20)
    )


def test_a_model_against_itself_does_not_differ():
    labels, ours, _ = make_predictions()
    for difference in compare_calibration(labels, ours, ours, None, DRAWN).values():
        assert (difference.delta, difference.lower, difference.upper) == (0, 0, 0)


def test_probabilities_that_are_none_are_refused():
    labels, ours, theirs = make_predictions()
    ours[3, 3] = np.nan
    with pytest.raises(InputError, match="sum to 1"):
        compare_calibration(labels, ours, theirs, None, DRAWN)
