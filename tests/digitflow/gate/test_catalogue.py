import pytest

from digitflow.config.gate import CHECKS, GateLimits
from digitflow.errors import InputError
from digitflow.gate.catalogue import check_module, list_checks, run_check


def test_the_checks_of_the_config_are_those_that_there_are():
    assert list_checks() == sorted(CHECKS)


def test_a_check_is_found_by_its_name(make_evidence):
    assert check_module("floor") == "digitflow.gate.checks.floor"
    (check,) = run_check("floor", make_evidence(), GateLimits(), seed=1)
    assert check.id == "floor.min_accuracy"


@pytest.mark.parametrize("name", ["check", "cheaper", "fair"])
def test_an_unknown_check_is_an_error_that_lists_the_known_ones(name):
    with pytest.raises(InputError, match="better, budgets, calibration, floor"):
        check_module(name)
