"""Labelled images as references: what travels between tasks instead of arrays."""

from pydantic import BaseModel, ConfigDict

from digitflow.artifacts import ArrayRef, Store
from digitflow.data.digits import LabelledImages


class ImageSet(BaseModel):
    """References to images (n, 28, 28), labels (n,) and, where known, writers (n,)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    images: ArrayRef
    labels: ArrayRef
    writers: ArrayRef | None = None

    @property
    def rows(self) -> int:
        """How many images there are."""
        return self.labels.shape[0]


def store_set(store: Store, data: LabelledImages) -> ImageSet:
    """Put labelled images into the store."""
    return ImageSet(
        images=store.put_array(data.images),
        labels=store.put_array(data.labels),
        writers=None if data.writers is None else store.put_array(data.writers),
    )


def open_set(store: Store, refs: ImageSet) -> LabelledImages:
    """Open labelled images, memory-mapped and read-only."""
    return LabelledImages(
        images=store.open_array(refs.images),
        labels=store.open_array(refs.labels),
        writers=None if refs.writers is None else store.open_array(refs.writers),
    )
