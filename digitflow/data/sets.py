"""Labelled images as references: what travels between tasks instead of arrays."""

from pydantic import BaseModel, ConfigDict

from digitflow.data.digits import LabelledImages
from digitflow.store.artifacts import ArrayRef, FileRef, Store


class ImageSet(BaseModel):
    """References to images (n, 28, 28), labels (n,) and, where known, who wrote them (n,).

    Of images with altered copies, `parents` (n,), int64, says of each the row of the original;
    None where all are originals.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    images: ArrayRef
    labels: ArrayRef
    writers: ArrayRef | None = None
    series: ArrayRef | None = None
    parents: ArrayRef | None = None

    @property
    def rows(self) -> int:
        """How many images there are."""
        return self.labels.shape[0]


class RawSets(BaseModel):
    """What a source gave, unchecked: its rows, its own test rows, a word on their origin."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    train: ImageSet
    test: ImageSet | None
    origin: str


class CheckedSets(BaseModel):
    """Clean digits, and where the bad rows went: a CSV of reasons and their images.

    `problems` counts the bad rows by split and reason; `notes` are sentences on what was
    noticed and kept.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    train: ImageSet
    test: ImageSet | None
    problems: dict[str, int]
    notes: tuple[str, ...]
    quarantine: FileRef | None
    quarantined_images: ArrayRef | None


class Splits(BaseModel):
    """Four parts without a row, or a known writer, in common.

    `train` fits; `calibration` turns scores into probabilities; `validation` chooses the
    winner; `test` is frozen and only the gate looks at it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    train: ImageSet
    calibration: ImageSet
    validation: ImageSet
    test: ImageSet


class PreparedData(BaseModel):
    """The data of a run: where it came from, what was set aside, its parts.

    `augmented` is `splits.train` with its altered copies, None where there are none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    origin: str
    checked: CheckedSets
    splits: Splits
    augmented: ImageSet | None

    def parts(self) -> dict[str, ImageSet]:
        """Return each set of images by name, in the order of their use."""
        names = type(self.splits).model_fields
        parts = {name: getattr(self.splits, name) for name in names}
        return parts if self.augmented is None else parts | {"augmented": self.augmented}


def store_set(store: Store, data: LabelledImages) -> ImageSet:
    """Put labelled images into the store."""
    return ImageSet(
        images=store.put_array(data.images),
        labels=store.put_array(data.labels),
        writers=None if data.writers is None else store.put_array(data.writers),
        series=None if data.series is None else store.put_array(data.series),
    )


def open_set(store: Store, refs: ImageSet) -> LabelledImages:
    """Open labelled images, memory-mapped and read-only."""
    return LabelledImages(
        images=store.open_array(refs.images),
        labels=store.open_array(refs.labels),
        writers=None if refs.writers is None else store.open_array(refs.writers),
        series=None if refs.series is None else store.open_array(refs.series),
    )
