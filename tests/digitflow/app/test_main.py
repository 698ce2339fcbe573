"""Whatever is missing or broken, each page says what, and which command mends it."""

import shutil
import sqlite3
import sys
from contextlib import closing

import pytest

from digitflow.app.main import PAGES
from digitflow.feedback.corrections import add_corrections
from digitflow.feedback.tables import FILE as FEEDBACK_FILE
from digitflow.registry.history import FILE as HISTORY_FILE
from digitflow.store.databases import PATIENCE_VARIABLE

COMMANDS = {"make run", "digitflow up", "digitflow train", "digitflow study"}
# Those that have nothing to show before there is a champion.
ABOUT_A_CHAMPION = tuple(name for name in PAGES if name not in ("studies", "monitor"))


def _show(name):
    from digitflow.app.main import open_page

    open_page(name)()


@pytest.fixture
def look():
    """Return a page as it is shown to people: nothing of it may be a traceback."""
    testing = pytest.importorskip("streamlit.testing.v1")

    def look(name):
        page = testing.AppTest.from_function(_show, args=(name,), default_timeout=60).run()
        assert not page.exception
        return page

    return look


def list_commands(page):
    return [each.value for each in page.code]


@pytest.mark.parametrize("name", PAGES)
def test_before_the_first_training_a_page_says_which_command_begins(name, look, untrained):
    page = look(name)
    assert page.warning
    assert COMMANDS & set(list_commands(page))
    if name in ABOUT_A_CHAMPION:
        assert {"make run", "digitflow train"} & set(list_commands(page))


@pytest.mark.parametrize("name", PAGES)
def test_a_trained_project_has_every_page(name, look, trained):
    page = look(name)
    assert page.title


@pytest.mark.parametrize("name", PAGES)
def test_a_lost_history_is_said_and_not_taken_for_a_beginning(name, look, trained):
    (trained.root / HISTORY_FILE).unlink()
    page = look(name)
    if name in ABOUT_A_CHAMPION:
        assert any("is missing" in each.value for each in page.warning)
        assert "digitflow doctor --verify" in list_commands(page)


@pytest.mark.parametrize("name", PAGES)
def test_while_the_feedback_is_locked_a_page_says_so_or_needs_none(
    name, look, trained, handwriting, monkeypatch
):
    monkeypatch.setenv(PATIENCE_VARIABLE, "0.1")
    add_corrections(trained, [handwriting.images[0]], [1], "ann", "a test")
    with closing(sqlite3.connect(trained.root / FEEDBACK_FILE, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        page = look(name)
        other.execute("ROLLBACK")
    if name == "review":
        assert any("locked" in each.value for each in page.warning)
        assert "digitflow doctor" in list_commands(page)


@pytest.mark.parametrize("name", PAGES)
def test_without_any_feedback_every_page_is_there(name, look, trained):
    shutil.rmtree((trained.root / FEEDBACK_FILE).parent, ignore_errors=True)
    assert look(name).title


def test_a_missing_extra_is_named_with_what_installs_it(look, trained, monkeypatch):
    monkeypatch.setitem(sys.modules, "streamlit_drawable_canvas", None)
    page = look("read")
    assert "pip install 'digitflow[app]'" in list_commands(page)


def test_a_server_that_is_down_is_said_and_how_it_is_started(look, trained):
    page = look("monitor")
    assert "digitflow up" in list_commands(page)


def _show_all():
    from digitflow.app.main import main

    main()


@pytest.fixture
def look_from_afar(monkeypatch):
    """Open the app as whoever started it with `--host` off the loopback."""
    testing = pytest.importorskip("streamlit.testing.v1")
    monkeypatch.setattr("sys.argv", ["main.py", "--private"])
    monkeypatch.setenv("DIGITFLOW_APP_PASSWORD", "a long one")
    monkeypatch.setattr("digitflow.app.resources.WRONG_SECONDS", 0)
    return testing.AppTest.from_function(_show_all, default_timeout=60).run()


def test_whoever_comes_from_afar_sees_no_page_before_the_password(look_from_afar, trained):
    assert [each.value for each in look_from_afar.header] == ["digitflow"]
    assert not look_from_afar.title
    look_from_afar.text_input[0].set_value("a wrong one")
    look_from_afar.button[0].click().run()
    assert [each.value for each in look_from_afar.error] == ["That is not the password."]
    assert not look_from_afar.title


def test_with_the_password_the_pages_are_there(look_from_afar, trained):
    look_from_afar.text_input[0].set_value("a long one")
    look_from_afar.button[0].click().run()
    assert not look_from_afar.exception
    assert [each.value for each in look_from_afar.title] == ["Everything on one page"]
