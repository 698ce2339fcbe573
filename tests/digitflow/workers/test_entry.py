"""What a child on a worker does with a request, called here."""

import pickle
import threading
from functools import partial

import pytest

from digitflow.errors import CandidateFailed
from digitflow.project.code import trace_code
from digitflow.workers import entry
from digitflow.workers.child import StaleProcess
from digitflow.workers.entry import RAISED, RETURNED, Refused, compare_code, open_and_call

NOTHING = {"modules": {}, "libraries": {}}


@pytest.fixture
def code(monkeypatch):
    monkeypatch.setattr(entry, "_loaded", {})
    traced = trace_code(("digitflow.models.fitting",))
    return {"modules": dict(traced.modules), "libraries": dict(traced.libraries)}


def test_a_request_is_a_line_that_any_version_reads_and_bytes():
    message = entry.pack({"time_limit": None, "word": "a\nb"}, b"\n\x80x\n")
    assert entry.unpack(message) == ({"time_limit": None, "word": "a\nb"}, b"\n\x80x\n")


def test_what_is_called_returns_or_raises_and_both_can_travel():
    came, body = open_and_call(NOTHING, pickle.dumps(partial(divmod, 7, 3)))
    assert (came, pickle.loads(body)) == (RETURNED, (2, 1))
    came, body = open_and_call(NOTHING, pickle.dumps(partial(int, "five")))
    error = pickle.loads(body)
    assert (came, type(error)) == (RAISED, ValueError)
    assert "Traceback" in error.__notes__[0]
    came, body = open_and_call(NOTHING, pickle.dumps(threading.Lock))
    assert came == RAISED
    assert "cannot pickle" in str(pickle.loads(body))


class Odd(Exception):
    def __init__(self, text):
        super().__init__(text)
        self.lock = threading.Lock()


def _raise_odd():
    raise Odd("no way")


def test_an_error_that_can_not_travel_is_told_in_words():
    came, body = open_and_call(NOTHING, pickle.dumps(_raise_odd))
    error = pickle.loads(body)
    assert (came, type(error), str(error)) == (RAISED, CandidateFailed, "Odd: no way")


def test_bytes_that_can_not_be_opened_are_refused():
    with pytest.raises(Refused, match="can't open what was submitted"):
        open_and_call(NOTHING, b"no pickle")


def test_equal_code_is_taken_and_a_projects_own_is_not_looked_for(code):
    compare_code(code)
    code["modules"]["my_models"] = "whatever"
    compare_code(code)


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("modules", "digitflow.models.fitting"),
        ("modules", "digitflow.gone"),
        ("libraries", "numpy"),
        ("libraries", "not-a-library"),
    ],
)
def test_other_code_is_refused_and_named(code, part, name):
    code[part][name] = "expected-this"
    with pytest.raises(Refused, match=rf"{name} \(expected expected-thi, came "):
        compare_code(code)


def test_code_that_was_replaced_since_it_was_loaded_asks_for_another_process(code, monkeypatch):
    compare_code(code)
    monkeypatch.setitem(entry._loaded, "digitflow.models.fitting", "what it was")
    with pytest.raises(StaleProcess):
        compare_code(code)
