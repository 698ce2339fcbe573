import os
from pathlib import Path

import pytest

from digitflow.service.environment import (
    STATE_FILE,
    ProcessMark,
    ServiceState,
    find_running_server,
    prefect_environment,
    read_state,
    use_prefect_environment,
    write_state,
)

ROOT = Path("/somewhere/artifacts")
STATE = ServiceState(
    phase="ready",
    url="http://127.0.0.1:1",
    processes={"supervisor": ProcessMark(pid=1, started=0.0)},
)


@pytest.fixture
def own_environment(monkeypatch):
    """Whatever the test sets in this process's environment goes again."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
    for name in [name for name in os.environ if name.startswith("PREFECT")]:
        del os.environ[name]


def test_nothing_leaves_the_machine_and_everything_lies_in_the_store():
    ours = prefect_environment(ROOT, {})
    assert ours["DO_NOT_TRACK"] == "1"
    assert ours["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert ours["PREFECT_SERVER_API_HOST"] == "127.0.0.1"
    assert ours["PREFECT_HOME"] == "/somewhere/artifacts/prefect"
    assert ours["PREFECT_RESULTS_LOCAL_STORAGE_PATH"] == "/somewhere/artifacts/results"


def test_the_server_forgets_old_runs_not_only_old_events(own_environment):
    from prefect.settings.models.server.services import ServerServicesDBVacuumSettings

    os.environ |= prefect_environment(ROOT, {})
    assert {"events", "flow_runs"} <= ServerServicesDBVacuumSettings().enabled_vacuum_types


def test_what_the_user_has_set_stays():
    theirs = {"PREFECT_HOME": "/theirs", "PREFECT_WORKER_QUERY_SECONDS": "30"}
    assert not prefect_environment(ROOT, theirs).keys() & theirs.keys()


def test_the_store_is_named_by_its_absolute_path_even_where_the_user_named_it():
    ours = prefect_environment(ROOT, {"DIGITFLOW_ARTIFACTS": "artifacts"})
    assert ours["DIGITFLOW_ARTIFACTS"] == "/somewhere/artifacts"


def test_a_password_of_the_server_is_the_clients_too():
    ours = prefect_environment(ROOT, {"PREFECT_SERVER_API_AUTH_STRING": "me:secret"})
    assert ours["PREFECT_API_AUTH_STRING"] == "me:secret"


def test_only_a_quiet_environment_keeps_the_console_free():
    quiet, loud = (prefect_environment(ROOT, {}, quiet) for quiet in (True, False))
    assert quiet.keys() - loud.keys() == {"PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"}


def test_every_variable_of_prefect_is_one_that_it_knows():
    from prefect.settings import get_current_settings

    known = get_current_settings().to_environment_variables(include_aliases=True).keys()
    ours = {name for name in prefect_environment(ROOT, {}) if name.startswith("PREFECT")}
    # An item of its logging.yml, which any variable of this form overrides.
    assert ours - known == {"PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"}


def test_a_state_is_read_as_it_was_written(store):
    write_state(store, STATE)
    assert read_state(store) == STATE


@pytest.mark.parametrize("text", ["", "{", "{}", '{"phase": 1}'])
def test_a_damaged_state_counts_as_none(store, text):
    store.write_text(STATE_FILE, text)
    assert read_state(store) is None


def test_a_state_from_before_a_reboot_is_no_running_server(store, own_environment):
    write_state(store, STATE)
    use_prefect_environment(store)
    assert find_running_server(store) is None
    assert "PREFECT_API_URL" not in os.environ


def test_an_address_that_the_user_set_is_used(store, own_environment):
    os.environ["PREFECT_API_URL"] = "http://127.0.0.1:2/api"
    use_prefect_environment(store)
    assert os.environ["PREFECT_API_URL"] == "http://127.0.0.1:2/api"
    assert os.environ["PREFECT_HOME"] == str(store.root / "prefect")
