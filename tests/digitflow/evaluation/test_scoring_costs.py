import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline

from digitflow.data.sets import store_set
from digitflow.evaluation import scoring
from digitflow.evaluation.scoring import TURN_SAMPLES, measure_costs
from digitflow.features.preparing import build_steps
from digitflow.models.persistence import dump_model


@pytest.fixture(scope="module")
def data(handwriting):
    return handwriting.take(np.arange(200))


class Clock:
    """Models that note when they are asked, and cost what they say."""

    def __init__(self):
        self.now, self.asked = 0.0, []

    def model(self, name, seconds):
        def predict_proba(images):
            assert images.shape == (1, 28, 28)
            self.asked.append((name, int(images[0, 0, 0])))
            self.now += next(seconds)

        return predict_proba


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(scoring.time, "process_time", lambda: clock.now)
    return clock


def repeat(value):
    while True:
        yield value


IMAGES = np.broadcast_to(np.arange(25, dtype=np.uint8)[:, None, None], (25, 28, 28))


def test_models_take_turns_on_the_same_images(clock):
    models = [clock.model(name, repeat(0.001)) for name in "ab"]
    scoring._take_turns(models, IMAGES, 3)
    turn = TURN_SAMPLES + 1
    asked = [clock.asked[start : start + turn] for start in range(0, len(clock.asked), turn)]
    assert [part[0][0] for part in asked] == ["a", "b", "b", "a", "a", "b"]
    for one, other in zip(asked[::2], asked[1::2], strict=True):
        assert [image for _, image in one] == [image for _, image in other]
    assert len({image for _, image in clock.asked}) == 25


def test_the_first_of_a_turn_is_not_counted(clock):
    def cold_then_warm():
        while True:
            yield 1.0
            yield from [0.002] * TURN_SAMPLES

    (seconds,) = scoring._take_turns([clock.model("a", cold_then_warm())], IMAGES, 2)
    np.testing.assert_allclose(seconds, [0.002] * 2 * TURN_SAMPLES)


def test_a_slow_model_gets_fewer_rounds(clock):
    models = [clock.model("slow", repeat(5.0)), clock.model("quick", repeat(0.001))]
    slow, quick = scoring._take_turns(models, IMAGES, 20)
    assert len(slow) == len(quick) == 3 * TURN_SAMPLES


def test_the_median_and_the_95th_percentile_are_milliseconds(store, data):
    model = dump_model(GaussianNB().fit(data.images.reshape(200, -1), data.labels), store)
    found = scoring._summarise(model, [0.001] * 90 + [0.02] * 10)
    assert (found.latency_ms, found.latency_p95_ms) == (1.0, 20.0)
    assert found.bytes == store.path_of(model).stat().st_size
    assert found.memory_mb is None
    assert found.fit_seconds is None


def test_a_dearer_model_costs_more_and_equal_ones_cost_the_same(store, data):
    def fit(classifier):
        steps = [*build_steps("pixels", 0), ("classifier", classifier)]
        return dump_model(Pipeline(steps).fit(data.images, data.labels), store)

    cheap, dear = fit(GaussianNB()), fit(KNeighborsClassifier(algorithm="brute"))
    models = (cheap, dear, cheap)
    first, second, third = measure_costs(store, models, store_set(store, data), 5)
    assert 0 < first.latency_ms <= first.latency_p95_ms
    assert second.latency_ms > first.latency_ms
    assert third.latency_ms == pytest.approx(first.latency_ms, rel=0.5)
