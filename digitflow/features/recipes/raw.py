"""Recipe `raw`: the pixels as they are, uint8 from 0 to 255, for a network over images."""

from typing import Any

from digitflow.features.recipes.pixels import RawPixels


def build_steps(seed: int) -> list[tuple[str, Any]]:
    """Return the recipe's one step; nothing in it is random."""
    return [("pixels", RawPixels())]
