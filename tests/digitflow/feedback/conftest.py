"""Feedback on SQLite, and the same on a PostgreSQL server where there is one."""

import numpy as np
import pytest


@pytest.fixture
def store(any_database):
    """A store whose feedback is on SQLite, then one whose feedback is on PostgreSQL."""
    return any_database


@pytest.fixture
def images():
    """Sixty different images."""
    return np.random.default_rng(0).integers(0, 256, (60, 28, 28), np.uint8)
