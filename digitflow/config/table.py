"""A training run on a table: where it comes from, its columns, its parts, what is predicted."""

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from digitflow.config.data import Section, SplitShares, offer_choice
from digitflow.config.gate import ClassificationLimits, RegressionLimits
from digitflow.config.training import Classifier, TrainConfig

ColumnType = Literal["number", "integer", "category"]
# Columns that say where a row is, in degrees: who has both gets maps.
PLACE = ("longitude", "latitude")
SklearnName = Literal["california_housing", "diabetes", "breast_cancer", "wine", "iris"]


class Column(Section):
    """What the cells of one column must hold."""

    type: ColumnType = Field(
        "number", description="number, integer (a whole number) or category (a text)"
    )
    min: float | None = Field(None, description="smallest value; empty: any")
    max: float | None = Field(None, description="largest value; empty: any")
    unit: str | None = Field(None, description="of its values, as reports write it")
    values: tuple[str, ...] | None = Field(
        None, min_length=1, description="known categories; empty: those of the training rows"
    )
    nullable: bool = Field(True, description="whether cells may be missing")
    required: bool = Field(True, description="whether a table must have the column")
    capped: float | None = Field(
        None, description="value at which measurements were cut off; such cells are counted"
    )

    @model_validator(mode="after")
    def _fits_its_type(self) -> "Column":
        if self.type == "category":
            _require_unset(self, "min", "max", "capped")
        else:
            _require_unset(self, "values")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min must be at most max ({self.max:g}), got {self.min:g}")
        return self


def _require_unset(column: Column, *keys: str) -> None:
    wrong = [key for key in keys if getattr(column, key) is not None]
    if wrong:
        raise ValueError(f"a column of type {column.type} has no {', '.join(wrong)}")


class FileTable(Section):
    """A CSV, Parquet or JSON lines file with a row for each example."""

    kind: Literal["file"] = "file"
    file: Path = Field(description="the CSV, Parquet or JSON lines file")
    test_file: Path | None = Field(
        None, description="rows to judge champions on; else a part of `file`"
    )


class SklearnTable(Section):
    """A table that scikit-learn brings along, or fetches."""

    kind: Literal["sklearn"] = "sklearn"
    name: SklearnName = Field(
        description="california_housing is fetched once from the network; the others are "
        "part of scikit-learn"
    )


class DistrictsTable(Section):
    """The districts of California in 1990, or invented ones of the same columns."""

    kind: Literal["districts"] = "districts"
    file: Path | None = Field(
        None,
        description="the districts' CSV; else DIGITFLOW_HOUSING_FILE; else districts are "
        "generated",
    )
    rows: int = Field(5000, ge=500, le=1_000_000, description="districts, where generated")
    seed: int = Field(0, ge=0, lt=2**32, description="draws the generated districts")


AnyTable = Annotated[
    FileTable | SklearnTable | DistrictsTable,
    Field(discriminator="kind"),
]


class TableRules(Section):
    """What a table must hold before anything is trained."""

    max_quarantined: float = Field(
        0.01, ge=0, le=1, description="share of bad rows above which the run stops"
    )
    min_rows: int = Field(100, ge=10, description="usable rows that a table must have")
    min_per_class: int = Field(
        10, ge=2, description="usable rows that every class must have, in a classification"
    )
    duplicates: Literal["quarantine", "keep"] = Field(
        "quarantine",
        description="rows of the same identity are set aside, or are examples like others",
    )


class Strata(Section):
    """Groups of rows by one column, of which every part gets its share."""

    column: str = Field(description="by whose values rows are grouped")
    edges: tuple[float, ...] = Field(
        (), description="of a number's intervals, each with its upper edge; empty: by category"
    )

    @model_validator(mode="after")
    def _edges_ascend(self) -> "Strata":
        if any(low >= high for low, high in pairwise(self.edges)):
            raise ValueError(f"edges must ascend, got {list(self.edges)}")
        return self


