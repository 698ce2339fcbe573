"""Whose turn it is; threads that really wait."""

import threading
import time

import pytest

from digitflow.errors import ClusterError
from digitflow.workers.turns import Turns


def start_waiting(turns, places, taken, errors):
    """Start a thread a place, one after the other, once the one before waits."""
    threads = []
    for number, place in enumerate(places, start=1):

        def wait(place=place):
            try:
                turns.take(place)
                taken.append(place)
            except ClusterError as exc:
                errors.append(str(exc))

        threads.append(threading.Thread(target=wait))
        threads[-1].start()
        while len(turns.waiting) < number:
            time.sleep(0.001)
    return threads


def test_slots_that_come_later_go_to_the_lowest_place_first():
    turns, taken, errors = Turns(0), [], []
    threads = start_waiting(turns, (3, 1, 2), taken, errors)
    for slots in (1, 2, 3):
        turns.resize(slots)
        while len(taken) < slots:
            time.sleep(0.001)
    assert taken == [1, 2, 3]
    for thread in threads:
        thread.join()
    turns.give_back()
    assert turns.taken == 2


def test_who_waits_and_who_comes_later_is_told_that_there_will_be_no_slot():
    turns, taken, errors = Turns(0), [], []
    threads = start_waiting(turns, (1, 2), taken, errors)
    turns.refuse(ClusterError("gone"))
    turns.refuse(ClusterError("again"))
    for thread in threads:
        thread.join()
    assert errors == ["gone", "gone"]
    with pytest.raises(ClusterError, match="gone"):
        turns.take(0)
    assert (turns.taken, turns.waiting) == (0, set())
