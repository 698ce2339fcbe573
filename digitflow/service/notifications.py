"""`python -m digitflow.service.notifications FILE`: tell people of failures and rejections.

The file is the truth: automations of ours that it doesn't ask for are removed.
"""

import inspect
import os
import sys
from abc import ABC
from pathlib import Path
from string import Template
from typing import Any

import typer
from prefect import get_client
from prefect.blocks import notifications
from prefect.blocks.abstract import NotificationBlock
from prefect.events.actions import SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from pydantic import Field, ValidationError

from digitflow.config.data import Section
from digitflow.config.reading import load_section
from digitflow.errors import DigitflowError, InputError, list_some

TAG = "digitflow-notifications"
BLOCK = "digitflow"


class Message(Section):
    """What is told of which events; subject and body are Prefect's templates."""

    name: str
    expect: set[str]
    match_related: dict[str, Any] = Field(default_factory=dict)
    subject: str
    body: str


class Notifications(Section):
    """The file: which block sends which messages, and whether at all."""

    enabled: bool = False
    block: str = "slack-webhook"
    fields: dict[str, Any] = Field(default_factory=dict)
    messages: tuple[Message, ...] = ()


def main(file: Path) -> None:
    """Bring the server's automations in line with a file; bad input is one message."""
    try:
        apply_notifications(load_section(file, Notifications))
    except DigitflowError as exc:
        typer.echo(str(exc), err=True)
        sys.exit(exc.exit_code)


def apply_notifications(wanted: Notifications) -> None:
    """Make the server's automations those that are wanted, and no others of ours.

    Raises
    ------
    InputError
        If there is no such block, or its fields are wrong.
    """
    block = make_block(wanted.block, wanted.fields) if wanted.enabled else None
    with get_client(sync_client=True) as client:
        for automation in client.read_automations():
            if TAG in automation.tags:
                client.delete_automation(automation.id)
        if block is None:
            return
        block_id = block.save(BLOCK, overwrite=True)
        for message in wanted.messages:
            client.create_automation(describe_automation(message, block_id))


def make_block(slug: str, fields: dict[str, Any]) -> NotificationBlock:
    """Return a notification block of Prefect, known by the slug of its type.

    Raises
    ------
    InputError
        If there is none, if its fields are wrong, or if Apprise doesn't know the address.
    """
    kinds = {
        kind.get_block_type_slug(): kind
        for _, kind in inspect.getmembers(notifications, inspect.isclass)
        if issubclass(kind, NotificationBlock) and ABC not in kind.__bases__
    }
    if slug not in kinds:
        raise InputError(f"block must be one of {list_some(sorted(kinds), 20)}, got {slug!r}")
    filled = {name: fill_in(name, value) for name, value in fields.items()}
    try:
        block = kinds[slug](**filled)
    except (ValidationError, ValueError, TypeError) as exc:
        raise InputError(f"the fields of the block {slug} don't fit: {exc}") from exc
    # Apprise takes an address that it doesn't know without a word, and sends nothing.
    if not getattr(block, "_apprise_client", True):
        raise InputError(
            f"Apprise does not know the address in the fields of {slug}; it must begin with "
            "one of its schemas, such as mailto://, json:// or https://hooks.slack.com/"
        )
    return block


def fill_in(name: str, value: Any) -> Any:
    """Put environment variables in the place of ${NAME}."""
    if not isinstance(value, str):
        return value
    try:
        return Template(value).substitute(os.environ)
    except KeyError as exc:
        raise InputError(
            f"the field {name} needs the environment variable {exc.args[0]}, which is not set; "
            "set it before `digitflow up`"
        ) from exc
    except ValueError as exc:
        raise InputError(f"the field {name}: a dollar sign alone is written $$") from exc


def describe_automation(message: Message, block_id: Any) -> AutomationCore:
    """Return the automation that tells a message."""
    return AutomationCore(
        name=f"digitflow: {message.name}",
        tags=[TAG],
        trigger=EventTrigger(
            posture=Posture.Reactive,
            expect=message.expect,
            match_related=message.match_related,
            threshold=1,
        ),
        actions=[
            SendNotification(
                block_document_id=block_id, subject=message.subject, body=message.body
            )
        ],
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
