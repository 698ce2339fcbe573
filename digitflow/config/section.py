"""What every section of a config is made of."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of a config: frozen, and an unknown key is an error; built as `Record` is."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


def offer_choice(schema: dict[str, Any]) -> None:
    """Let Prefect's form offer a choice of forms, instead of a box for raw JSON."""
    # Prefect's form shows "any of" as a choice of forms, "one of" as a box for raw JSON.
    schema.pop("discriminator", None)
    choices = schema.pop("oneOf", None) or schema["anyOf"]
    # Where nothing is a choice too, the others are nested.
    schema["anyOf"] = [one for choice in choices for one in choice.get("oneOf", [choice])]
