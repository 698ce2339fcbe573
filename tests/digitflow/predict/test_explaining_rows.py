"""What moved the value of a row, against models whose answer is known by heart."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics.pairwise import haversine_distances

from digitflow.config.table import Column
from digitflow.data.facts import TableFacts
from digitflow.predict.explaining_rows import (
    Span,
    find_near,
    measure_effects,
    measure_spans,
)
from digitflow.predict.rows import RowPredictor

COLUMNS = {
    "rooms": Column(),
    "income": Column(),
    "sea": Column(type="category", values=("INLAND", "NEAR OCEAN")),
}
USUAL = {"rooms": 4.0, "income": 3.0, "sea": "INLAND"}


class Price(RegressorMixin, BaseEstimator):
    """2 a room, 10 an income, 100 at the sea."""

    def predict(self, records):
        return (
            2 * np.nan_to_num(records["rooms"])
            + 10 * records["income"]
            + 100 * (records["sea"] == "NEAR OCEAN")
        )


class Dear(ClassifierMixin, BaseEstimator):
    """Class 1 with a probability of a tenth of the income."""

    classes_ = np.array([0, 1])

    def predict_proba(self, records):
        return np.stack([1 - records["income"] / 10, records["income"] / 10], axis=1)


def ask(pipeline, classes=()):
    """A predictor of a model that was never stored."""
    table = TableFacts(columns=COLUMNS, target="price", holds=Column(), classes=classes)
    champion = SimpleNamespace(bundle=SimpleNamespace(table=table), name="m")
    return RowPredictor(champion, pipeline)


def test_each_effect_is_what_the_cell_alone_changes():
    row = {"rooms": 7.0, "income": 1.0, "sea": "NEAR OCEAN"}
    effects = measure_effects(ask(Price()), row, USUAL)
    assert effects == {"sea": 100.0, "income": -20.0, "rooms": 6.0}
    assert list(effects) == ["sea", "income", "rooms"]


def test_a_usual_row_has_no_effects():
    assert set(measure_effects(ask(Price()), USUAL, USUAL).values()) == {0.0}


def test_a_missing_cell_is_one_like_others():
    assert measure_effects(ask(Price()), USUAL | {"rooms": None}, USUAL)["rooms"] == -8.0


@pytest.mark.parametrize(("income", "effect"), [(9.0, 0.6), (1.0, 0.2)])
def test_of_classes_the_probability_of_the_predicted_one_is_compared(income, effect):
    found = measure_effects(ask(Dear(), ("no", "yes")), USUAL | {"income": income}, USUAL)
    assert found["income"] == pytest.approx(effect)


def test_spans_tell_medians_ranges_and_the_commonest_category():
    records = np.array(
        [(1.0, 0.5, "b"), (2.0, np.nan, "a"), (9.0, 1.5, ""), (2.0, 2.5, "a")],
        [("whole", float), ("parts", float), ("text", "<U1")],
    )
    spans = measure_spans(records)
    assert spans["whole"] == Span(2.0, 1.0, 9.0, whole=True)
    assert spans["parts"] == Span(1.5, 0.5, 2.5)
    assert spans["text"].usual == "a"
    assert spans["text"].values == ("a", "b")
    # The middle of 3 and 4 rooms is no number of rooms.
    assert Span.of(np.array([3.0, 4.0])).usual in (3.0, 4.0)


def test_columns_without_a_cell_have_no_usual_one():
    assert Span.of(np.array([np.nan])).usual is None
    assert math.isnan(Span.of(np.array([np.nan])).low)
    assert Span.of(np.array([""])) == Span(None)


def test_the_nearest_rows_are_those_of_the_smallest_angle():
    random = np.random.default_rng(0)
    records = np.zeros(200, [("longitude", float), ("latitude", float)])
    records["longitude"], records["latitude"] = random.uniform(-125, -114, 200), 0
    records["latitude"] = random.uniform(60, 70, 200)
    place = {"longitude": -120.0, "latitude": 65.0}
    known = np.deg2rad(np.stack([records["latitude"], records["longitude"]], axis=1))
    angles = haversine_distances(np.deg2rad([[65.0, -120.0]]), known)[0]
    assert find_near(records, place, 7).tolist() == np.argsort(angles)[:7].tolist()
    assert len(find_near(records[:3], place, 7)) == 3
