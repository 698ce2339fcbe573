"""Writers, however a source names them, as numbers."""

from typing import TYPE_CHECKING

import numpy as np

from digitflow.data.sets import UNKNOWN_WRITER

if TYPE_CHECKING:
    import pandas as pd


def number_writers(*columns: "pd.Series") -> list[np.ndarray]:
    """Number writers' names or ids, the same writer alike in every column.

    Parameters
    ----------
    *columns : Series
        One writer a row, of any dtype; missing where the writer is unknown.

    Returns
    -------
    list of ndarray of shape (n,), int32
        One array a column: 0, 1, ... in the order of the names, -1 for unknown.
    """
    import pandas as pd

    # As text, because one file may hold numbers and another names; 7.0 is still 7.
    names = pd.concat([_write_as_text(column) for column in columns], ignore_index=True)
    codes, _ = pd.factorize(names, sort=True, use_na_sentinel=True)
    numbers = np.where(codes < 0, UNKNOWN_WRITER, codes).astype(np.int32)
    ends = np.cumsum([len(column) for column in columns])[:-1]
    return np.split(numbers, ends)


def _write_as_text(column: "pd.Series") -> "pd.Series":
    import pandas as pd

    if pd.api.types.is_float_dtype(column.dtype) and (column.dropna() % 1 == 0).all():
        column = column.astype("Int64")
    text = column.astype("string").str.strip()
    return text.mask(text == "")
