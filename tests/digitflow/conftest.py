"""Evidence for the gate, real digits for the studies, and a reader of pages."""

import functools
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from digitflow.config.data import MnistSource, SplitShares, ValidationRules
from digitflow.config.digits import StudySettings
from digitflow.config.gate import DigitsLimits
from digitflow.config.table import Column
from digitflow.data.facts import TableFacts
from digitflow.data.sets import CheckedSets, Digits, LabelledImages, SampleSet, store_set
from digitflow.data.sources import mnist as mnist_source
from digitflow.data.sources.districts import generate_districts
from digitflow.data.tables.frames import infer_columns, to_records
from digitflow.data.validation import check_digits
from digitflow.evaluation.evidence import Costs, Evidence, ScoredSet, Share, TestScore
from digitflow.features.frames import prepare_numbers, select_columns
from digitflow.features.preparing import build_steps
from digitflow.gate.verdict import Comparison
from digitflow.models.bundle import LoadCheck, ModelBundle, PredictionIntervals
from digitflow.models.golden import record_golden
from digitflow.models.intervals import choose_intervals
from digitflow.models.persistence import dump_model
from digitflow.models.predicting import predict_in_chunks
from digitflow.registry import history
from digitflow.registry.versions import Champion
from digitflow.store.artifacts import Store
from digitflow.studies.digits.data import choose_digits, describe_scope
from digitflow.studies.plan import check_plan, compute, plan_section

COSTS = Costs(
    latency_ms=1.0,
    latency_p95_ms=2.0,
    bytes=1_000_000,
    memory_mb=400.0,
    fit_cpu_seconds=60.0,
)
LOADS = LoadCheck(exact=True, n=32, labels_differ=0, largest_difference=0.0, memory_mb=400.0)


TABLE_RECIPES = ("columns", "districts", "neighbourhoods")


@pytest.fixture(scope="session")
def district_records():
    """1,700 generated districts as records, with gaps."""
    frame = generate_districts(1700, 0).drop(columns="median_house_value")
    records = to_records(frame, infer_columns(frame))
    records.flags.writeable = False
    return records


@pytest.fixture(scope="session")
def samples_of(district_records, handwriting):
    """What a recipe takes, by its name: 1,700 images, or as many records of a table."""
    images = handwriting.images[:1700]
    return lambda name: district_records if name in TABLE_RECIPES else images


DISTRICT_COLUMNS = {
    "longitude": Column(min=-125, max=-114, nullable=False),
    "latitude": Column(min=32, max=43, nullable=False),
    "median_income": Column(min=0, max=20, unit="10000 USD"),
    "total_bedrooms": Column(min=1),
    "population": Column(type="integer", min=1),
    "ocean_proximity": Column(
        type="category", values=("<1H OCEAN", "INLAND", "ISLAND", "NEAR BAY", "NEAR OCEAN")
    ),
}
PRICE = "median_house_value"
DEAR = 200_000


@pytest.fixture(scope="session")
def districts():
    """1,700 generated districts as a frame, their prices too."""
    return generate_districts(1700, 0)


@pytest.fixture(scope="session")
def fitted_districts(districts):
    """Pipelines from records of districts: one to prices, one to whether they are dear."""
    records = to_records(districts, DISTRICT_COLUMNS)
    prices = districts[PRICE].to_numpy(float)

    income = select_columns([("income", prepare_numbers(), ["median_income"])])
    by_income = Pipeline(
        [("columns", income), ("model", IsotonicRegression(out_of_bounds="clip"))]
    )
    by_all = Pipeline(
        [*build_steps("columns", 0), ("model", LogisticRegression(max_iter=1000))]
    )
    dear = (prices > DEAR).astype(int)
    return records, prices, by_income.fit(records, prices), by_all.fit(records, dear)


@pytest.fixture
def crown_table(store, crown_table_in):
    """Make a model of districts champion in the test's store; return it."""
    return functools.partial(crown_table_in, store)


