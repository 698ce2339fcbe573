"""Pictures are stored under their names with the words beside them."""

import pytest

from digitflow.reports.pictures import Figures, store_pictures

PNGS = {"columns": b"one picture", "map": b"another"}
TITLES = {
    "columns": "What the columns hold",
    "map": "Where errors are",
    "errors": "never drawn",
}


def test_what_was_drawn_is_stored_with_its_title(store):
    drawn = store_pictures(store, PNGS, TITLES)
    assert {name: store.read_bytes(each.png) for name, each in drawn.pictures.items()} == PNGS
    assert {name: each.title for name, each in drawn.pictures.items()} == {
        name: TITLES[name] for name in PNGS
    }
    assert Figures.model_validate_json(drawn.model_dump_json()) == drawn


def test_equal_pictures_are_stored_once(store):
    drawn = store_pictures(store, {"columns": b"same", "map": b"same"}, TITLES)
    assert drawn.pictures["columns"].png == drawn.pictures["map"].png


def test_a_picture_without_a_title_is_noticed(store):
    with pytest.raises(KeyError, match="risk"):
        store_pictures(store, {"risk": b"png"}, TITLES)
