"""How many threads linear algebra takes for the few rows that somebody waits for."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

FEW_ROWS = 256
"""So many images take a thread 50 ms."""


@contextmanager
def use_one_thread(rows: int) -> Iterator[None]:
    """Compute with one thread of linear algebra if there are few rows.

    Threads that share so little wait for each other actively, longer than they compute: where
    other work has the cores, as a training does, one picture took ten times as long with two
    threads as with one. The number belongs to the whole process; where several threads ask
    for it at once, threadpoolctl lets the first one set it and set it back.

    Parameters
    ----------
    rows : int
        Of more than `FEW_ROWS` the libraries choose their threads themselves.
    """
    if rows > FEW_ROWS:
        yield
        return
    with _find_libraries().limit(limits=1, user_api="blas"):
        yield


@cache
def _find_libraries() -> Any:
    """Look once through what the process has loaded: that takes longer than an image."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
