"""A registered version is judged again by hand, on real models and a real registry."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from digitflow.registry.champion import read_champion
from digitflow.registry.history import list_judgements
from digitflow.registry.listing import list_history
from digitflow.registry.promotion import record_score
from digitflow.store.runs import list_runs

MODEL = "digits-sample"
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def refused(copy_project, refused_once, tmp_path_factory):
    """A project with a better challenger that an impossible floor kept out."""
    return copy_project(refused_once, tmp_path_factory.mktemp("refused"))


def test_a_dry_run_explains_each_check_and_changes_nothing(refused):
    before = list_history(refused.store, MODEL), list_judgements(refused.store, MODEL)
    output = refused.run("gate", "--dry-run", "challenger", fresh=True)
    for expected in ("min_accuracy", "superior", "class 4", "verdict   keep"):
        assert expected in output
    after = list_history(refused.store, MODEL), list_judgements(refused.store, MODEL)
    assert after == before
    assert read_champion(refused.store, MODEL).version == "1"


def test_against_another_version_it_is_always_dry(refused):
    arguments = ("gate", "1", "--against", "challenger", "--json")
    verdict = json.loads(refused.run(*arguments))
    assert verdict["outcome"] == "keep"
    assert verdict["comparison"]["champion_version"] == "2"
    wins = {check["id"]: check for check in verdict["checks"]}["better.superior"]
    assert wins["delta"] < 0


def test_what_a_limit_kept_out_is_promoted_once_the_limit_has_changed(refused):
    store = refused.store
    (refused.folder / "lenient.yaml").write_text(
        yaml.safe_dump({"gate": {"floor": {"min_accuracy": 0.9}}})
    )
    why = "the floor was a typing error"
    output = refused.run("gate", "challenger", "--config", "lenient.yaml", "--why", why)
    assert "verdict   promote" in output
    assert read_champion(store, MODEL).version == "2"
    assert list_history(store, MODEL)[0].why == why
    assert list_judgements(store, MODEL)[0].outcome == "promote"
    again = refused.run("gate", "--dry-run", "challenger")
    assert "unchanged: this is the champion" in again


def test_a_champion_that_was_judged_on_other_images_since_is_not_replaced(refused):
    champion = read_champion(refused.store, MODEL)
    newer = champion.score.model_copy(update={"test_digest": "other-images"})
    record_score(refused.store, champion, newer)
    refused.run("gate", "1", code=2)
    assert "other-images" in refused.errors
    assert read_champion(refused.store, MODEL).version == champion.version
    assert "verdict" in refused.run("gate", "--dry-run", "1")


def test_a_version_that_is_not_there_is_said_so(refused):
    refused.run("gate", "--dry-run", "99", code=2)
    assert "99" in refused.errors
    refused.run("gate", "--dry-run", "digits-sample-2026-no-such-run", code=2)
    assert "no-such-run" in refused.errors


JUDGE = """
from flows.judge import judge_model

judge_model("config.yaml", "challenger", return_state=True)
"""


def test_a_worker_judges_a_version_as_the_command_does(refused):
    (refused.folder / "config.yaml").write_text(yaml.safe_dump(refused.config))
    by_command = json.loads(
        refused.run("gate", "--dry-run", "challenger", "--config", "config.yaml", "--json")
    )
    before = list_judgements(refused.store, MODEL)
    done = subprocess.run(
        [sys.executable, "-c", JUDGE],
        cwd=refused.folder,
        env=refused.environment(PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    record = list_runs(refused.store)[0]
    assert (record["job"], record["status"]) == ("judge", "completed")
    assert record["found"] == f"{by_command['outcome']}: {by_command['reason']}"
    assert list_judgements(refused.store, MODEL) == before
