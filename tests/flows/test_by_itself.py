"""Nobody has to think of retraining: real events, a real server, a real worker.

A writer whose sevens the champion misreads corrects them; what follows happens by itself.
"""

import os
from datetime import UTC, datetime
from unittest.mock import patch

import httpx
import numpy as np
import pytest
from real_service import wait_for

from digitflow.feedback.corrections import add_corrections, choose_role
from digitflow.feedback.learning import count_new, list_training_events
from digitflow.feedback.predictions import PredictionLog
from digitflow.images.frame import digest_image
from digitflow.monitoring.window import list_reports
from digitflow.predict.predictor import Predictor
from digitflow.registry.listing import list_history, list_versions
from digitflow.registry.training import resolve_config
from digitflow.store.files import ARTIFACTS_VARIABLE
from flows.retrain import find_refusal, list_begun

pytestmark = pytest.mark.slow

MODEL = "digits-sample"
CORRECTED = 60


@pytest.fixture(scope="module")
def trained(service):
    """The service, once it has a champion."""
    run = service.finish(service.start_run())
    assert run["state"]["type"] == "COMPLETED", run["state"]["message"]
    return service


@pytest.fixture(scope="module")
def sevens(handwriting):
    """Sevens as one writer draws them, mirrored: no other hand does."""
    images = handwriting.images[handwriting.labels == 7]
    return np.ascontiguousarray(images[:, :, ::-1])


def read(store, images):
    """Read images with the champion, and keep what was read, as `digitflow predict` does."""
    with PredictionLog(store) as log:
        found = Predictor.load(store, MODEL, log).predict(images)
    return np.array([prediction.digit for prediction in found])


def test_the_api_is_closed_without_the_password(service, monkeypatch):
    monkeypatch.delenv("PREFECT_SERVER_API_AUTH_STRING")
    with pytest.raises(httpx.HTTPStatusError, match="401"):
        service.api("/deployments/filter", {})


def test_every_deployment_is_there_and_its_schedule_would_fire_when_it_says(service):
    found = {one["name"]: one for one in service.api("/deployments/filter", {})}
    assert set(found) == {
        "train-digits",
        "train-digits-nightly",
        "train-housing",
        "train-housing-monthly",
        "retrain-on-new-data",
        "retrain-on-drift",
        "monitor-digits",
        "watch-inbox",
        "study-digits",
        "study-digits-weekly",
        "study-housing",
        "gc-weekly",
        "answer-for-nobody",
        "judge-digits",
    }
    crons = {
        name: schedule["schedule"]["cron"]
        for name, one in found.items()
        for schedule in one["schedules"]
        if schedule["active"]
    }
    assert crons == {
        "train-digits-nightly": "0 2 * * *",
        "train-housing-monthly": "0 3 1 * *",
        "monitor-digits": "0 * * * *",
        "watch-inbox": "*/5 * * * *",
        "study-digits-weekly": "0 4 * * 0",
        "gc-weekly": "0 6 * * 0",
    }
    for name in crons:
        run = wait_for(lambda name=name: list_scheduled(service, name), seconds=180)[0]
        when = datetime.fromisoformat(run["expected_start_time"])
        minute, hour, day, _, weekday = crons[name].split()
        assert hour in ("*", str(when.hour))
        assert day in ("*", str(when.day))
        assert weekday in ("*", str(when.isoweekday() % 7))
        assert when.minute % 5 == 0 if minute == "*/5" else when.minute == int(minute)


def list_scheduled(service, name):
    wanted = {
        "deployments": {"name": {"any_": [name]}},
        "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}},
        "sort": "EXPECTED_START_TIME_ASC",
    }
    return service.api("/flow_runs/filter", wanted)


def test_one_training_at_a_time_whichever_deployment_it_is_of(service):
    queue = service.api("/work_pools/local/queues/training")
    assert queue["concurrency_limit"] == 1
    found = service.api("/deployments/filter", {})
    queued = {one["name"] for one in found if one["work_queue_name"] == "training"}
    assert queued == {
        "train-digits",
        "train-digits-nightly",
        "train-housing",
        "train-housing-monthly",
        "retrain-on-new-data",
        "retrain-on-drift",
    }


def test_a_champion_learns_the_sevens_of_a_writer_who_corrects_it(trained, sevens):
    store = trained.store
    said = read(store, sevens[:120])
    misread = sevens[:120][said != 7]
    assert len(misread) >= CORRECTED
    before = list_versions(store, MODEL)[0].score
    corrected = list(misread[:CORRECTED])
    assert add_corrections(store, corrected, [7] * CORRECTED, "writer@test", "a test") == 60

    # The watcher would come within five minutes by itself.
    watched = trained.finish(trained.start_run("watch-inbox/watch-inbox"))
    assert "a retraining is due" in watched["state"]["message"]
    (run,) = wait_for(lambda: trained.list_runs("retrain-on-new-data"), seconds=60)
    assert trained.finish(run["id"])["state"]["type"] == "COMPLETED"

    entry = list_history(store, MODEL)[0]
    assert (entry.kind, entry.version) == ("promote", "2")
    after = {one.version: one.score for one in list_versions(store, MODEL)}["2"]
    assert after.value >= before.value - 4 / before.n
    # It reads what it learnt from, what judged it, and what nobody showed it.
    judging = [image for image in corrected if choose_role(digest_image(image)) == "gate"]
    assert judging
    assert (read(store, np.stack(judging)) == 7).mean() > 0.8
    assert (read(store, sevens[120:]) == 7).mean() > 0.8
    assert {event.reason for event in list_training_events(store, MODEL)} == {
        "announced",
        "trained",
    }


