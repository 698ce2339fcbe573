"""Several sources in one: what is learnt from comes from all, what is tested from the first."""

from collections.abc import Sequence

import numpy as np

from digitflow.config.data import MixSource
from digitflow.data.ingestion import fingerprint_source, load_digits
from digitflow.data.sets import (
    UNKNOWN_WRITER,
    Digits,
    LabelledImages,
    RawSets,
    open_set,
    store_set,
)
from digitflow.store.artifacts import Store
from digitflow.store.references import digest_json


def fingerprint(source: MixSource) -> str:
    """Return a digest of the parts' fingerprints."""
    return digest_json([fingerprint_source(part) for part in source.of])


def load(source: MixSource) -> Digits:
    """Read every part and mix them; see `mix_digits`."""
    return mix_digits([load_digits(part) for part in source.of])


def mix_stored(store: Store, parts: Sequence[RawSets]) -> RawSets:
    """Mix stored parts as `mix_digits` does, so that one that changed is read alone."""
    mixed = mix_digits([_open_digits(store, part) for part in parts])
    return RawSets(
        train=store_set(store, mixed.train),
        test=parts[0].test,
        origin=mixed.origin,
        notes=mixed.notes,
    )


def _open_digits(store: Store, raw: RawSets) -> Digits:
    test = None if raw.test is None else open_set(store, raw.test)
    return Digits(open_set(store, raw.train), test, raw.origin, raw.notes)


def mix_digits(parts: Sequence[Digits]) -> Digits:
    """Put the training images of several sources one after the other.

    Returns
    -------
    Digits
        Training images of all parts; `sources` says of which each is. Writers are numbered
        such that no two parts have one in common. The test images are the first part's own;
        what others have for a test is neither learnt from nor tested on.
    """
    trains = [part.train for part in parts]
    train = LabelledImages(
        images=np.concatenate([train.images for train in trains]),
        labels=np.concatenate([train.labels for train in trains]),
        writers=_number_apart(parts, "writers"),
        series=_number_apart(parts, "series"),
        sources=np.repeat(np.arange(len(parts), dtype=np.int32), [len(t) for t in trains]),
    )
    origin = "; ".join(part.origin for part in parts)
    notes = tuple(f"{part.origin}: {note}" for part in parts for note in part.notes)
    return Digits(train, parts[0].test, origin, notes)


def _number_apart(parts: Sequence[Digits], name: str) -> np.ndarray | None:
    """Join a column of numbers; the first part keeps its own, which are its test's too."""
    columns = [getattr(part.train, name) for part in parts]
    if all(column is None for column in columns):
        return None
    tested = None if parts[0].test is None else getattr(parts[0].test, name)
    free, joined = 0, []
    for part, column in zip(parts, columns, strict=True):
        if column is None:
            column = np.full(len(part.train), UNKNOWN_WRITER, np.int32)
        known = column != UNKNOWN_WRITER
        joined.append(np.where(known, column + free, UNKNOWN_WRITER).astype(np.int32))
        seen = joined[-1] if tested is None else np.concatenate([joined[-1], tested])
        free = max(free, 1 + int(seen.max(initial=-1)))
    return np.concatenate(joined)
