"""What several pages draw: pictures, probabilities, and what people's text becomes."""

import re

import numpy as np

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~$:])")


def to_markdown(text: str) -> str:
    """Return text that Streamlit shows as it is: no link, no picture, no HTML.

    What stands between backticks is code, as in our errors.
    """
    parts = text.split("`")
    if len(parts) % 2 == 0:
        parts[-2:] = ["`".join(parts[-2:])]
    shown = [
        f"`{part}`" if place % 2 and part.strip() else _SPECIAL.sub(r"\\\1", part)
        for place, part in enumerate(parts)
    ]
    return "".join(shown).replace("\n", "  \n")


def enlarge(image: np.ndarray, side: int = 168) -> np.ndarray:
    """Return a small image with each pixel as a square, dark ink on white: as reports do.

    Parameters
    ----------
    image : ndarray of shape (height, width), uint8
        Bright ink on 0.
    side : int
        Of the result, at least, in pixels.
    """
    times = max(1, side // max(image.shape))
    return np.kron(255 - image, np.ones((times, times), np.uint8))
