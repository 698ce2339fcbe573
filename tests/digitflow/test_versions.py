from types import SimpleNamespace

import pytest

from digitflow.artifacts import ModelRef
from digitflow.config import GateLimits
from digitflow.errors import InputError
from digitflow.evaluation.scoring import TestScore
from digitflow.gates import Verdict, judge
from digitflow.versions import Facts, read_champion_tags, read_version, write_tags

MODEL = ModelRef(digest="abc", path="models/abc.skops", bytes=10)
FACTS = Facts(
    run="run-1",
    config="seed: 7\n",
    seed=7,
    data={"train": "aa"},
    code="cc",
    libraries={"numpy": "2.4"},
    metrics={"validation_accuracy": 0.5},
)


@pytest.fixture
def verdict():
    score = TestScore(
        model_digest="abc", test_digest="t", n=3, correct=3, interval=(0.4, 1 / 3)
    )
    return judge(score, None, GateLimits())


def registered(tags, version=4):
    """What MLflow gives back: any object with these attributes."""
    return SimpleNamespace(name="digits", version=version, tags=tags)


def test_a_champion_is_read_from_its_tags(verdict):
    champion = read_champion_tags(registered(write_tags(MODEL, verdict, FACTS)))
    assert (champion.name, champion.version, champion.run) == ("digits", "4", "run-1")
    assert champion.model == MODEL
    assert champion.score == verdict.challenger


def test_every_tag_is_text_and_the_verdict_is_whole(verdict):
    tags = write_tags(MODEL, verdict, FACTS)
    assert {type(value) for value in tags.values()} == {str}
    assert Verdict.model_validate_json(tags["digitflow.verdict"]) == verdict
    assert tags["digitflow.data"] == '{"train": "aa"}'
    assert tags["digitflow.config"] == "seed: 7\n"


def test_a_version_in_a_list_has_the_aliases_that_name_it(verdict):
    tags = write_tags(MODEL, verdict, FACTS)
    version = read_version(registered(tags), {"champion": 4, "previous": 3, "best": "4"})
    assert version.aliases == ("best", "champion")
    assert (version.accuracy, version.outcome) == (1.0, "bootstrap")
    assert version.model_path == MODEL.path


def test_a_version_of_somebody_else_is_named(verdict):
    with pytest.raises(InputError, match="version 4 of digits was not registered by digitflow"):
        read_champion_tags(registered({}))
