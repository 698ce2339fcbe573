"""Studies as a user makes them: a command against a real server, and a kill in between."""

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from real_service import call_api

from digitflow.store.runs import list_runs, read_events, summarise_tasks

ROOT = Path(__file__).parents[2]
SMALL = ("--train-size", 300)
CONFIG = ("--config", "config.yaml")


@pytest.fixture(scope="module")
def studied_once(tmp_path_factory, make_project):
    """A project in which two sections were studied."""
    project = make_project(tmp_path_factory.mktemp("studied"))
    project.run("study", "explore", "detector", "--config", "config.yaml", *SMALL, fresh=True)
    return project


def _list_states(project, run=0):
    name = list_runs(project.store)[run]["run"]
    summary = summarise_tasks(read_events(project.store, name))
    return {task: facts["state"] for task, facts in summary.items() if "key" in facts}


def test_a_study_leaves_one_report_its_tables_and_a_record(studied_once):
    record = list_runs(studied_once.store)[0]
    assert record["status"] == "completed"
    assert [section["section"] for section in record["sections"]] == ["explore", "detector"]
    assert all(section["findings"] for section in record["sections"])
    folder = studied_once.store.root / "reports" / record["run"]
    assert (studied_once.store.root / "reports/latest-study").resolve() == folder.resolve()
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") >= 6
    tables = list(folder.glob("*/*.csv"))
    assert len(tables) >= 6
    for table in tables:
        rows = list(csv.reader(table.read_text(encoding="utf-8").splitlines()))
        assert len({len(row) for row in rows}) == 1
        assert f"{table.parent.name}/{table.name}" in page


def test_a_study_made_again_computes_nothing(studied_once):
    said = studied_once.run("study", "explore", "detector", "--config", "config.yaml", *SMALL)
    assert set(_list_states(studied_once).values()) == {"cached"}
    assert "explore" in said
    assert "report" in said


def test_a_section_is_an_artifact_of_the_run(studied_once):
    wanted = {"artifacts": {"key": {"like_": "study-"}}, "limit": 50}
    found = call_api(studied_once.server, "/artifacts/latest/filter", wanted)
    shown = {artifact["key"]: artifact["data"] for artifact in found}
    assert {"study-digits-sample-explore", "study-digits-sample-detector"} <= shown.keys()
    assert "data:image/png;base64," in shown["study-digits-sample-detector"]


def test_its_flow_run_says_what_it_did_and_links_the_report(studied_once):
    record = list_runs(studied_once.store)[0]
    flow_run = call_api(studied_once.server, f"/flow_runs/{record['flow_run_id']}")
    assert flow_run["name"] == f"{record['run']} 2 sections"
    assert {"digitflow", "digits-sample"} <= set(flow_run["tags"])
    of_run = {"flow_runs": {"id": {"any_": [flow_run["id"]]}}}
    found = call_api(studied_once.server, "/artifacts/filter", of_run)
    (link,) = [one["data"] for one in found if one["key"] == "study-report-digits-sample"]
    assert f"{record['run']}/index.html" in link


def test_another_size_is_another_study_and_both_are_explained(studied_once):
    studied_once.run("study", "explore", "--config", "config.yaml", "--train-size", 200)
    states = _list_states(studied_once)
    assert states["validate"] == "cached"
    assert states["choose digits"] == "computed"
    explained = json.loads(studied_once.run("why", "--json"))
    reasons = {task["task"]: task["reasons"] for task in explained["tasks"]}
    assert any("size" in reason for reason in reasons["choose digits"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("study", "detektor"), "no section detektor; known: explore, detector"),
        (("study", "--train-size", 100_000), "there are 1,4"),
        (("study", "explore", "--train-size", 12), "images of each digit"),
        (("study", "--config", "nowhere.yaml"), "nowhere.yaml"),
    ],
)
def test_bad_input_is_one_clear_line(empty_project, arguments, said):
    empty_project.run(*arguments, *() if "--config" in arguments else CONFIG, code=2)
    assert said in empty_project.errors
    assert "Traceback" not in empty_project.errors


def test_a_killed_study_goes_on_from_what_was_finished(empty_project):
    arguments = ("study", "detector", *CONFIG, *SMALL)
    process = empty_project.start(*arguments)
    finished = _wait_for_experiments(empty_project, process, 4)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    empty_project.run(*arguments)
    states = _list_states(empty_project)
    # Two may have been computed and not yet written down when the kill came.
    assert sum(states[task] == "cached" for task in finished) >= 2
    assert any(state == "computed" for state in states.values())


def test_the_same_command_studies_a_table(empty_project):
    housing = str(ROOT / "configs/housing.yaml")
    said = empty_project.run("study", "split", "--config", housing, "--train-size", 300)
    assert "0 of the 4,500 earlier ones change sides by hash" in " ".join(said.split())
    record = list_runs(empty_project.store)[0]
    assert [section["section"] for section in record["sections"]] == ["split"]
    assert record["published"]["of"] == 0
    folder = empty_project.store.root / "reports" / record["run"]
    assert "The rows are generated" in (folder / "results.md").read_text(encoding="utf-8")
    empty_project.run("study", "detector", "--config", housing, code=2)
    assert "no section detector; known: explore, split, models" in empty_project.errors


def _wait_for_experiments(project, process, count):
    """Wait until some experiments are computed and others are not; return their names."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        for run in list_runs(project.store):
            events = read_events(project.store, run["run"])
            done = {e["task"] for e in events if e["event"] == "computed" and ": " in e["task"]}
            if len(done) >= count:
                return done
        time.sleep(0.02)
    pytest.fail(f"fewer than {count} experiments were seen: {process.communicate()}")
    return set()


FAILING = """
from prefect import flow

from digitflow.registry.training import resolve_studied
from digitflow.studies.digits.data import plan_features
from flows.run import run_job
from flows.study import prepare_study, study_section


def study_broken(run, settings):
    _, data, scope = prepare_study(settings)
    good = plan_features("pixels")
    params = {"recipe": "pixel", "split": "own"}
    broken = good.model_copy(update={"name": "broken", "params": params})
    after = good.model_copy(update={"name": "after", "needs": ("broken",)})
    facts = study_section(run, "explore", (broken, after, good), scope, data)
    print(facts.model_dump_json())


@flow(flow_run_name="failing")
def fail(config: str):
    settings = resolve_studied(config)
    run_job(lambda run: study_broken(run, settings), settings, "study", 1)


fail("config.yaml")
"""


def test_an_experiment_that_fails_is_named_and_the_others_go_on(empty_project):
    empty_project.start("--help").communicate()  # writes the project's config
    done = subprocess.run(
        [sys.executable, "-c", FAILING],
        cwd=empty_project.folder,
        env=empty_project.environment(PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout.strip().splitlines()[-1])
    (error,) = facts["errors"]
    assert error.startswith("broken: there is no recipe 'pixel'")
    assert facts["chapter"] is None
    events = read_events(empty_project.store, "failing")
    computed = {event["task"] for event in events if event["event"] == "computed"}
    assert "explore: features pixels" in computed