@pytest.fixture(scope="session")
def crown_table_in(fitted_districts):
    """Make a model of districts champion in a store; return it."""
    records, prices, to_price, to_class = fitted_districts

    def crown(store, model="housing", classes=(), generated=False):
        pipeline, targets = (
            (to_class, (prices > DEAR).astype(int)) if classes else (to_price, prices)
        )
        ref = dump_model(pipeline, store)
        rows = SampleSet(samples=store.put_array(records), targets=store.put_array(targets))
        holds = (
            Column(type="category", values=classes) if classes else Column(unit="USD", min=0)
        )
        bundle = ModelBundle(
            model=ref,
            golden=record_golden(store, ref, rows, 10),
            intervals=None
            if classes
            else choose_intervals(prices, predict_in_chunks(pipeline, records), 0.9),
            table=TableFacts(
                columns=DISTRICT_COLUMNS,
                target=PRICE,
                holds=holds,
                classes=classes,
                generated=generated,
            ),
        )
        score = TestScore(
            model_digest=ref.digest,
            test_digest="t",
            n=100,
            metric="accuracy" if classes else "RMSE",
            value=0.9,
            interval=(0.8, 1.0),
        )
        champion = Champion(
            name=model,
            version="1",
            entry=0,
            bundle=bundle,
            score=score,
            run="r",
            promoted_at="now",
            libraries=bundle.golden.libraries,
        )
        return history.append_entry(store, champion, 0, "promote", "a test says so").champion

    return crown


@pytest.fixture
def samples(name, samples_of):
    """What the recipe `name` takes."""
    return samples_of(name)


def read_digits(labels, hits):
    """Probabilities of a model that reads the next digit where it is wrong, and doubts it."""
    probabilities = np.zeros((len(labels), 10))
    rows, following = np.arange(len(labels)), (labels.astype(int) + 1) % 10
    probabilities[rows, labels] = np.where(hits, 0.99, 0.45)
    probabilities[rows, following] = np.where(hits, 0.01, 0.55)
    return probabilities


@pytest.fixture
def make_scored():
    """Both models on images: so many wins and losses, so many that both have right or wrong."""

    def make(wins=0, losses=0, right=9800, wrong=100, labels=None, champion=True, **known):
        kinds = np.repeat([0, 1, 2, 3], [wins, losses, right, wrong])
        if labels is None:
            labels = np.arange(len(kinds)) % 10
        labels = np.asarray(labels, np.uint8)
        ours = read_digits(labels, np.isin(kinds, (0, 2)))
        theirs = read_digits(labels, np.isin(kinds, (1, 2))) if champion else None
        return ScoredSet(labels, ours, theirs, **known)

    return make


@pytest.fixture
def make_evidence(make_scored):
    """Evidence that is beyond reproach but for what is said."""

    def make(test=None, feedback=None, **changed):
        altered = DigitsLimits().robustness.floors
        sound = {
            "costs": COSTS,
            "champion_costs": COSTS,
            "robustness": dict.fromkeys(altered, Share(correct=970, n=1000)),
            "loads": LOADS,
        }
        return Evidence(
            test=make_scored(wins=60, losses=20) if test is None else test,
            feedback=feedback,
            **sound | changed,
        )

    return make


@pytest.fixture
def make_values():
    """Both models' values on the same rows, off by normal errors of so large deviations."""

    def make(ours=40.0, theirs=50.0, n=2000, seed=0, **known):
        random = np.random.default_rng(seed)
        targets = random.uniform(100, 500, n)
        # What is hard for the one is hard for the other, as of any two models.
        shared, own = random.normal(size=(2, n))
        errors = 0.9 * shared + 0.1 * own
        champion = None if theirs is None else targets + theirs * shared
        return ScoredSet(targets, targets + ours * errors, champion, unit="USD", **known)

    return make


@pytest.fixture
def make_value_evidence(make_values):
    """Evidence of a regression that is beyond reproach but for what is said."""

    def make(test=None, **changed):
        sound = {"costs": COSTS, "champion_costs": COSTS, "loads": LOADS}
        test = make_values() if test is None else test
        off = np.sort(np.abs(test.challenger - test.targets))
        intervals = PredictionIntervals(
            coverage=0.9,
            scale="absolute",
            factor=float(off[int(0.9 * len(off))]) if len(off) else 1.0,
            mean_width=1.0,
            n=1000,
        )
        return Evidence(test=test, **sound | {"intervals": intervals} | changed)

    return make


