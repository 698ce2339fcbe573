"""Recipe `columns`: any table. Numbers scaled, categories one-hot; gaps filled in both.

A missing number is the median of its column, a missing category the most frequent one. What
is a number and what a category, the table says.
"""

from typing import Any

from digitflow.features.frames import (
    prepare_categories,
    prepare_numbers,
    select_categories,
    select_columns,
    select_numbers,
)


def build_steps(
    seed: int, scaling: str = "standard", encoding: str = "onehot"
) -> list[tuple[str, Any]]:
    """Return the recipe's one step; nothing in it is random.

    Parameters
    ----------
    scaling : "standard" or "minmax"
        Numbers to mean 0 and variance 1, or to 0 to 1.
    encoding : "onehot" or "ordinal"
        A column a category, or one of the categories' numbers.

    Raises
    ------
    InputError
        If one of them is another.
    """
    step = select_columns(
        [
            ("numbers", prepare_numbers(scaling=scaling), select_numbers()),
            ("categories", prepare_categories(encoding), select_categories()),
        ]
    )
    return [("columns", step)]
