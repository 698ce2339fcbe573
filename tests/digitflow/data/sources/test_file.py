import pandas as pd
import pytest

from digitflow.config.table import FileTable
from digitflow.data.sources import file
from digitflow.errors import InputError


@pytest.fixture
def paths(tmp_path):
    frame = pd.DataFrame({"x": [1.5, 2.5, 3.5], "y": ["a", "b", "c"]})
    paths = tmp_path / "train.csv", tmp_path / "test.parquet"
    frame.to_csv(paths[0], index=False)
    frame[:2].to_parquet(paths[1])
    return paths


def test_a_table_is_read_and_so_are_its_test_rows(paths):
    table = file.load_table(FileTable(file=paths[0], test_file=paths[1]))
    assert table.frame["x"].astype(float).tolist() == [1.5, 2.5, 3.5]
    assert table.test_frame["y"].tolist() == ["a", "b"]
    assert str(paths[0]) in table.origin
    assert not table.generated


def test_without_a_test_file_there_are_no_test_rows(paths):
    assert file.load_table(FileTable(file=paths[0])).test_frame is None


def test_the_fingerprint_follows_both_files(paths):
    source = FileTable(file=paths[0], test_file=paths[1])
    before = file.fingerprint(source)
    assert before != file.fingerprint(FileTable(file=paths[0]))
    paths[1].write_bytes(b"other")
    assert file.fingerprint(source) != before


def test_a_missing_file_is_a_clear_error(tmp_path):
    source = FileTable(file=tmp_path / "none.csv")
    for function in (file.fingerprint, file.load_table):
        with pytest.raises(InputError, match=r"none\.csv"):
            function(source)
