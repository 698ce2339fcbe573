"""What `up` and `status` say of a service."""

import pytest

from digitflow.service.control import describe, describe_address, stop
from digitflow.service.environment import (
    STATE_FILE,
    ProcessMark,
    ServiceState,
    write_state,
)

STATE = ServiceState(
    phase="ready",
    url="http://127.0.0.1:1",
    processes={"supervisor": ProcessMark(pid=1, token="0" * 16)},
)


def test_a_shell_is_told_the_address_and_no_secret(monkeypatch):
    monkeypatch.delenv("PREFECT_SERVER_API_AUTH_STRING", raising=False)
    assert describe_address(STATE)[1:] == ["  export PREFECT_API_URL=http://127.0.0.1:1/api"]
    monkeypatch.setenv("PREFECT_SERVER_API_AUTH_STRING", "me:secret")
    *_, last = describe_address(STATE)
    assert last == '  export PREFECT_API_AUTH_STRING="$PREFECT_SERVER_API_AUTH_STRING"'


def test_a_state_whose_supervisor_is_gone_is_no_service(store):
    assert describe(store) == []
    write_state(store, STATE)
    assert describe(store) == []


@pytest.mark.parametrize("text", ['{"phase": "ready", "processes": {}}', "{", "[]"])
def test_a_state_that_names_no_process_is_no_service(store, text):
    store.write_text(STATE_FILE, text)
    assert describe(store) == []
    said = []
    stop(store, said.append)
    assert said == ["The service is not running: nothing to stop."]
