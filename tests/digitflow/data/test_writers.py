import numpy as np
import pandas as pd
import pytest

from digitflow.data.writers import number_writers


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pd.Series(["eve", "bob", "eve"]), [1, 0, 1]),
        (pd.Series(["eve", None, " eve ", " ", ""]), [0, -1, 0, -1, -1]),
        (pd.Series([7, 3, 7]), [1, 0, 1]),
        (pd.Series([7.0, np.nan, 3.0]), [1, -1, 0]),
        (pd.Series([None, None]), [-1, -1]),
        (pd.Series([], dtype="string"), []),
    ],
)
def test_writers_become_numbers_in_the_order_of_their_names(column, expected):
    (numbers,) = number_writers(column)
    assert numbers.dtype == np.int32
    assert numbers.tolist() == expected


def test_the_same_writer_has_the_same_number_in_every_column():
    train, test = number_writers(pd.Series([7.0, np.nan, 3.0]), pd.Series(["3", "ann"]))
    assert test[0] == train[2]
    assert test[1] not in train
    assert train[1] == -1
