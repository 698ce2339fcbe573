import json
from types import SimpleNamespace

import pytest

from digitflow.data.sets import ImageSet
from digitflow.errors import InputError
from digitflow.evaluation.evidence import Costs
from digitflow.evaluation.scoring import TestScore
from digitflow.gate.verdict import Comparison, Verdict
from digitflow.models.bundle import Golden, ModelBundle, RejectOption
from digitflow.registry.versions import (
    TrainingFacts,
    list_files,
    make_champion,
    read_bundle_tag,
    read_model,
    read_registration,
    read_version,
    write_pages,
    write_tags,
)
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
        images=array("g"), probabilities=array("p"), libraries={"numpy": "2"}, machine="any"
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
    test=ImageSet(images=array("i"), labels=array("l"), writers=array("w")),
    costs=Costs(
        latency_ms=1.0, latency_p95_ms=2.0, bytes=10, memory_mb=400.0, fit_seconds=None
    ),
)


@pytest.fixture
def verdict():
    score = TestScore(
        model_digest="abc", test_digest="t", n=3, correct=3, interval=(0.4, 1 / 3)
    )
    comparison = Comparison(test_digest="t", n=3, challenger_digest="abc")
    return Verdict(
        outcome="reject", reason="it's so", checks=(), comparison=comparison, challenger=score
    )


def registered(tags, version=4):
    """What MLflow gives back: any object with these attributes."""
    return SimpleNamespace(name="digits", version=version, tags=tags)


def without(tags, *names):
    return {name: tags[name] for name in tags if name.removeprefix("digitflow.") not in names}


def test_all_that_was_written_is_read_again(verdict):
    found = read_registration(registered(write_tags(RELEASE, verdict, FACTS)), {})
    assert found.bundle == RELEASE
    assert found.facts.model_dump_json() == FACTS.model_dump_json()
    assert Verdict.model_validate(found.verdict) == verdict
    assert found.version.registered_at.endswith("+00:00")


def test_every_tag_is_text(verdict):
    tags = write_tags(RELEASE, verdict, FACTS)
    assert {type(value) for value in tags.values()} == {str}
    assert tags["digitflow.data"] == '{"train": "aa"}'
    assert tags["digitflow.config"] == "seed: 7\n"


def test_a_version_in_a_list_has_the_aliases_that_name_it(verdict):
    tags = write_tags(RELEASE, verdict, FACTS)
    version = read_version(registered(tags), {"champion": 4, "previous": 3, "best": "4"})
    assert version.aliases == ("best", "champion")
    assert (version.accuracy, version.outcome) == (1.0, "reject")
    assert version.model_path == MODEL.path


def test_a_version_from_before_there_were_releases_is_read(verdict):
    tags = write_tags(RELEASE, verdict, FACTS)
    old = without(tags, "bundle", "test", "feedback", "costs", "registered_at")
    old["digitflow.promoted_at"] = "2026-01-01T00:00:00+00:00"
    found = read_registration(registered(old), {})
    assert found.bundle is read_bundle_tag(registered(old)) is None
    assert found.version.registered_at == "2026-01-01T00:00:00+00:00"
    assert found.facts.test is None
    assert read_model(registered(old)) == MODEL


def test_a_version_becomes_a_champion_with_the_score_it_was_judged_by(verdict):
    tags = write_tags(RELEASE, verdict, FACTS)
    champion = make_champion(registered(tags), RELEASE, verdict.challenger, "now")
    assert (champion.name, champion.version, champion.run) == ("digits", "4", "run-1")
    assert (champion.model, champion.score) == (MODEL, verdict.challenger)
    assert champion.libraries == {"numpy": "2.4"}


def test_a_version_of_somebody_else_is_named(verdict):
    for read in (lambda v: read_version(v, {}), lambda v: read_registration(v, {}), read_model):
        with pytest.raises(InputError, match="version 4 of digits was not registered by"):
            read(registered({}))


def test_a_release_is_its_model_its_golden_arrays_and_its_screen():
    assert {name: ref.digest for name, ref in list_files(RELEASE).items()} == {
        "model.skops": "abc",
        "golden-images.npy": "g",
        "golden-probabilities.npy": "p",
        "outliers.skops": "def",
    }
    assert len(list_files(RELEASE.model_copy(update={"reject_option": None}))) == 3


def test_pages_say_how_it_came_to_be(verdict, tmp_path):
    pages = write_pages(tmp_path, verdict, FACTS)
    assert pages.keys() == {"verdict.json", "facts.json", "config.yaml"}
    assert json.loads(pages["verdict.json"].read_text())["outcome"] == "reject"
    assert pages["config.yaml"].read_text() == "seed: 7\n"