class TableShares(SplitShares):
    """How much of a table is set aside, and what tells one row from another."""

    by: Literal["shuffle", "hash"] = Field(
        "shuffle",
        description="shuffle, stratified; or hash: a row's part follows from its identity, "
        "whatever rows are added",
    )
    stratify: Strata | None = Field(
        None, description="groups with equal shares in all parts; empty: the classes"
    )
    identity: tuple[str, ...] = Field(
        (), description="columns that together tell one row from another; empty: all of them"
    )


class IntervalRule(Section):
    """How far the true value may be from the predicted one."""

    coverage: float = Field(
        0.9, gt=0.5, lt=1, description="share of true values within their interval"
    )


Choice = str | int | float | bool | None


class SearchRule(Section):
    """Which combinations of parameters a study tries.

    A name is a parameter of the estimator, or with `recipe.` before it of the recipe.
    """

    folds: int = Field(3, ge=2, le=20, description="of cross-validation, of each combination")
    grid: tuple[dict[str, tuple[Choice, ...]], ...] = Field(
        ({"max_features": (0.3, 0.6, 1.0), "min_samples_leaf": (1, 3)},),
        description="values of each parameter; every combination of each grid is tried",
    )
    ranges: dict[str, tuple[int, int]] = Field(
        default_factory=lambda: {"min_samples_leaf": (1, 10)},
        description="whole numbers that each parameter is drawn from, the upper one left out",
    )
    draws: int = Field(10, ge=0, le=1000, description="combinations that are drawn from them")


class TableStudy(Section):
    """Numbers of the studies that a user may want to change."""

    train_size: int | None = Field(None, ge=50, description="so many training rows; empty: all")
    recipe: str = Field("columns", description="the features that models learn from")
    recipe_params: dict[str, Any] = Field(
        default_factory=dict, description="passed on to the recipe"
    )
    ratios: dict[str, tuple[str, str]] = Field(
        default_factory=dict, description="combined features to look at: one column by another"
    )
    size: str | None = Field(
        None, description="column that sets the size of a dot on the map; empty: all alike"
    )
    folds: int = Field(10, ge=2, le=20, description="of cross-validation, of each model")
    trees: int = Field(100, ge=1, le=10_000, description="of each forest")
    search: SearchRule = Field(default_factory=SearchRule)


class TableConfig(TrainConfig):
    """A training run, from a table to a verdict."""

    workload: Literal["table"] = Field(description="what is learnt from: rows of a table")
    source: AnyTable = Field(
        description="where the table comes from", json_schema_extra=offer_choice
    )
    target: str = Field(description="the column that is predicted")
    columns: dict[str, Column] = Field(
        default_factory=dict,
        description="the columns that are used, the target too; empty: all, by what they hold",
    )
    validation: TableRules = Field(default_factory=TableRules)
    split: TableShares = Field(default_factory=TableShares)
    slices: tuple[Strata, ...] = Field(
        (), description="parts of the test rows that the gate looks at by themselves"
    )

    @model_validator(mode="after")
    def _target_is_declared(self) -> "TableConfig":
        if self.columns and self.target not in self.columns:
            raise ValueError(
                f"columns must describe the target {self.target!r} too, they describe "
                f"{', '.join(self.columns)}"
            )
        return self


class RegressionConfig(TableConfig):
    """A training run that learns to predict values."""

    task: Literal["regression"] = Field(description="what the target holds: values")
    gate: RegressionLimits = Field(default_factory=RegressionLimits)
    intervals: IntervalRule = Field(default_factory=IntervalRule)
    study: TableStudy = Field(default_factory=TableStudy)


class ClassificationConfig(TableConfig):
    """A training run that learns to tell classes apart."""

    task: Literal["classification"] = Field(description="what the target holds: classes")
    candidates: tuple[Classifier, ...] = Field(min_length=1)
    gate: ClassificationLimits = Field(default_factory=ClassificationLimits)
