"""Digits for the tests of the data layer."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from digitflow.config import MnistSource
from digitflow.data.digits import Digits
from digitflow.data.sources import mnist as mnist_source


@pytest.fixture(scope="session")
def mnist(mnist_folder: Path) -> Digits:
    """All of MNIST, with writers."""
    return mnist_source.load(MnistSource(folder=mnist_folder))


@pytest.fixture(scope="session")
def draw_digit() -> Callable[..., np.ndarray]:
    """Draw a digit as a gray picture: draw_digit("3", side=100, ink=0, ground=255)."""

    def draw(text: str, side: int = 100, ink: int = 255, ground: int = 0) -> np.ndarray:
        picture = np.full((side, side), ground, np.uint8)
        size, thickness = side / 36, max(1, side // 14)
        cv2.putText(
            picture, text, (side // 4, side * 3 // 4), 0, size, ink, thickness, cv2.LINE_AA
        )
        return picture

    return draw
