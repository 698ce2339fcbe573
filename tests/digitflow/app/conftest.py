"""A store that was trained without Prefect: what a run leaves behind, by the library alone."""

import shutil

import numpy as np
import pytest

from digitflow.config.data import SplitShares, ValidationRules
from digitflow.config.digits import DigitsCandidate, DigitsConfig, SelectiveRule
from digitflow.config.table import ClassificationConfig, RegressionConfig
from digitflow.data.sets import LabelledImages, PreparedData, RawSets, store_set
from digitflow.data.splits import split_digits
from digitflow.data.tables.sets import ingest_table, split_table, validate_table
from digitflow.data.validation import validate_digits
from digitflow.evaluation.evidence import Costs
from digitflow.evaluation.scoring import (
    Entry,
    evaluate_candidate,
    rank_entries,
    score_on_test,
)
from digitflow.evaluation.selective import choose_thresholds
from digitflow.gate.check import Check
from digitflow.gate.verdict import Comparison, Verdict
from digitflow.models.building import EstimatorChoice, RecipeChoice
from digitflow.models.bundle import ModelBundle, describe_signature
from digitflow.models.fitting import fit_candidate, prepare_recipe
from digitflow.models.golden import record_golden
from digitflow.models.intervals import choose_intervals
from digitflow.monitoring.reference import record_images, record_rows
from digitflow.registry import promotion
from digitflow.registry.champion import read_champion
from digitflow.registry.versions import TrainingFacts
from digitflow.reports.training import describe_data
from digitflow.store.artifacts import Store
from digitflow.store.files import ARTIFACTS_VARIABLE
from digitflow.store.runs import open_run
from tasks.caching import describe_outputs

MODEL = "digits-sample"
CANDIDATES = (
    DigitsCandidate(name="tree-pixels", estimator="tree", recipe="pixels", augmented=False),
    DigitsCandidate(name="knn-pca", estimator="knn", recipe="pca", augmented=False),
)


def spoil(digits):
    """The digits, and behind them a copy, a contradiction and a blank picture."""
    images = np.concatenate([digits.images, digits.images[:2], np.zeros((1, 28, 28), np.uint8)])
    labels = np.concatenate([digits.labels, [digits.labels[0], 9 - digits.labels[1]], [3]])
    return LabelledImages(images, labels.astype(np.uint8))


def train(store, digits):
    """Train both candidates; make the worse one champion, then the better one."""
    run = "digits-sample-20260101-000000-aaaa"
    with open_run(store, run, job="train", model=MODEL, cores=2) as log:
        raw = RawSets(
            train=store_set(store, spoil(digits)), test=None, origin="the built-in digits"
        )
        checked = validate_digits(store, raw, ValidationRules())
        splits = split_digits(store, checked, SplitShares(), 42)
        for task, result in (("validate", checked), ("split", splits)):
            log.note("computed", task, seconds=0.1, outputs=describe_outputs(result))
        data = PreparedData(
            source="builtin", origin=raw.origin, checked=checked, splits=splits, augmented=None
        )
        fitted = [fit(store, splits, candidate) for candidate in CANDIDATES]
        entries = rank_entries([entry for entry, _ in fitted])
        log.update(
            leaderboard=[entry.model_dump(mode="json") for entry in entries],
            data=describe_data(store, data).model_dump(mode="json"),
            winner=entries[0].candidate.name,
        )
        ranked = sorted(fitted, key=lambda pair: pair[0].evaluation.metrics.accuracy)
        for entry, prepared in ranked:
            crown(
                store, MODEL, run, splits, entry, bundle_digits(store, splits, entry, prepared)
            )


def fit(store, splits, candidate, config=None):
    parts = splits.train.samples, splits.calibration.samples, splits.validation.samples
    prepared = prepare_recipe(store, RecipeChoice(name=candidate.recipe), *parts, 42)
    choice = EstimatorChoice.from_candidate(candidate, config or DigitsConfig())
    labels = splits.train.targets, splits.calibration.targets
    model = fit_candidate(store, choice, prepared, *labels)
    evaluation = evaluate_candidate(store, model, prepared, splits.validation)
    return Entry(candidate=candidate, fitted=model, evaluation=evaluation), prepared


