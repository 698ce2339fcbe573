"""The page Predict: cells are set, a value comes with its interval and why, and is kept."""

import math

import numpy as np
import pytest

from digitflow.app.pages.predict import choose_range, list_unusual
from digitflow.config.table import Column
from digitflow.feedback.corrections import list_corrections
from digitflow.feedback.predictions import read_recent
from digitflow.predict.explaining_rows import Span, measure_effects, measure_spans
from digitflow.predict.rows import RowPredictor
from digitflow.reports.records import find_sets


def choose(page, model):
    if page.selectbox(key="predict-model").value != model:
        page.selectbox(key="predict-model").set_value(model).run()
    assert not page.exception
    return page


def find_cell(page, name):
    """The control of a column."""
    (found,) = [
        each
        for each in [*page.slider, *page.selectbox]
        if (each.key or "").startswith("cell-") and each.key.endswith(f"-{name}")
    ]
    return found


def press_keep(page):
    (button,) = [each for each in page.button if each.label == "Keep"]
    button.click().run()
    assert not page.exception


def read_answer(page):
    """What the large line says, without Streamlit's signs."""
    (large,) = [each.value for each in page.markdown if each.value.startswith("# ")]
    return large[2:].replace("\\", "")


@pytest.fixture
def homes(tables, open_page):
    return choose(open_page("predict"), "homes")


def test_the_median_row_is_predicted_as_the_library_does(tables, homes, read_words):
    predictor = RowPredictor.load(tables, "homes")
    train = find_sets(tables, predictor.champion.run)["train"]
    spans = measure_spans(tables.open_array(train.samples))
    row = {name: span.usual for name, span in spans.items()}
    for name, cell in row.items():
        assert find_cell(homes, name).value == cell
    (expected,) = predictor.predict(row)
    assert read_answer(homes) == f"{expected.value:,.0f}"
    words = read_words(homes).replace("\\", "")
    low, high = (f"{bound:,.0f}" for bound in expected.interval)
    assert f"Between {low} and {high}: 90 % of true values" in words
    assert "nearest rows" in words


def test_a_slider_changes_the_price_and_its_bar_comes_first(tables, homes):
    predictor = RowPredictor.load(tables, "homes")
    before = read_answer(homes)
    slider = find_cell(homes, "median_income")
    train = find_sets(tables, predictor.champion.run)["train"]
    highest = measure_spans(tables.open_array(train.samples))["median_income"].high
    slider.set_value(highest).run()
    assert not homes.exception
    assert read_answer(homes) != before
    row = {name: find_cell(homes, name).value for name in predictor.table.columns}
    usual = {
        name: span.usual
        for name, span in measure_spans(tables.open_array(train.samples)).items()
    }
    effects = measure_effects(predictor, row, usual)
    assert next(iter(effects)) == "median_income"
    bars = homes.get("vega_lite_chart")[-1]
    assert bars.proto.alt.startswith("median_income +")


def test_a_value_beyond_the_training_rows_is_a_hint_and_predicted(homes, read_words):
    slider = find_cell(homes, "median_income")
    slider.set_value(slider.max).run()
    assert "beyond" in read_words(homes)
    assert not homes.warning
    assert not homes.error
    float(read_answer(homes).replace(",", ""))


def test_tries_are_not_kept_and_what_is_kept_can_be_corrected(tables, homes, read_words):
    find_cell(homes, "population").set_value(900.0).run()
    assert list_corrections(tables) == []
    homes.text_input(key="truth").set_value("a lot")
    press_keep(homes)
    assert "Not kept: median_house_value must be a number" in read_words(homes).replace(
        "\\", ""
    )
    assert list_corrections(tables) == []
    homes.text_input(key="truth").set_value("250000")
    press_keep(homes)
    (kept,) = list_corrections(tables, "homes")
    assert float(kept.target) == 250000
    recent = read_recent(tables, "homes", "1", 10)
    assert [sample.digest for sample in recent.samples] == [kept.sample]
    (undo,) = [each for each in homes.button if each.label == "Undo"]
    undo.click().run()
    assert list_corrections(tables, "homes") == []


