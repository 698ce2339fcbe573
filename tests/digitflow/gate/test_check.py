import math

import pytest

from digitflow.gate.check import Check


def make(verdict, **more):
    return Check(id="some.check", slice="test", verdict=verdict, detail="because", **more)


@pytest.mark.parametrize(
    ("verdict", "stops"),
    [("pass", False), ("warn", False), ("fail", True), ("insufficient", True), ("error", True)],
)
def test_what_fails_or_is_not_known_stops_a_promotion(verdict, stops):
    assert make(verdict).stops is stops
    assert make(verdict).passed is (verdict == "pass")


def test_a_check_that_does_not_block_stops_by_an_error_only():
    assert not make("fail", blocks=False).stops
    assert not make("insufficient", blocks=False).stops
    assert make("error", blocks=False).stops


def test_a_check_survives_being_written_and_read():
    check = make("error", challenger=math.nan, interval=(math.nan, math.inf))
    again = Check.model_validate_json(check.model_dump_json())
    assert again.model_dump_json() == check.model_dump_json()
    assert math.isnan(again.challenger)