def bundle_digits(store, splits, entry, prepared):
    read, validation = entry.evaluation.predictions, splits.validation
    return ModelBundle(
        model=entry.fitted.model,
        reject_option=choose_thresholds(
            store,
            (prepared.train, splits.train.targets),
            (prepared.validation, validation.targets),
            read,
            SelectiveRule(),
        ),
        golden=record_golden(store, entry.fitted.model, validation),
        reference=record_images(
            store, splits.train.samples, splits.train.targets, read, 42, (None, None)
        ),
    )


def crown(store, model, run, splits, entry, bundle):
    """Register a candidate as a run does, and promote it."""
    verdict = judge(store, model, bundle, splits.test)
    facts = TrainingFacts(
        run=run,
        config=f"model: {model}\nseed: 42\n",
        seed=42,
        data={"train": splits.train.samples.digest},
        code="c0de",
        libraries={"numpy": np.__version__},
        metrics=dict([entry.evaluation.metrics.main]),
        signature=describe_signature(store, bundle.golden),
        test=splits.test,
        costs=Costs(
            latency_ms=entry.evaluation.latency_ms, latency_p95_ms=2.0,
            bytes=bundle.model.bytes, memory_mb=300.0, fit_cpu_seconds=1.0,
        ),
    )  # fmt: skip
    version = promotion.register(store, model, bundle, verdict, facts)
    promotion.promote(store, model, version, verdict)


def judge(store, model, bundle, test):
    """Say what the gate would, by one check."""
    score = score_on_test(store, bundle.model, test).score
    champion = read_champion(store, model)
    known = {} if champion is None else {
        "champion_digest": champion.model.digest,
        "champion_version": champion.version,
        "champion_entry": champion.entry,
    }  # fmt: skip
    detail = f"{score.metric} {score.written} on {score.n} samples, as it should be"
    check = Check(
        id="floor.min_accuracy", slice="test", n=score.n, challenger=score.value,
        limit=0.5, verdict="pass", detail=detail,
    )  # fmt: skip
    return Verdict(
        outcome="bootstrap" if champion is None else "promote",
        reason=detail,
        checks=(check,),
        comparison=Comparison(
            test_digest=score.test_digest,
            n=score.n,
            challenger_digest=bundle.model.digest,
            **known,
        ),
        challenger=score,
        champion=None if champion is None else champion.score,
    )


def train_table(store, name, task, target, estimator):
    """Train one candidate on generated districts, and make it champion."""
    kind = RegressionConfig if task == "regression" else ClassificationConfig
    config = kind.model_validate(
        {
            "model": name, "workload": "table", "task": task, "target": target,
            "source": {"kind": "districts", "rows": 500},
            "candidates": [{"name": "first", "estimator": estimator, "recipe": "columns"}],
            "validation": {"max_quarantined": 0.5, "min_per_class": 2},
        }
    )  # fmt: skip
    run = f"{name}-20260102-000000-aaaa"
    with open_run(store, run, job="train", model=name, cores=2) as log:
        raw = ingest_table(store, config.source, "")
        checked = validate_table(store, raw, {}, target, task, config.validation, ())
        splits = split_table(store, checked, config.split, (), 42)
        for step, result in (("validate", checked), ("split", splits)):
            log.note("computed", step, seconds=0.1, outputs=describe_outputs(result))
        data = PreparedData(
            source="districts", origin=raw.origin, checked=checked, splits=splits,
            augmented=None,
        )  # fmt: skip
        entry, _ = fit(store, splits, config.candidates[0], config)
        log.update(
            config=config.model_dump(mode="json"),
            leaderboard=[entry.model_dump(mode="json")],
            data=describe_data(store, data).model_dump(mode="json"),
            winner="first",
        )
        crown(store, name, run, splits, entry, bundle_rows(store, checked, splits, entry))


