"""After a night switched off the latest missed run of each deployment is made up for."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from real_service import call_api

from digitflow.service import repairs
from digitflow.service.environment import open_client
from digitflow.service.repairs import skip_missed_runs

NOW = datetime.now(UTC)
HOURS = 8


@pytest.fixture
def deployments(server):
    """Two deployments that should have run each hour; the second one was also asked to."""
    flow = call_api(server, "/flows/", {"name": f"slept-{uuid4()}"})["id"]
    schedule = {"schedule": {"interval": 3600, "anchor_date": NOW.isoformat()}}
    first, last = (NOW - timedelta(hours=hours) for hours in (HOURS + 0.5, 0.5))
    asked = {
        "start_time": first.isoformat(),
        "end_time": last.isoformat(),
        "min_runs": 50,
        "max_runs": 50,
    }
    found = []
    for name in ("hourly", "asked"):
        body = {"name": name, "flow_id": flow, "schedules": [schedule]}
        found.append(call_api(server, "/deployments/", body)["id"])
        call_api(server, f"/deployments/{found[-1]}/schedule", asked)
    due = {"type": "SCHEDULED", "state_details": {"scheduled_time": first.isoformat()}}
    call_api(server, f"/deployments/{found[-1]}/create_flow_run", {"state": due})
    yield found
    # Others look at what is deployed on this server.
    with open_client(server) as client:
        for one in found:
            client.delete_deployment(UUID(one))


def list_due(server, deployment, *states):
    """Return a deployment's runs that were due, the newest first."""
    filters = {
        "state": {"name": {"any_": states}},
        "expected_start_time": {"before_": NOW.isoformat()},
    }
    wanted = {"deployments": {"id": {"any_": [deployment]}}, "flow_runs": filters}
    return call_api(server, "/flow_runs/filter", wanted | {"sort": "EXPECTED_START_TIME_DESC"})


def skip(server):
    with open_client(server) as client:
        return skip_missed_runs(client, NOW)


@pytest.mark.parametrize("page", [3, 200])
def test_of_the_scheduled_runs_that_were_missed_only_the_latest_stays(
    server, deployments, monkeypatch, page
):
    monkeypatch.setattr(repairs, "PAGE", page)
    waiting = ("Scheduled", "Late")
    before = [list_due(server, one, *waiting) for one in deployments]
    assert [len(runs) for runs in before] == [HOURS, HOURS + 1]
    # Those of other tests' deployments, of which none is due, are not touched.
    assert skip(server) == 2 * (HOURS - 1)
    hourly, asked = (list_due(server, one, *waiting) for one in deployments)
    assert [run["id"] for run in hourly] == [before[0][0]["id"]]
    assert len(list_due(server, deployments[0], "Missed")) == HOURS - 1
    # What was asked for stays, however late it is.
    assert [run["auto_scheduled"] for run in asked] == [True, False]
    assert skip(server) == 0


def test_a_run_that_has_begun_and_waits_to_go_on_was_not_missed(server, deployments):
    _, *older = list_due(server, deployments[0], "Scheduled", "Late")
    state = {"type": "SCHEDULED", "name": "AwaitingRetry"}
    call_api(server, f"/flow_runs/{older[-1]['id']}/set_state", {"state": state, "force": True})
    skip(server)
    assert name_state(server, older[-1]["id"]) == "AwaitingRetry"
    assert name_state(server, older[0]["id"]) == "Missed"


def name_state(server, run):
    return call_api(server, f"/flow_runs/{run}")["state"]["name"]
