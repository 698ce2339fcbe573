"""Other test images stop a run early, and only where the registry agrees."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from digitflow.config.gate import DigitsLimits
from digitflow.data.sets import LabelledImages, store_set
from digitflow.errors import InputError, TestSetChanged
from digitflow.evaluation.evidence import Costs
from digitflow.evaluation.scoring import digest_test_set
from digitflow.registry import judging, listing

ACCEPTING = DigitsLimits(accept_new_test=True)


@pytest.fixture
def test_images(store):
    images = np.zeros((10, 28, 28), np.uint8)
    return store_set(store, LabelledImages(images, np.arange(10, dtype=np.uint8)))


@pytest.fixture
def check(store, test_images, monkeypatch):
    """Check test images against those that the champion was judged on."""

    def check(registered, limits=None):
        champion = SimpleNamespace(score=SimpleNamespace(test_digest=registered))
        monkeypatch.setattr(
            judging, "read_champion", lambda *_: None if registered is None else champion
        )
        judging.check_test_samples(store, "digits", test_images, limits or DigitsLimits())

    return check


@pytest.mark.parametrize("first", [True, False])
def test_the_same_images_and_a_first_run_go_on(check, test_images, first):
    check(None if first else digest_test_set(test_images))


def test_other_images_stop_unless_they_are_accepted(check):
    with pytest.raises(TestSetChanged, match="accept-new-test"):
        check("others")
    check("others", ACCEPTING)


def test_what_a_champion_was_judged_on_is_frozen_unless_others_are_accepted(
    project, empty_project
):
    frozen = judging.find_frozen(project.store, "digits", DigitsLimits())
    assert frozen.is_equal(project.make_images())
    assert judging.find_frozen(project.store, "digits", ACCEPTING) is None
    assert judging.find_frozen(empty_project.store, "digits", DigitsLimits()) is None


def test_a_champion_is_what_a_challenger_is_compared_with(project):
    assert judging.to_baseline(None) is None
    champion = project.champion()
    baseline = judging.to_baseline(champion)
    assert (baseline.version, baseline.entry) == (champion.version, champion.entry)
    assert baseline.bundle == champion.bundle
    score = project.make_score("challenger", test=champion.score.test_digest)
    told = judging.describe_comparison(project.store, "digits", score, baseline)
    assert (told.challenger_digest, told.n, told.looks) == ("challenger", 1000, 1)
    assert told.champion_digest == champion.model.digest
    assert (told.champion_version, told.champion_entry) == ("1", champion.entry)
    alone = judging.describe_comparison(project.store, "digits", score, None)
    assert alone.champion_digest is alone.champion_version is alone.champion_entry is None


def test_a_champions_score_on_new_samples_is_noted_and_on_the_same_it_stays(project):
    champion = project.champion()
    verdict = project.judge(project.make_bundle(2), champion, "keep")
    assert judging.keep_champion(project.store, champion, verdict) is champion
    assert judging.keep_champion(project.store, None, verdict) is None
    again = project.make_score(champion.model.digest, correct=900, test="new")
    moved = verdict.model_copy(update={"champion": again})
    kept = judging.keep_champion(project.store, champion, moved)
    assert kept.score == again
    assert kept.version == "1"
    assert project.champion().score == again
    assert (
        judging.keep_champion(
            project.store, champion, verdict.model_copy(update={"champion": None})
        )
        is champion
    )


def test_a_challenger_is_registered_with_its_verdict(project):
    champion, bundle = project.champion(), project.make_bundle(2)
    verdict = project.judge(bundle, champion, "reject")
    version = judging.register_challenger(
        project.store, "digits", bundle, verdict, project.make_facts("run-2")
    )
    assert version == "2"
    found = listing.find_registration(project.store, "digits", "2")
    assert (found.verdict.outcome, found.facts.run) == ("reject", "run-2")
    # The verdict counts as a look at its test samples.
    looks = listing.count_looks(project.store, "digits", "test", "another")
    assert looks == 1 + listing.count_looks(project.store, "digits", "other", "another")


def test_a_run_stands_for_the_version_that_it_made(store):
    def keep(run, **record):
        store.write_text(f"runs/{run}/run.json", json.dumps({"run": run} | record))

    keep("a-1", model="digits", version="7", status="completed")
    keep("a-2", model="digits", champion={"version": 4}, status="completed")
    keep("a-3", model="digits", status="failed")
    keep("a-4", model="housing", version="1")
    assert judging.find_version(store, "digits", "12") == "12"
    assert judging.find_version(store, "digits", "champion") == "champion"
    assert judging.find_version(store, "digits", "a-1") == "7"
    assert judging.find_version(store, "digits", "a-2") == "4"
    with pytest.raises(InputError, match="a-3 registered no version: it failed"):
        judging.find_version(store, "digits", "a-3")
    with pytest.raises(InputError, match="a-4 was of housing, not of digits"):
        judging.find_version(store, "digits", "a-4")


@pytest.mark.parametrize("outcome", ["promote", "keep", "unchanged"])
def test_judging_again_acts_on_the_verdict_unless_it_is_a_dry_run(
    project, monkeypatch, outcome
):
    version, _ = project.register(2, project.champion(), "keep")
    bundle = listing.find_registration(project.store, "digits", version).bundle
    verdict = project.judge(bundle, project.champion(), outcome)
    monkeypatch.setattr(judging, "judge_version", lambda *_: verdict)

    def again(dry):
        return judging.judge_again(project.store, None, version, None, None, dry, "we say so")

    assert again(True) == verdict
    assert project.champion().version == "1"
    before = listing.count_looks(project.store, "digits", "test", "another")
    assert again(False) == verdict
    assert project.champion().version == ("2" if outcome == "promote" else "1")
    after = listing.count_looks(project.store, "digits", "test", "another")
    # What was judged and acted on was looked at.
    assert after == before + (outcome != "unchanged")
    if outcome == "promote":
        assert listing.list_history(project.store, "digits")[0].why == "we say so"


def test_what_a_fit_took_is_known_of_a_version_whose_costs_were_measured(project):
    found = listing.find_registration(project.store, "digits", "1")
    assert judging._open_challenger(found).fit_cpu_seconds is None
    costs = Costs(
        latency_ms=1.0, latency_p95_ms=2.0, bytes=3, memory_mb=4.0, fit_cpu_seconds=5.0
    )
    measured = found.facts.model_copy(update={"costs": costs})
    asked = judging._open_challenger(found.model_copy(update={"facts": measured}))
    assert asked.fit_cpu_seconds == 5.0
    assert (asked.bundle, asked.test) == (found.bundle, found.facts.test)
