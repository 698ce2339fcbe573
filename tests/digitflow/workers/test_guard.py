"""A worker that never comes to the end of closing, as Dask's does now and then."""

import threading
from types import SimpleNamespace

from digitflow.workers import guard


def test_a_worker_that_does_not_come_to_its_end_is_ended_and_no_other(monkeypatch):
    monkeypatch.setattr(guard, "PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(guard, "LOOK_SECONDS", 0.01)
    worker = SimpleNamespace(status=SimpleNamespace(name="running"))
    ended = threading.Event()
    thread = threading.Thread(target=guard.watch, args=(worker, ended.set))
    thread.start()
    assert not ended.wait(0.5)
    worker.status = SimpleNamespace(name="closing")
    assert ended.wait(30)
    thread.join()
