"""What a chapter is made of: tables as CSV, figures that are compared."""

import csv
import io

import pytest
from pydantic import ValidationError

from digitflow.studies.chapter import Table, check_number, judge_difference


def test_a_table_is_written_whole_and_unrounded():
    rows = (("knn, k=4", 97.123456789, None), ("svm", 98, 'a "word"'))
    table = Table(name="t", title="T", columns=("model", "x", "y"), rows=rows, shown=1)
    read = list(csv.reader(io.StringIO(table.to_csv())))
    assert read == [
        ["model", "x", "y"],
        ["knn, k=4", "97.123456789", ""],
        ["svm", "98", 'a "word"'],
    ]


def test_a_tables_name_is_a_plain_file_name():
    with pytest.raises(ValidationError):
        Table(name="../t", title="T", columns=(), rows=())


def test_figures_agree_within_their_last_digit():
    assert check_number("recall", 0.6511714, 0.65117137, 5e-8).met
    assert not check_number("recall", 0.6511714, 0.6511716, 5e-8).met
    folds = check_number("folds", (0.95035, 0.96035), (0.95035, 0.9603), 5e-6)
    assert not folds.met
    assert (folds.expected, folds.measured) == ("0.95035, 0.96035", "0.95035, 0.9603")


def test_as_many_figures_as_were_published_are_compared():
    with pytest.raises(ValueError, match="zip"):
        check_number("folds", (1.0, 2.0), (1.0,), 0.1)


def test_records_become_a_table_with_their_headings():
    records = (
        {"model": name, "x (%)": share} for name, share in (("knn", 97.5), ("svm", None))
    )
    table = Table.of(records, "scores", "Scores", "The best is knn.", decimals=2)
    assert (table.columns, table.rows) == (("model", "x (%)"), (("knn", 97.5), ("svm", None)))
    assert (table.title, table.sentence, table.decimals) == ("Scores", "The best is knn.", 2)
    assert Table.of((), "scores", "Scores").rows == ()


def test_one_in_twenty_may_be_chance():
    assert judge_difference(0.049) == "beyond chance (p = 0.049)"
    assert judge_difference(0.05) == "not beyond chance (p = 0.05)"


def test_a_difference_as_large_as_the_tolerance_is_met():
    assert check_number("n", 154, 154.5, 0.5).met
    assert check_number("n", 154, 153.5, 0.5).met
    assert not check_number("n", 154, 154.6, 0.5).met


def test_the_numbers_behind_a_figure_are_not_shown_on_the_page():
    table = Table.behind("curve", ("x", "y"), [[1, 2.5], [2, None]])
    assert (table.shown, table.columns, table.rows) == (0, ("x", "y"), ((1, 2.5), (2, None)))
    assert table.title == "curve"
    shown = Table.of([{"a": 1}], "a", "A", shown=1)
    assert (shown.shown, shown.decimals) == (1, 4)
