import numpy as np
import pytest

from digitflow.config.digits import DigitsCandidate
from digitflow.errors import CandidateFailed
from digitflow.evaluation.metrics import measure_predictions
from digitflow.evaluation.scoring import (
    Entry,
    Evaluation,
    choose_winner,
    rank_entries,
)
from digitflow.models.fitting import FittedModel
from digitflow.store.references import ArrayRef, ModelRef


def _make_entry(name, wrong=None, sure=0.9):
    candidate = DigitsCandidate(name=name, estimator="tree", recipe="pixels")
    if wrong is None:
        return Entry(candidate=candidate, error="it broke")
    labels = np.arange(100) % 10
    predicted = np.where(np.arange(100) < wrong, (labels + 1) % 10, labels)
    probabilities = np.full((100, 10), (1 - sure) / 9)
    probabilities[np.arange(100), predicted] = sure
    array = ArrayRef(digest="d", path="p", bytes=1, dtype="float64", shape=(100, 10))
    return Entry(
        candidate=candidate,
        fitted=FittedModel(
            model=ModelRef(digest="m", path="p", bytes=7),
            fit_seconds=1.0,
            processor_seconds=1.0,
        ),
        evaluation=Evaluation(
            metrics=measure_predictions(labels, probabilities),
            predictions=array,
            latency_ms=1.0,
        ),
    )


def test_the_most_accurate_comes_first_and_failures_last():
    entries = [_make_entry("failed"), _make_entry("worse", 9), _make_entry("better", 3)]
    names = [entry.candidate.name for entry in rank_entries(entries)]
    assert names == ["better", "worse", "failed"]
    assert choose_winner(entries).candidate.name == "better"


def test_of_two_equally_accurate_the_lower_log_loss_wins():
    entries = [_make_entry("unsure", 0, 0.5), _make_entry("sure", 0, 0.9)]
    assert choose_winner(entries).candidate.name == "sure"


def test_the_order_of_the_config_does_not_decide():
    entries = [_make_entry("b", 2), _make_entry("a", 2)]
    assert choose_winner(entries) == choose_winner(entries[::-1])


def test_without_any_candidate_left_the_reasons_are_told():
    with pytest.raises(CandidateFailed, match="a: it broke"):
        choose_winner([_make_entry("a"), _make_entry("b")])


@pytest.mark.parametrize(("refused", "code"), [((True, True), 2), ((True, False), 1)])
def test_bad_input_is_to_blame_where_all_were_refused_for_it(refused, code):
    entries = [_make_entry("a").model_copy(update={"refused": each}) for each in refused]
    with pytest.raises(CandidateFailed, match="every candidate failed") as caught:
        choose_winner(entries)
    assert caught.value.exit_code == code


def test_entries_survive_json():
    for entry in (_make_entry("failed"), _make_entry("good", 3)):
        again = Entry.model_validate_json(entry.model_dump_json())
        # Of a candidate what every workload's has: a run's config holds the rest.
        assert dict(again.candidate).items() <= dict(entry.candidate).items()
        assert again.model_copy(update={"candidate": entry.candidate}) == entry