def _show_monitor():
    from digitflow.app.pages.monitor import show

    show()


def test_an_administrator_starts_a_run_in_the_app_and_watches_it(
    trained, handwriting, monkeypatch
):
    testing = pytest.importorskip("streamlit.testing.v1")
    monkeypatch.setattr("sys.argv", ["run.py", "--admin"])
    read(trained.store, handwriting.images[:200])
    with patch.dict(os.environ, {ARTIFACTS_VARIABLE: str(trained.store.root)}):
        os.environ.pop("PREFECT_API_URL", None)
        page = testing.AppTest.from_function(_show_monitor, default_timeout=60).run()
        assert not page.button  # nobody has given the password
        page.session_state["admin"] = True
        page.run()
        page.selectbox(key="monitor-deployment").select("monitor-digits").run()
        page.button(key="monitor-start").click().run()
        assert not page.exception
        (run,) = [
            one for one in trained.list_runs("monitor-digits") if not one["auto_scheduled"]
        ]
        calm = trained.finish(run["id"])
        page.run()
    assert calm["state"]["message"].startswith("no drift"), calm["state"]
    (progress,) = page.get("progress")
    assert "Completed" in progress.proto.text
    links = page.dataframe[0].value["in Prefect"]
    assert f"http://127.0.0.1:{trained.port}/runs/flow-run/{run['id']}" in set(links)


def test_drift_is_seen_and_without_anything_new_nothing_is_trained(trained, handwriting):
    store = trained.store
    digits = handwriting.images
    # Thicker pens than anything that was learnt from.
    thick = np.maximum(digits, np.maximum(np.roll(digits, 1, 2), np.roll(digits, 1, 1)))
    read(store, np.maximum(thick, np.roll(thick, 1, 2))[:200])
    alarmed = trained.finish(trained.start_run("monitor-digits/monitor-digits"))
    assert alarmed["state"]["message"].startswith("drift: ")
    assert list_reports(store, MODEL)[0].drifted
    page = store.root / "reports" / f"monitoring-{MODEL}" / "index.html"
    assert "What comes in has changed" in page.read_text()

    shown = trained.api("/artifacts/filter", {"flow_runs": {"id": {"any_": [alarmed["id"]]}}})
    assert {f"{name}-{MODEL}" for name in ("drift", "monitor-pictures", "monitoring")} <= {
        artifact["key"] for artifact in shown
    }
    versions = len(list_versions(store, MODEL))
    (run,) = wait_for(lambda: trained.list_runs("retrain-on-drift"), seconds=60)
    ended = trained.finish(run["id"])
    assert ended["state"]["name"] == "NothingTrained"
    assert "no corrections" in ended["state"]["message"]
    assert len(list_versions(store, MODEL)) == versions


def test_drift_with_something_new_is_learnt_from_and_the_next_alarm_waits(trained, sevens):
    store, name = trained.store, "retrain-on-drift/retrain-on-drift"
    add_corrections(store, list(sevens[120:130]), [7] * 10, "writer@test", "a test")
    ended = trained.finish(trained.start_run(name))
    assert ended["state"]["message"].startswith("trained with the corrections so far: ")
    assert [event.reason for event in list_training_events(store, MODEL)][-2:] == [
        "drift",
        "trained",
    ]
    add_corrections(store, list(sevens[130:140]), [7] * 10, "writer@test", "a test")
    # What the next alarm's run would ask first, of what this one left behind.
    settings, begun = resolve_config(str(trained.config)), list_begun(store, MODEL)
    assert list(begun) == [ended["name"].partition(" ")[0]]
    assert "cool_down_hours" in find_refusal(store, settings, datetime.now(UTC), begun)


def test_pictures_in_the_inbox_become_corrections_and_nothing_is_lost(trained, sevens):
    import cv2

    inbox = trained.project / "inbox"
    (inbox / "7").mkdir()
    cv2.imwrite(str(inbox / "7" / "one.png"), np.kron(sevens[150], np.ones((4, 4), np.uint8)))
    (inbox / "7" / "broken.png").write_text("no picture")
    ended = trained.finish(trained.start_run("watch-inbox/watch-inbox"))
    said = ended["state"]["message"]
    assert said.startswith("1 new pictures, 1 refused (")
    # What was learnt is learnt: of the eleven since the last training some judge.
    new, _ = count_new(trained.store, MODEL)
    assert 0 < new <= 11
    assert f"; {new} corrections to learn from" in said
    assert (inbox / "taken" / "7" / "one.png").is_file()
    assert "no picture" in (inbox / "refused" / "7" / "broken.png").read_text()
    assert (inbox / "refused" / "7" / "broken.png.why.txt").read_text()
    assert not list((inbox / "7").iterdir())
