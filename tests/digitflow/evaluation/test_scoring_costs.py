import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline

from digitflow.data.sets import store_set
from digitflow.evaluation import scoring
from digitflow.evaluation.scoring import measure_costs
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
    scoring._take_rounds(models, IMAGES, 20)
    asked = [clock.asked[start : start + 25] for start in range(0, len(clock.asked), 25)]
    assert [part[0][0] for part in asked] == list("abbaab")
    assert all([image for _, image in part] == list(range(25)) for part in asked)


def test_the_least_of_the_rounds_counts_and_they_end_once_it_falls_no_more(clock):
    def slow_then_at_its_best():
        for seconds in (0.009, 0.003, 0.002, 0.007):
            yield from [seconds] * 25
        yield from repeat(0.004)

    seconds, steady = scoring._take_rounds(
        [clock.model("a", slow_then_at_its_best())], IMAGES, 20
    )
    np.testing.assert_allclose(seconds, [[0.002] * 25])
    assert steady.tolist() == [True]
    assert len(clock.asked) == 5 * 25


def test_what_still_falls_after_the_last_round_is_not_steady(clock):
    def ever_quicker():
        seconds = 1e-2
        while True:
            yield seconds
            seconds *= 0.99

    models = [clock.model("falls", ever_quicker()), clock.model("steady", repeat(0.001))]
    _, steady = scoring._take_rounds(models, IMAGES, 10)
    assert steady.tolist() == [False, True]
    assert len(clock.asked) == 2 * 10 * 25


def test_a_slow_model_gets_fewer_rounds(clock):
    def slow():
        seconds = 5.0
        while True:
            yield seconds
            seconds *= 0.99

    models = [clock.model("slow", slow()), clock.model("quick", repeat(0.001))]
    _, steady = scoring._take_rounds(models, IMAGES, 20)
    assert len(clock.asked) == 2 * 3 * 25
    assert steady.tolist() == [False, True]


def test_what_others_used_of_the_processors_is_measured():
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
        try:
            machine = scoring._Machine()
            while psutil.Process(other.pid).cpu_times().user < 0.5:
                time.sleep(0.05)
            assert 0 < machine.measure_others() <= 1
        finally:
            other.kill()


def test_the_median_and_the_95th_percentile_are_milliseconds(store, data):
    model = dump_model(GaussianNB().fit(data.images.reshape(200, -1), data.labels), store)
    found = scoring._summarise(model, np.array([0.001] * 90 + [0.02] * 10), True, 0.25)
    assert (found.latency_ms, found.latency_p95_ms) == (1.0, 20.0)
    assert found.bytes == store.path_of(model).stat().st_size
    assert (found.steady, found.busy) == (True, 0.25)
    assert found.memory_mb is None
    assert found.fit_cpu_seconds is None


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
