"""Who is told of what: the example is off, and a wrong file is a clear error."""

from pathlib import Path

import pytest

from digitflow.config.reading import load_section
from digitflow.errors import InputError
from digitflow.service.notifications import Notifications, make_block
from digitflow.service.supervisor import NOTIFICATIONS

# Apprise's plugin for mail imports what Python 3.13 no longer has.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

EXAMPLE = Path(__file__).parents[3] / NOTIFICATIONS


def test_the_example_is_off_and_works_once_its_address_is_set(monkeypatch):
    example = load_section(EXAMPLE, Notifications)
    assert not example.enabled
    assert {event for message in example.messages for event in message.expect} == {
        "prefect.flow-run.Failed",
        "prefect.flow-run.Crashed",
        "digitflow.model.rejected",
    }
    monkeypatch.setenv("DIGITFLOW_NOTIFY_URL", "json://127.0.0.1:1")
    block = make_block(example.block, example.fields)
    assert block.url.get_secret_value() == "json://127.0.0.1:1"


def test_an_empty_file_tells_nobody(tmp_path):
    (tmp_path / "empty.yaml").write_text("")
    empty = load_section(tmp_path / "empty.yaml", Notifications)
    assert empty == Notifications(enabled=False)


@pytest.mark.parametrize(
    ("block", "fields", "words"),
    [
        ("pigeon", {}, "must be one of .*slack-webhook.*, got 'pigeon'"),
        ("slack-webhook", {}, "don't fit"),
        ("slack-webhook", {"url": "nonsense"}, "Apprise does not know the address"),
        ("slack-webhook", {"url": "${NOT_SET_ANYWHERE}"}, "NOT_SET_ANYWHERE, which is not set"),
        ("slack-webhook", {"url": "mailto://a:b$@c.de"}, r"written \$\$"),
    ],
)
def test_a_block_that_can_t_send_is_bad_input(block, fields, words):
    with pytest.raises(InputError, match=words):
        make_block(block, fields)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", r"wrong\.yaml is no valid YAML"),
        ("enabld: true", r"wrong\.yaml: enabld is not a key"),
        ("messages: [{name: x}]", r"wrong\.yaml: messages\.0\.expect is missing"),
    ],
)
def test_a_wrong_file_is_named_and_what_is_wrong_in_it(tmp_path, text, words):
    file = tmp_path / "wrong.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=words):
        load_section(file, Notifications)
