"""What other flows are told of: the project's events on Prefect's bus."""

from typing import Any, Literal

from prefect.events import emit_event

Name = Literal[
    "digitflow.dataset.updated",
    "digitflow.drift.detected",
    "digitflow.model.promoted",
    "digitflow.model.rejected",
]


def announce(event: Name, model: str, **payload: Any) -> None:
    """Emit an event about a registered model; deployments in prefect.yaml wait for some.

    Parameters
    ----------
    **payload
        Plain JSON values.
    """
    resource = {
        "prefect.resource.id": f"digitflow.model.{model}",
        "prefect.resource.name": model,
    }
    emit_event(event=event, resource=resource, payload=payload)
