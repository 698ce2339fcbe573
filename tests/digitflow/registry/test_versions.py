import json

import pytest

from digitflow.data.sets import SampleSet
from digitflow.evaluation.evidence import Costs, TestScore
from digitflow.gate.verdict import Comparison, Verdict
from digitflow.models.bundle import (
    Golden,
    ModelBundle,
    Reference,
    RejectOption,
    Signature,
)
from digitflow.registry.versions import Registration, TrainingFacts, list_files, write_pages
from digitflow.store.references import ArrayRef, ModelRef


def array(digest):
    return ArrayRef(
        digest=digest, path=f"arrays/{digest}.npy", bytes=9, dtype="uint8", shape=(3,)
    )


MODEL = ModelRef(digest="abc", path="models/abc.skops", bytes=10)
SCREEN = ModelRef(digest="def", path="models/def.skops", bytes=10)
RELEASE = ModelBundle(
    model=MODEL,
    reject_option=RejectOption(
        coverage=0.99, min_probability=0.4, risk=0.01, detector=SCREEN, max_outlier_score=9.0
    ),
    golden=Golden(
        samples=array("g"), predictions=array("p"), libraries={"numpy": "2"}, machine="any"
    ),
)
FACTS = TrainingFacts(
    run="run-1",
    config="seed: 7\n",
    seed=7,
    data={"train": "aa"},
    code="cc",
    libraries={"numpy": "2.4"},
    metrics={"validation_accuracy": 0.5, "validation_log_loss": float("nan")},
    signature=Signature(
        inputs=("uint8", (-1, 28, 28)), outputs=("float64", (-1, 10)), method="predict_proba"
    ),
    test=SampleSet(samples=array("i"), targets=array("l"), writers=array("w")),
    costs=Costs(
        latency_ms=1.0,
        latency_p95_ms=2.0,
        bytes=10,
        memory_mb=400.0,
        fit_cpu_seconds=None,
    ),
)


@pytest.fixture
def verdict():
    score = TestScore(
        model_digest="abc",
        test_digest="t",
        n=3,
        metric="accuracy",
        value=1.0,
        interval=(0.4, 1 / 3),
    )
    comparison = Comparison(test_digest="t", n=3, challenger_digest="abc")
    return Verdict(
        outcome="reject", reason="it's so", checks=(), comparison=comparison, challenger=score
    )


@pytest.fixture
def registered(verdict):
    return Registration(
        model="digits",
        version="4",
        registered_at="now",
        bundle=RELEASE,
        score=verdict.challenger,
        facts=FACTS,
        verdict=verdict,
        aliases=("best", "champion"),
    )


def test_all_that_was_written_is_read_again(registered):
    text = registered.model_dump_json()
    assert Registration.model_validate_json(text).model_dump_json() == text
    assert '"validation_log_loss":NaN' in text


def test_a_list_shows_plain_values(registered):
    found = registered.summarise()
    assert (found["version"], found["outcome"], found["run"]) == ("4", "reject", "run-1")
    assert found["aliases"] == ["best", "champion"]
    assert found["score"]["value"] == 1.0
    assert found["model_path"] == MODEL.path


def test_a_version_becomes_a_champion_with_the_score_it_was_judged_by(registered, verdict):
    champion = registered.make_champion(verdict.challenger, "now")
    assert (champion.name, champion.version, champion.run) == ("digits", "4", "run-1")
    assert (champion.model, champion.score) == (MODEL, verdict.challenger)
    assert champion.libraries == {"numpy": "2.4"}
    assert str(champion) == "version 4 (entry 0)"


def test_a_release_is_its_model_its_golden_arrays_and_its_screen():
    assert {name: ref.digest for name, ref in list_files(RELEASE).items()} == {
        "model.skops": "abc",
        "golden-samples.npy": "g",
        "golden-predictions.npy": "p",
        "outliers.skops": "def",
    }
    assert len(list_files(RELEASE.model_copy(update={"reject_option": None}))) == 3


def test_of_a_reference_the_arrays_are_files_and_what_names_them_is_not():
    arrays = ("statistics", "components", "projected", "predicted", "confidence")
    refs = dict.fromkeys(arrays, RELEASE.golden.samples)
    bundle = RELEASE.model_copy(
        update={"reference": Reference(columns=("ink",), categories=((),), classes=10, **refs)}
    )
    added = list_files(bundle).keys() - list_files(RELEASE).keys()
    assert added == {f"reference-{name}.npy" for name in arrays}


def test_pages_say_how_it_came_to_be(verdict, tmp_path):
    pages = write_pages(tmp_path, verdict, FACTS)
    assert pages.keys() == {"verdict.json", "facts.json", "config.yaml"}
    assert json.loads(pages["verdict.json"].read_text())["outcome"] == "reject"
    assert pages["config.yaml"].read_text() == "seed: 7\n"
