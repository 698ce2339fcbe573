"""What a study is about, as its sections and their chapters must know it."""

from typing import Annotated, Literal, Self

from pydantic import Field

from digitflow.config.digits import StudySettings
from digitflow.config.table import Column, Strata, TableStudy
from digitflow.store.references import Record


class Scope(Record):
    """What a section must know to plan its experiments, before any is computed.

    Attributes
    ----------
    workload : str
        The kind of data, by which the sections are found: "digits", "table".
    source : str
        Kind of the source: "mnist", "builtin", "districts", ...
    train_rows, test_rows : int
        How many samples there are.
    complete : bool
        Whether these are all samples of the source, as published figures need.
    seed : int
        For whatever is drawn at random.
    """

    workload: str
    source: str
    train_rows: int
    test_rows: int
    complete: bool
    seed: int

    @property
    def is_published(self) -> bool:
        """Whether it is about the very data that the published figures are of."""
        raise NotImplementedError(f"{type(self).__name__} does not say what is published")

    @property
    def samples(self) -> str:
        """What people call its samples: images, rows."""
        raise NotImplementedError(f"{type(self).__name__} does not say what its samples are")

    @property
    def caveat(self) -> str:
        """What whoever reads its figures must know first; empty where there is nothing."""
        return ""

    @classmethod
    def of(cls, scope: "Scope") -> Self:
        """Return a scope that is of this kind; `TypeError` if it is of another."""
        if not isinstance(scope, cls):
            raise TypeError(f"expected a {cls.__name__}, got a {type(scope).__name__}")
        return scope


class DigitsScope(Scope):
    """A study of images of digits.

    Attributes
    ----------
    writers, test_writers : bool
        Whether it is known who wrote the training images, the test images.
    settings : StudySettings
        The config's section `study`.
    """

    workload: Literal["digits"] = "digits"
    writers: bool
    test_writers: bool
    settings: StudySettings

    @property
    def is_published(self) -> bool:
        """Whether this is the whole of MNIST."""
        return self.source == "mnist" and self.complete

    @property
    def samples(self) -> str:
        """Images."""
        return "images"


class TableScope(Scope):
    """A study of a table whose target holds values.

    Attributes
    ----------
    generated : bool
        Whether the rows are invented.
    target : str
        The column that is predicted.
    columns : dict of str to Column
        All of them, the target too.
    stratify : Strata or None
        Groups of which training and test rows have equal shares.
    test_share : float
        Share of the rows that tests, 0 to 1.
    settings : TableStudy
        The config's section `study`.
    """

    workload: Literal["table"] = "table"
    generated: bool
    target: str
    columns: dict[str, Column]
    stratify: Strata | None
    test_share: float
    settings: TableStudy

    @property
    def is_published(self) -> bool:
        """Whether these are all of California's districts, the real ones."""
        rows = self.train_rows + self.test_rows
        is_whole = self.complete and not self.generated and rows == DISTRICTS
        return self.source == "districts" and is_whole

    @property
    def samples(self) -> str:
        """Rows."""
        return "rows"

    @property
    def caveat(self) -> str:
        """Where the rows are invented, that they are."""
        if not self.generated:
            return ""
        return "The rows are generated: no figure here says anything of real ones."

    @property
    def unit(self) -> str:
        """The target's unit; empty where it has none."""
        return self.columns[self.target].unit or ""


# Of the census of 1990, as the file that everybody learns from has them.
DISTRICTS = 20_640

AnyScope = Annotated[DigitsScope | TableScope, Field(discriminator="workload")]
