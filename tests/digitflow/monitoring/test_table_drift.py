"""Clean windows of districts are calm, changed ones alarm: by the code that images have."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from digitflow.config.table import Column
from digitflow.data.facts import TableFacts
from digitflow.data.sources.districts import generate_districts
from digitflow.data.tables.frames import to_records
from digitflow.monitoring import drift
from digitflow.monitoring.drift import OpenWindow, calibrate_limits, inspect_window
from digitflow.monitoring.measures import DriftMeter
from digitflow.monitoring.reference import describe_samples, open_reference, record_rows
from digitflow.store.artifacts import Store

SIZE, LEARNT, READ = 150, 1500, 600
CATEGORIES = ("<1H OCEAN", "INLAND", "ISLAND", "NEAR BAY", "NEAR OCEAN")
TABLE = TableFacts(
    columns={
        "longitude": Column(),
        "latitude": Column(),
        "total_bedrooms": Column(),
        "median_income": Column(),
        "ocean_proximity": Column(type="category", values=CATEGORIES),
    },
    target="median_house_value",
    holds=Column(unit="USD"),
)
DEAR = TABLE.model_copy(update={"classes": ("cheap", "dear")})
NUMBERS = ["longitude", "latitude", "median_income"]


@pytest.fixture(scope="module")
def districts():
    return generate_districts(6000, 0)


@pytest.fixture(scope="module", autouse=True)
def fewer_draws():
    """A third of the draws: limits are coarser, and the tests quicker."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drift, "DRAWS", 700)
        yield


@pytest.fixture(scope="module")
def known(districts, tmp_path_factory, fewer_draws):
    """(store, {table: (model, reference, limits)}) of districts learnt from and predicted."""
    store = Store(tmp_path_factory.mktemp("drift"))
    learnt, read = districts[:LEARNT], districts[LEARNT : LEARNT + READ]
    prices = learnt["median_house_value"]
    to_price = LinearRegression().fit(learnt[NUMBERS], prices)
    to_class = LogisticRegression(max_iter=1000).fit(learnt[NUMBERS], prices > 200_000)
    samples = store.put_array(to_records(learnt, TABLE.columns))
    found = {}
    for table, predict in ((TABLE, to_price.predict), (DEAR, to_class.predict_proba)):
        said = store.put_array(np.asarray(predict(read[NUMBERS]), np.float64))
        reference = record_rows(store, samples, table, said, 42)
        limits = calibrate_limits(store, reference, SIZE, 0.002, 0.1, 0.6, 42, 1)
        found[len(table.classes)] = predict, reference, limits
    return store, found


def look(known, frame, classes=0):
    store, found = known
    predict, reference, limits = found[classes]
    said = np.asarray(predict(frame[NUMBERS]))
    window = OpenWindow(
        to_records(frame, TABLE.columns),
        said.argmax(axis=1).astype(float) if classes else said,
        said.max(axis=1) if classes else None,
    )
    return inspect_window(store, reference, limits, window, 0)


def draw(districts, seed, where=None):
    unseen = districts[LEARNT + READ :]
    unseen = unseen if where is None else unseen[where(unseen)]
    return unseen.sample(SIZE, random_state=seed).reset_index(drop=True)


@pytest.mark.parametrize("classes", [0, 2])
def test_of_a_hundred_clean_windows_hardly_any_alarms(known, districts, classes):
    alarms = sum(look(known, draw(districts, seed), classes).drifted for seed in range(100))
    assert alarms <= 3  # 0.2 are expected; limits of few draws and chance may bring some more
    assert known[1][classes][2].false_alarms <= 0.002


@pytest.mark.parametrize("classes", [0, 2])
@pytest.mark.parametrize(
    ("change", "measure"),
    [
        (lambda f: f.assign(median_income=f["median_income"] * 1.3), "psi.median_income"),
        (lambda f: f.assign(total_bedrooms=np.nan), "psi.total_bedrooms"),
        (lambda f: f.assign(ocean_proximity="INLAND"), "psi.ocean_proximity"),
        (lambda f: f.assign(ocean_proximity=None), "psi.ocean_proximity"),
    ],
    ids=["income", "a column missing", "one category", "a category missing"],
)
def test_changed_cells_alarm_by_their_column(known, districts, change, measure, classes):
    found = look(known, change(draw(districts, 1)), classes)
    assert measure in {alarm.measure for alarm in found.alarms}


def test_one_region_only_alarms(known, districts):
    middle = districts["latitude"].median()
    found = look(known, draw(districts, 2, lambda frame: frame["latitude"] < middle - 1))
    assert {"psi.latitude", "domain"} <= {alarm.measure for alarm in found.alarms}


def test_measures_are_those_of_the_columns_and_of_what_is_predicted(known):
    columns = [f"psi.{name}" for name in TABLE.columns]
    assert list(known[1][0][2].limits) == [*columns, "domain", "predictions"]
    assert list(known[1][2][2].limits) == [*columns, "domain", "predictions", "confidence"]


def test_values_that_are_predicted_otherwise_alarm_alone(known, districts):
    store, found = known
    predict, reference, limits = found[0]
    frame = draw(districts, 3)
    window = OpenWindow(to_records(frame, TABLE.columns), 1.5 * predict(frame[NUMBERS]), None)
    result = inspect_window(store, reference, limits, window, 0)
    assert [alarm.measure for alarm in result.alarms] == ["predictions"]


def test_the_rows_behind_a_measure_are_those_that_changed(known, districts):
    store, found = known
    predict, reference, _ = found[0]
    frame = draw(districts, 4)
    frame.loc[:20, "total_bedrooms"] = np.nan
    meter = DriftMeter(open_reference(store, reference))
    scores = meter.attribute(
        to_records(frame, TABLE.columns), predict(frame[NUMBERS]), None, "psi.total_bedrooms"
    )
    assert scores[:21].min() > scores[21:].max()


def test_rows_are_numbers_with_a_column_for_each_category(known, districts):
    store, found = known
    opened = open_reference(store, found[0][1])
    records = to_records(districts[:3].assign(total_bedrooms=np.nan), TABLE.columns)
    statistics, features = describe_samples(records, opened)
    assert statistics.shape == (3, 5)
    assert features.shape == (3, 4 + len(CATEGORIES))
    assert np.isnan(features[:, 2]).all()
    for row, text in enumerate(districts["ocean_proximity"][:3]):
        assert statistics[row, 4] == CATEGORIES.index(text)
        assert features[row, 4:].tolist() == [name == text for name in CATEGORIES]
