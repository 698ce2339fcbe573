"""What is known of a table's columns; it travels with a model that takes its rows."""

from digitflow.config.table import Column
from digitflow.errors import list_some
from digitflow.store.references import Record


class TableFacts(Record):
    """What the rows of a table must hold, and what is predicted of them.

    Attributes
    ----------
    columns : dict of str to Column
        The features, in the order of the records' fields; categories with all their values.
    target : str
        The name of the column that is predicted.
    holds : Column
        What that column holds.
    classes : tuple of str
        Names of a classification's classes, in the order of their numbers; else empty.
    generated : bool
        Whether the rows are invented: what is learnt from them holds of no real ones.
    """

    columns: dict[str, Column]
    target: str
    holds: Column
    classes: tuple[str, ...] = ()
    generated: bool = False

    @property
    def unit(self) -> str:
        """Of the values that are predicted; empty where they have none."""
        return self.holds.unit or ""


def describe_cells(column: Column) -> str:
    """Say what a column's cells hold: "a number from 0 to 15", "one of INLAND, ISLAND"."""
    if column.type == "category":
        return f"one of {list_some(column.values, 20)}" if column.values else "a text"
    kind = "a whole number" if column.type == "integer" else "a number"
    bounds = [
        f"{word} {bound:g}"
        for word, bound in (("from", column.min), ("up to", column.max))
        if bound is not None
    ]
    return " ".join([kind, *bounds])
