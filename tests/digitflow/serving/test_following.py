"""Whoever is champion answers, once it is loaded."""

import logging

import pytest

from digitflow.predict.predictor import Predictor
from digitflow.predict.rows import RowPredictor
from digitflow.serving.following import ChampionFollower, NotReady


@pytest.fixture
def follower(store):
    made = ChampionFollower(store, None, None, lambda champion: made.seen.append(champion))
    made.seen = []
    return made


def test_before_its_first_look_it_says_that_it_loads(follower):
    with pytest.raises(NotReady, match="is being loaded"):
        follower.require()


def test_a_new_champion_is_loaded_once(follower, store, crown_digits):
    crown_digits(store, "1")
    follower.look()
    first = follower.require()
    follower.look()
    assert follower.require() is first
    crown_digits(store, "2")
    follower.look()
    assert isinstance(follower.require(), Predictor)
    assert [champion.version for champion in follower.seen] == ["1", "2"]
    assert follower.require().champion.version == "2"


def test_one_that_can_not_be_loaded_leaves_the_other_where_it_is(
    follower, store, crown_digits, caplog
):
    crown_digits(store, "1")
    follower.look()
    broken = crown_digits(store, "2")
    path = store.path_of(broken.model)
    content = path.read_bytes()
    path.unlink()
    with caplog.at_level(logging.WARNING):
        follower.look()
        follower.look()
    assert follower.require().champion.version == "1"
    assert str(path.name) in follower.trouble
    assert len(caplog.records) == 1
    path.write_bytes(content)
    follower.look()
    assert follower.require().champion.version == "2"
    assert follower.trouble is None


def test_a_table_is_followed_too(follower, store, crown_table):
    follower.model = "housing"
    crown_table()
    follower.look()
    assert isinstance(follower.require(), RowPredictor)
