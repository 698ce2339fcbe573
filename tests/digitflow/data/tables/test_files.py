import gzip

import numpy as np
import pandas as pd
import pytest

from digitflow.data.tables.files import SUFFIXES, digest_tables, read_frame
from digitflow.data.tables.frames import infer_columns, to_frame, to_records
from digitflow.errors import InputError


def write(frame, path):
    if path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    elif ".jsonl" in path.name:
        frame.to_json(path, orient="records", lines=True, double_precision=15)
    else:
        frame.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_kind_of_file_holds_the_same_table(people, tmp_path, suffix):
    read = read_frame(write(people, tmp_path / f"people{suffix}"))
    columns = infer_columns(people)
    assert infer_columns(read) == columns
    found, expected = (to_frame(to_records(frame, columns)) for frame in (read, people))
    pd.testing.assert_frame_equal(found, expected)


def test_a_csv_keeps_its_cells_as_they_are(tmp_path):
    path = tmp_path / "cells.csv"
    path.write_text('code,name\n007,"a, b"\n,\n1e3,NA\n')
    frame = read_frame(path)
    assert frame["code"].fillna("").tolist() == ["007", "", "1e3"]
    assert frame["name"].fillna("").tolist() == ["a, b", "", ""]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.xlsx", b"x", "must be one of .csv"),
        ("a.csv", None, "there is no table"),
        ("a.csv", b"x,y\n1,2\n3\n", "can't read the table"),
        ("a.csv", b"", "can't read the table"),
        ("a.csv", b"x,y\n", "has no rows"),
        ("a.csv", b"x,x\n1,2\n", "columns of the same name: x"),
        ("a.csv.gz", gzip.compress(b"x\n1\n" * 999, mtime=0)[:30], "can't read the table"),
        ("a.parquet", b"PAR1", "can't read the table"),
        ("a.jsonl", b'{"x": 1}\n{"x"', "can't read the table"),
        ("a.jsonl", b'{"x": 1}\n[2]', "must be an object, not so in rows 1"),
    ],
)
def test_what_is_no_table_is_a_clear_error(tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_frame(path)


def test_a_digest_follows_the_content(tmp_path):
    paths = [tmp_path / name for name in ("a.csv", "b.csv")]
    for path in paths:
        path.write_text("x\n1\n")
    same = digest_tables(paths[0])
    assert digest_tables(paths[1]) == same
    assert digest_tables(*paths) != same
    paths[1].write_text("x\n2\n")
    assert digest_tables(paths[1]) != same
    with pytest.raises(InputError, match="can't read the table"):
        digest_tables(tmp_path / "none.csv")


def test_numbers_of_a_csv_are_exact(tmp_path):
    numbers = np.random.default_rng(0).normal(size=300)
    path = write(pd.DataFrame({"x": numbers}), tmp_path / "x.csv")
    records = to_records(read_frame(path), infer_columns(read_frame(path)))
    np.testing.assert_array_equal(records["x"], numbers)


@pytest.mark.parametrize(
    ("delimiter", "suffix"), [(";", ".csv"), ("\t", ".tsv"), ("|", ".csv")]
)
def test_cells_may_be_parted_by_other_signs(tmp_path, delimiter, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_text(f"area{delimiter}town\n1,5{delimiter}Ulm, Donau\n")
    assert read_frame(path).to_dict("records") == [{"area": "1,5", "town": "Ulm, Donau"}]


def test_signs_inside_quotes_part_nothing(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('"a;b;c;d",y\n"1;2",3\n')
    assert list(read_frame(path).columns) == ["a;b;c;d", "y"]


@pytest.mark.parametrize("line", ["-122.2,37.9,NEAR BAY", "0.5;3;4", "1,-2"])
def test_a_first_line_without_names_is_said(tmp_path, line):
    path = tmp_path / "a.csv"
    path.write_text(f"{line}\n{line}\n")
    with pytest.raises(InputError, match=r"looks like a row: .* Add a line of names above it"):
        read_frame(path)


@pytest.mark.parametrize("line", ["0,1,2", "1990,2000,town", "x", "2.5 %,town"])
def test_names_may_hold_numbers(tmp_path, line):
    path = tmp_path / "a.csv"
    path.write_text(f"{line}\n{line}\n")
    assert list(read_frame(path).columns) == line.split(",")


def test_a_web_page_in_place_of_a_table_is_called_one(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("<!DOCTYPE html><title>Sign in</title>")
    with pytest.raises(InputError, match=r'is a web page \("Sign in"\)'):
        read_frame(path)
