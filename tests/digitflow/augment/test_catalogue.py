"""Backends are found by the name of their module."""

import pytest

from digitflow.augment.catalogue import augmentation_module, list_backends
from digitflow.errors import InputError


def test_a_backend_is_a_module_of_its_name():
    assert augmentation_module("shift") == "digitflow.augment.backends.shift"
    assert "shift" in list_backends()


@pytest.mark.parametrize("name", ["rotate", "catalogue", "", "shift.shift", "../shift"])
def test_an_unknown_backend_lists_the_known_ones(name):
    with pytest.raises(InputError, match=r"known: .*shift"):
        augmentation_module(name)