def bundle_rows(store, checked, splits, entry):
    predicted = entry.evaluation.predictions
    targets = splits.validation.targets
    return ModelBundle(
        model=entry.fitted.model,
        golden=record_golden(store, entry.fitted.model, splits.validation),
        reference=record_rows(store, splits.train.samples, checked.table, predicted, 42),
        table=checked.table,
        intervals=None
        if checked.table.classes
        else choose_intervals(store.open_array(targets), store.open_array(predicted), 0.9),
    )


@pytest.fixture(scope="session")
def tables_once(tmp_path_factory):
    """A store with two champions of tables: `homes` predicts prices, `coast` classes."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MLFLOW_TRACKING_URI", "DIGITFLOW_DATABASE_URL", "DIGITFLOW_HOUSING_FILE"):
            patch.delenv(name, raising=False)
        store = Store(tmp_path_factory.mktemp("tables") / "artifacts")
        train_table(
            store,
            "homes",
            "regression",
            "median_house_value",
            "sklearn.linear_model.LinearRegression",
        )
        train_table(store, "coast", "classification", "ocean_proximity", "logistic")
    return store


@pytest.fixture
def tables(tables_once, tmp_path, monkeypatch):
    """A copy of that store, which the app opens."""
    shutil.copytree(tables_once.root, tmp_path / "artifacts", symlinks=True)
    monkeypatch.setenv(ARTIFACTS_VARIABLE, str(tmp_path / "artifacts"))
    monkeypatch.delenv("DIGITFLOW_DATABASE_URL", raising=False)
    return Store(tmp_path / "artifacts")


@pytest.fixture(scope="session")
def trained_once(make_shared, handwriting):
    """A store with two trained candidates, of which each was champion; only read."""

    def fill(folder):
        train(Store(folder / "artifacts"), handwriting)

    with pytest.MonkeyPatch.context() as patch:
        for name in ("MLFLOW_TRACKING_URI", "DIGITFLOW_DATABASE_URL"):
            patch.delenv(name, raising=False)
        return Store(make_shared("app", fill) / "artifacts")


@pytest.fixture
def trained(trained_once, tmp_path, monkeypatch):
    """A copy of that store, which the app opens."""
    shutil.copytree(trained_once.root, tmp_path / "artifacts", symlinks=True)
    monkeypatch.setenv(ARTIFACTS_VARIABLE, str(tmp_path / "artifacts"))
    monkeypatch.delenv("DIGITFLOW_DATABASE_URL", raising=False)
    return Store(tmp_path / "artifacts")


@pytest.fixture
def untrained(tmp_path, monkeypatch):
    """A store in which nothing has run, which the app opens."""
    monkeypatch.setenv(ARTIFACTS_VARIABLE, str(tmp_path / "artifacts"))
    return Store(tmp_path / "artifacts")


def _show_page(name):
    from importlib import import_module

    import_module(f"digitflow.app.pages.{name}").show()


@pytest.fixture
def open_page():
    """Open a page without a browser, with what the session holds: open_page("models")."""
    testing = pytest.importorskip("streamlit.testing.v1")

    def open_page(name, **session):
        page = testing.AppTest.from_function(_show_page, args=(name,), default_timeout=60)
        for key, value in session.items():
            page.session_state[key] = value
        page.run()
        assert not page.exception
        return page

    return open_page


@pytest.fixture
def read_words():
    """Return everything that a page says, as one text."""

    def read(page):
        kinds = ("title", "subheader", "markdown", "caption", "text", "info", "warning")
        kinds += ("error", "success", "code")
        return "\n".join(str(each.value) for kind in kinds for each in page.get(kind))

    return read


@pytest.fixture
def as_admin(monkeypatch):
    """Start the app with --admin; what a logged-in person's session holds."""
    monkeypatch.setattr("sys.argv", ["main.py", "--admin"])
    return {"admin": True}
