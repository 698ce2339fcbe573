"""Pictures of a run as they are stored: PNGs with their titles."""

from collections.abc import Mapping

from digitflow.store.artifacts import Store
from digitflow.store.references import FileRef, Record


class Picture(Record):
    """A stored PNG with its title."""

    png: FileRef
    title: str


class Figures(Record):
    """The pictures of a run, by their names."""

    pictures: dict[str, Picture]


def store_pictures(
    store: Store, pictures: Mapping[str, bytes], titles: Mapping[str, str]
) -> Figures:
    """Store PNGs under their names and titles."""
    return Figures(
        pictures={
            name: Picture(png=store.put_bytes(png, "figures", ".png"), title=titles[name])
            for name, png in pictures.items()
        }
    )
