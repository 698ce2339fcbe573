"""Few rows take one thread of linear algebra; what was there before comes back."""

import threading

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from digitflow.models.threads import FEW_ROWS, use_one_thread


def count_threads():
    return {lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"}


@pytest.fixture(autouse=True)
def two_threads():
    with threadpool_limits(2, user_api="blas"):
        yield


def test_few_rows_take_one_thread():
    with use_one_thread(FEW_ROWS):
        assert count_threads() == {1}
    assert count_threads() == {2}


def test_many_rows_take_what_there_is():
    with use_one_thread(FEW_ROWS + 1):
        assert count_threads() == {2}


def test_an_error_gives_the_threads_back():
    with pytest.raises(KeyError), use_one_thread(1):
        raise KeyError
    assert count_threads() == {2}


def test_threads_that_ask_at_once_leave_what_was_there_whoever_ends_first():
    begun, leave = threading.Barrier(2), threading.Event()

    def stay():
        with use_one_thread(1):
            begun.wait(60)
            leave.wait(60)

    for _ in range(3):
        leave.clear()
        other = threading.Thread(target=stay)
        with use_one_thread(1):
            other.start()
            begun.wait(60)
            assert count_threads() == {1}
        leave.set()
        other.join()
        assert count_threads() == {2}
