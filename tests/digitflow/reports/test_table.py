"""The page of a table says what its columns hold, what is predicted, and how far it is off."""

from dataclasses import replace

import numpy as np
import pytest

from digitflow.config.reading import parse_config
from digitflow.config.training import Candidate
from digitflow.data.sets import PreparedData
from digitflow.data.tables.sets import (
    fingerprint_table,
    ingest_table,
    split_table,
    validate_table,
)
from digitflow.errors import InputError
from digitflow.evaluation.scoring import Entry, Evaluation, Winner, measure
from digitflow.models.bundle import ModelBundle, PredictionIntervals
from digitflow.models.fitting import FittedModel
from digitflow.reports.table import describe_page, draw_figures
from digitflow.reports.training import describe_data, render_report
from digitflow.store.artifacts import Store

CONFIGS = {
    "regression": {
        "source": {"kind": "districts", "rows": 900},
        "target": "median_house_value",
        "columns": {
            **{
                name: {"type": "number"}
                for name in ("longitude", "latitude", "total_bedrooms", "median_income")
            },
            "ocean_proximity": {"type": "category"},
            "median_house_value": {"unit": "USD", "capped": 500001},
        },
    },
    "classification": {
        "source": {"kind": "sklearn", "name": "wine"},
        "target": "target",
        "validation": {"min_per_class": 5},
    },
}
INTERVALS = PredictionIntervals(
    coverage=0.9, scale="relative", factor=0.25, mean_width=88_000.0, n=400
)


def prepare(store, task):
    """Return a config of a table, and the data that a run of it would have."""
    candidate = {"name": "linear", "estimator": "logistic", "recipe": "columns"}
    values = {"workload": "table", "task": task, "candidates": [candidate], **CONFIGS[task]}
    config = parse_config(values)
    raw = ingest_table(store, config.source, fingerprint_table(config.source))
    checked = validate_table(
        store, raw, config.columns, config.target, task, config.validation, ()
    )
    splits = split_table(store, checked, config.split, (), config.seed)
    return config, PreparedData(
        source=config.source.kind,
        origin=raw.origin,
        checked=checked,
        splits=splits,
        augmented=None,
    )


def guess(targets, task):
    """Return predictions that are off by a fifth, or sure of the class and once wrong."""
    if task == "regression":
        return targets * np.where(np.arange(len(targets)) % 2, 1.2, 0.8)
    predicted = targets.copy()
    predicted[0] = (targets[0] + 1) % 3
    return 0.91 * np.eye(3)[predicted] + 0.03


def evaluate(store, data, task):
    validation = data.splits.validation
    targets = store.open_array(validation.targets)
    predictions = guess(targets, task)
    return Evaluation(
        metrics=measure(targets, predictions, validation.unit),
        predictions=store.put_array(predictions),
        latency_ms=1.5,
    )


@pytest.fixture(params=["regression", "classification"], scope="module")
def task(request):
    return request.param


@pytest.fixture(scope="module")
def made(report, task, tmp_path_factory):
    """The report of a run on a table; see `report` for what is not the table's."""
    store = Store(tmp_path_factory.mktemp(task) / "artifacts")
    config, data = prepare(store, task)
    evaluation, golden = evaluate(store, data, task), report.champion.bundle.golden
    model = report.champion.bundle.model
    candidate = Candidate(name="linear", estimator="ridge", recipe="columns")
    fitted = FittedModel(model=model, fit_seconds=0.2, processor_seconds=0.2)
    entry = Entry(candidate=candidate, fitted=fitted, evaluation=evaluation)
    intervals = INTERVALS if task == "regression" else None
    bundle = ModelBundle(model=model, golden=golden, intervals=intervals)
    drawn = draw_figures(store, data.splits.train, data.splits.validation, evaluation)
    return replace(
        report,
        model="tables",
        data=describe_data(store, data),
        entries=(entry, report.entries[1]),
        pictures={
            name: store.read_bytes(picture.png) for name, picture in drawn.pictures.items()
        },
        details=describe_page(store, config, data, Winner(**dict(entry)), bundle, {}),
    )


@pytest.fixture
def page(made, parse_page):
    return parse_page(render_report(made, "table"))


def words(page):
    return page.text.replace("\N{NO-BREAK SPACE}", " ")