def test_classes_are_shown_with_all_probabilities(tables, open_page, read_words):
    page = choose(open_page("predict"), "coast")
    predictor = RowPredictor.load(tables, "coast")
    row = {name: find_cell(page, name).value for name in predictor.table.columns}
    (expected,) = predictor.predict(row)
    assert read_answer(page) == expected.value
    said = [each.proto.alt for each in page.get("vega_lite_chart")]
    assert any(all(name in alt for name in predictor.table.classes) for alt in said)
    page.selectbox(key="truth").set_value(predictor.table.classes[0])
    press_keep(page)
    assert [row.target for row in list_corrections(tables, "coast")] == [
        predictor.table.classes[0]
    ]


@pytest.mark.parametrize("page", ["read", "batch", "review"])
def test_pages_of_digits_say_where_rows_are_predicted(tables, open_page, read_words, page):
    words = read_words(open_page(page)).replace("\\", "")
    assert "takes rows of a table: the page Predict" in words


def test_a_model_of_digits_is_sent_to_its_pages(trained, open_page, read_words):
    words = read_words(open_page("predict")).replace("\\", "")
    assert "takes pictures of digits: the pages Read, Batch and Review" in words


def test_without_a_model_the_page_says_what_makes_one(untrained, open_page, read_words):
    assert "digitflow train" in read_words(open_page("predict"))


@pytest.mark.parametrize(
    ("column", "span", "expected"),
    [
        (Column(), Span(5.0, 0.0, 10.0), (0.0, 11.0, 0.01)),
        (Column(min=2, max=10), Span(5.0, 2.5, 10.0), (2.0, 10.0, 0.001)),
        (Column(type="integer"), Span(3.0, -5.0, 15.0, whole=True), (-7.0, 17.0, 1.0)),
        (Column(), Span(3.0, 3.0, 3.0), (2.9, 3.1, 0.001)),
        (Column(), Span(None), (0.0, 1.1, 0.001)),
    ],
)
def test_sliders_go_a_little_beyond_what_was_learnt(column, span, expected):
    low, high, step = choose_range(column, span)
    np.testing.assert_allclose((low, high, step), expected)
    if span.usual is not None:
        assert low <= span.low <= span.high <= high


def test_cells_that_the_model_never_learnt_from_are_named():
    spans = {"a": Span(2.0, 1.0, 3.0), "b": Span("x", math.nan, math.nan, ("x",))}
    assert list_unusual({"a": 3.0, "b": "x"}, spans) == []
    said = list_unusual({"a": 3.5, "b": "y"}, spans)
    assert [text.partition(":")[0] for text in said] == ["a", "b"]


PARTS = {
    "overview": [{}],
    "data": [{"data-part-{}": part} for part in ("Sets", "Columns", "Quarantine")],
    "models": [
        {"models-part": part} for part in ("Leaderboard", "Side by side", "Verdicts", "History")
    ],
    "studies": [{"studies-part": part} for part in ("Figures", "Threshold", "Components")],
    "monitor": [{"monitor-part": part} for part in ("Drift", "Feedback", "Accuracy")],
}


@pytest.mark.parametrize("model", ["homes", "coast"])
@pytest.mark.parametrize("name", PARTS)
def test_each_part_of_the_other_pages_shows_tables(tables, open_page, read_words, name, model):
    for part in PARTS[name]:
        session = {key.format(model): value for key, value in part.items()}
        page = open_page(name, **session)
        for box in page.selectbox:
            if box.label == "Registered model" and box.value != model:
                box.set_value(model).run()
        assert not page.exception
        assert not page.error
        assert "digitflow doctor" not in read_words(page)


def test_the_columns_card_names_each_column(tables, open_page):
    page = open_page("data", **{"data-model": "homes", "data-part-homes": "Columns"})
    (card,) = [each.value for each in page.dataframe if "holds" in each.value]
    assert list(card["column"]) == list(RowPredictor.load(tables, "homes").table.columns)


def test_both_classes_and_values_are_shown_side_by_side(tables, open_page):
    for model, count in (("homes", 0), ("coast", 1)):
        page = open_page("models", **{"models-model": model, "models-part": "Side by side"})
        assert len(page.get("image")) == 1
        assert len(page.dataframe) == count
