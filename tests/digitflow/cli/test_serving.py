"""Where the app listens, and who may reach it there."""

import pytest
from typer.testing import CliRunner

from digitflow.cli.main import app
from digitflow.cli.serving import PASSWORD_VARIABLE, list_options


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "a-name"])
def test_other_machines_reach_the_app_by_a_password_alone(host, monkeypatch):
    monkeypatch.delenv(PASSWORD_VARIABLE, raising=False)
    result = CliRunner().invoke(app, ["app", "--host", host])
    assert result.exit_code != 0
    assert f"--host {host}" in str(result.exception)
    assert PASSWORD_VARIABLE in str(result.exception)


def test_the_app_is_this_machines_own_unless_asked():
    assert "--server.address=127.0.0.1" in list_options(8501)


def test_a_browser_is_sent_to_the_address_that_the_app_has():
    assert "--browser.serverAddress=192.168.0.7" in list_options(8501, host="192.168.0.7")
    assert "--browser.serverAddress=127.0.0.1" in list_options(8501, host="0.0.0.0")