def test_the_page_is_whole_and_fetches_nothing(made, page):
    images = page.find("img")
    assert len(images) == len(made.pictures)
    assert all(image["src"].startswith("data:image/png;base64,") for image in images)
    assert all(len(image["alt"]) > 15 for image in images)
    assert all(header.get("scope") in ("col", "row") for header in page.find("th"))
    anchors = {attributes.get("id") for _, attributes in page.tags}
    assert {link["href"].removeprefix("#") for link in page.find("a")} <= anchors
    assert page.find("script") == page.find("link") == []


def test_the_leaderboard_is_of_the_figures_of_the_task(made, page):
    metrics = made.winner.evaluation.metrics
    name, _ = metrics.main
    assert f"95 % interval of the {name}" in words(page)
    assert f"linear ridge on columns, {name} {metrics.written}" in words(page)
    assert all(figure in words(page) for figure in metrics.list_figures())
    assert "mlp-scaled mlp on scaled ✗ failed" in words(page)


def test_pictures_are_those_of_the_task(made, task):
    of = {"regression": {"predicted", "errors", "map"}, "classification": {"confusion"}}
    assert set(made.pictures) == {"columns"} | of[task]
    assert all(each.startswith(b"\x89PNG") for each in made.pictures.values())


def test_each_column_is_described_by_the_training_rows(made, page):
    for column in made.details["columns"]:
        row = f"{column.name} {column.type} {column.unit or '–'} {column.missing:,}"
        assert f"{row} {column.capped:,} {column.values}" in words(page)


@pytest.mark.parametrize("task", ["regression"], indirect=True)
def test_a_regression_says_its_errors_in_their_unit(made, page):
    text, metrics = words(page), made.winner.evaluation.metrics
    assert f"RMSE {metrics.rmse:,.0f} USD root of the mean squared error" in text
    assert f"MAE {metrics.mae:,.0f} USD" in text
    assert "90.00 % of true values are to be within 25.00 % of the predicted value" in text
    assert "88,000 USD wide on average, by 400 rows on which nothing was fitted" in text
    assert "These rows are generated" in text
    lowest = made.data.splits[0].target[0]
    assert f"train fits the candidates {made.data.splits[0].rows:,} {lowest:,.0f}" in text


@pytest.mark.parametrize("task", ["regression"], indirect=True)
def test_what_is_not_there_is_not_said(made, parse_page):
    quiet = made.details | {"intervals": None, "generated": False, "target_capped": 0}
    text = words(parse_page(render_report(replace(made, details=quiet), "table")))
    assert "Prediction intervals" not in text
    assert "generated" not in text.replace(made.data.origin, "")
    assert "cut off" not in text
    capped = words(parse_page(render_report(
        replace(made, details=made.details | {"target_capped": 1234}), "table"
    )))  # fmt: skip
    assert "1,234 targets have the value at which measurements were cut off" in capped


@pytest.mark.parametrize("task", ["regression"], indirect=True)
def test_without_places_there_is_no_map(store, task):
    _, data = prepare(store, task)
    part = data.splits.validation
    records = store.open_array(part.samples)[["median_income", "ocean_proximity"]]
    bare = part.model_copy(update={"samples": store.put_array(np.array(records.tolist(), [
        ("median_income", "<f8"), ("ocean_proximity", "<U12"),
    ]))})  # fmt: skip
    drawn = draw_figures(store, bare, bare, evaluate(store, data, task))
    assert set(drawn.pictures) == {"columns", "predicted", "errors"}


@pytest.mark.parametrize("task", ["classification"], indirect=True)
def test_a_classification_names_its_classes(made, page):
    text, metrics = words(page), made.winner.evaluation.metrics
    assert f"{metrics.correct} of {metrics.n} rows right" in text
    for one in metrics.per_class:
        assert f"{made.data.classes[one.label]} {one.support} {one.precision:.4f}" in text
    counts = " ".join(map(str, made.data.splits[0].class_counts))
    assert f"train fits the candidates {made.data.splits[0].rows} {counts}" in text


def test_the_page_of_images_is_no_page_of_a_table(store, report):
    config, data = prepare(store, "classification")
    images = data.model_copy(update={"checked": None})
    with pytest.raises(InputError, match="expected rows of a table, got NoneType"):
        describe_page(store, config, images, report.winner, report.champion.bundle, {})


def test_equal_reports_give_equal_pages(made):
    assert render_report(made, "table") == render_report(made, "table")
