"""Fixtures that tests of several parts use."""

import os
from pathlib import Path

import pytest

from digitflow.artifacts import Store

MNIST_FOLDER = Path(__file__).parents[1] / "../shared/data/mnist"


@pytest.fixture(scope="session")
def mnist_folder() -> Path:
    """The folder of MNIST's IDX files; the test is skipped where there is none."""
    folder = Path(os.environ.get("DIGITFLOW_MNIST_DIR") or MNIST_FOLDER).resolve()
    if not folder.is_dir():
        pytest.skip(f"MNIST's IDX files are not in {folder}; DIGITFLOW_MNIST_DIR names another")
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store of the test's own."""
    return Store(tmp_path / "artifacts")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs MNIST, so that `-m "not mnist"` leaves it out."""
    for item in items:
        if "mnist_folder" in getattr(item, "fixturenames", ()):
            item.add_marker("mnist")