@pytest.fixture
def make_comparison():
    """The comparison that evidence is about: a challenger against version 3."""

    def make(evidence, **changed):
        champion = {"champion_digest": "old", "champion_version": "3", "champion_entry": 7}
        known = {} if evidence.test.champion is None else champion
        names = {"test_digest": "test", "n": len(evidence.test.targets)}
        return Comparison(**names | {"challenger_digest": "new"} | known | changed)

    return make


@pytest.fixture(scope="session")
def digits(handwriting: LabelledImages) -> Digits:
    """The built-in digits, checked."""
    loaded = Digits(handwriting, None, "the built-in digits")
    return Digits(check_digits(loaded, ValidationRules()).train, None, loaded.origin)


def prepare_study(store, digits, train_size=None, **settings):
    """Put the digits of a study into a store; return its (scope, data)."""
    checked = CheckedSets(
        train=store_set(store, digits.train),
        test=None,
        problems={},
        notes=(),
        quarantine=None,
        quarantined_images=None,
    )
    data = choose_digits(store, checked, SplitShares(), train_size, 42)
    chosen = StudySettings(train_size=train_size, **settings)
    return describe_scope("builtin", checked, data, 42, chosen), data


def compute_plan(store, plan, data, seed=42):
    """Compute experiments in their order; return what they found, by their names."""
    check_plan(plan)
    found = {}
    for experiment in plan:
        given = {name: found[name] for name in experiment.needs}
        found[experiment.name] = compute(store, experiment, data, given, seed, threads=1)
    return found


@pytest.fixture
def make_study(digits, store):
    """Put the digits of a study into the test's store; return its (scope, data)."""
    return functools.partial(prepare_study, store, digits)


@pytest.fixture
def run_plan(store):
    """Compute experiments in their order; return what they found, by their names."""
    return functools.partial(compute_plan, store)


@pytest.fixture(scope="session")
def study_once(digits, tmp_path_factory):
    """Study a section of 200 digits, once for all tests; return (store, scope, data, found)."""

    @functools.cache
    def study(section):
        store = Store(tmp_path_factory.mktemp(section) / "artifacts")
        scope, data = prepare_study(store, digits, 200)
        return store, scope, data, compute_plan(store, plan_section(section, scope), data)

    return study


@pytest.fixture(scope="session")
def mnist(mnist_folder: Path) -> Digits:
    """All of MNIST, with writers."""
    return mnist_source.load(MnistSource(folder=mnist_folder))


@pytest.fixture(scope="session")
def draw_digit() -> Callable[..., np.ndarray]:
    """Draw a digit as a gray picture: draw_digit("3", side=100, ink=0, ground=255)."""

    def draw(text: str, side: int = 100, ink: int = 255, ground: int = 0) -> np.ndarray:
        picture = np.full((side, side), ground, np.uint8)
        size, thickness = side / 36, max(1, side // 14)
        cv2.putText(
            picture, text, (side // 4, side * 3 // 4), 0, size, ink, thickness, cv2.LINE_AA
        )
        return picture

    return draw


VOID = {"meta", "img", "br", "hr", "link", "input", "col", "source"}


class Page(HTMLParser):
    """Checks that tags balance, and keeps what a browser would show and load."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "title"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def find(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def parse_page():
    """Read HTML as a browser would; the tags must balance."""
    return Page


@pytest.fixture(scope="session")
def crown_model():
    """Make a stored model a champion: crown_model(store, name, model, golden, ...)."""

    def crown(store, name, ref, golden, version="1", reject_option=None):
        score = TestScore(
            model_digest=ref.digest,
            test_digest="t",
            n=100,
            metric="accuracy",
            value=0.95,
            interval=(0.9, 0.99),
        )
        champion = Champion(
            name=name,
            version=version,
            entry=0,
            bundle=ModelBundle(model=ref, reject_option=reject_option, golden=golden),
            score=score,
            run="r",
            promoted_at="now",
            libraries=golden.libraries,
        )
        last = history.read_last(store, name)
        follows = 0 if last is None else last.id
        return history.append_entry(
            store, champion, follows, "promote", "a test says so"
        ).champion

    return crown
