"""The page Models on a store with two champions, and with none."""

import sqlite3
from contextlib import closing

import pytest

from digitflow.registry.listing import list_history
from digitflow.reports.training import OUTCOMES
from digitflow.store.databases import PATIENCE_VARIABLE

MODEL = "digits-sample"


def show_part(page, part):
    page.session_state["models-part"] = part
    page.run()
    assert not page.exception
    return page


def test_the_leaderboard_has_every_candidate_with_its_costs(trained, open_page):
    page = open_page("models")
    (table,) = page.dataframe
    assert table.value["candidate"].tolist() == ["knn-pca", "tree-pixels"]
    assert {"accuracy", "log loss", "fit", "one sample", "size"} <= set(table.value.columns)
    assert table.value[["fit", "one sample", "size"]].gt(0).all(axis=None)
    assert len(page.get("image")) == 1


def test_every_algorithm_has_its_matrix_and_its_report(trained, open_page):
    page = show_part(open_page("models"), "Side by side")
    assert [len(table.value) for table in page.dataframe] == [10, 10]
    assert len(page.get("image")) == 2
    page.multiselect(key="models-algorithms").set_value(["tree-pixels"]).run()
    assert len(page.dataframe) == 1


def test_a_verdict_is_worded_as_in_the_report(trained, open_page, read_words):
    page = show_part(open_page("models"), "Verdicts")
    assert OUTCOMES["promote"][1] in read_words(page)
    (table,) = page.dataframe
    assert table.value["verdict"].tolist() == ["✓ pass"]
    page.selectbox(key="models-version").select("1").run()
    assert OUTCOMES["bootstrap"][1] in read_words(page)


def test_the_history_tells_who_was_champion_and_why(trained, open_page, read_words):
    words = read_words(show_part(open_page("models"), "History"))
    for entry in list_history(trained, MODEL):
        assert entry.why in words
    assert "digitflow rollback --model digits-sample" in words


def test_nobody_but_an_administrator_is_offered_the_way_back(trained, open_page):
    page = show_part(open_page("models", admin=True), "History")
    assert not page.button


def test_an_administrator_goes_back_behind_a_confirmation(trained, open_page, as_admin):
    page = show_part(open_page("models", **as_admin), "History")
    button = page.button(key="models-rollback")
    assert button.disabled
    page.text_input(key="models-why").input("sevens got worse")
    page.checkbox(key="models-sure").check().run()
    page.button(key="models-rollback").click().run()
    assert not page.exception
    last, *_ = list_history(trained, MODEL)
    assert (last.version, last.kind, last.why) == ("1", "rollback", "sevens got worse")


@pytest.mark.parametrize("part", ["Leaderboard", "Verdicts", "History"])
def test_without_a_model_the_page_says_what_makes_one(untrained, open_page, read_words, part):
    page = open_page("models", **{"models-part": part})
    assert "digitflow train" in read_words(page)


def test_a_history_that_is_no_database_is_named(trained, open_page, read_words):
    file = trained.root / "registry/history.db"
    file.write_bytes(b"no database")
    assert "digitflow doctor" in read_words(open_page("models"))


def test_a_locked_history_is_said_and_not_waited_for(
    trained, open_page, read_words, monkeypatch
):
    monkeypatch.setenv(PATIENCE_VARIABLE, "0.1")
    with closing(sqlite3.connect(trained.root / "registry/history.db")) as holding:
        holding.execute("BEGIN EXCLUSIVE")
        page = open_page("models")
    assert "locked" in read_words(page)
    assert "digitflow doctor" in read_words(page)
