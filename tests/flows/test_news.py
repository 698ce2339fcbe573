"""What others are told of a verdict, and what is no news."""

from types import SimpleNamespace

import pytest

from flows import train


@pytest.fixture
def told(monkeypatch, tmp_path):
    """Decide, where the verdict was reached before or not; return the events."""

    def decide(promoted, version="2", repeated=False):
        events = []
        run = SimpleNamespace(
            store=SimpleNamespace(root=tmp_path), log=SimpleNamespace(run="a")
        )
        monkeypatch.setattr(train, "file_report", lambda *_: None)
        monkeypatch.setattr(train, "announce", lambda event, *_, **__: events.append(event))
        monkeypatch.setattr(train, "is_repeated", lambda *_: repeated)
        verdict = SimpleNamespace(promoted=promoted, reason="so")
        train.announce_decision(
            run, "digits", SimpleNamespace(verdict=verdict, version=version)
        )
        return events

    return decide


def test_a_promotion_and_a_rejection_are_news(told):
    assert told(True) == ["digitflow.model.promoted"]
    assert told(False) == ["digitflow.model.rejected"]


def test_the_champion_itself_and_the_same_rejection_again_are_none(told):
    assert told(False, version=None) == []
    assert told(False, repeated=True) == []
    # A challenger that was refused before, and is promoted now, is.
    assert told(True, repeated=True) == ["digitflow.model.promoted"]
