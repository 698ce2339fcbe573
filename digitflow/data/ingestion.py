"""From a source to digits in our conventions, and into the store."""

import numpy as np

from digitflow.catalogue import SOURCES
from digitflow.config.data import MixSource, PlainSource, Source
from digitflow.data.conventions import adopt_conventions
from digitflow.data.labels import require_labels
from digitflow.data.sets import Digits, RawSets, SampleSet, store_set
from digitflow.store.artifacts import Store


def fingerprint_source(source: Source) -> str:
    """Return a digest that changes when what the source holds does."""
    fingerprint: str = SOURCES.load(source.kind).fingerprint(source)
    return fingerprint


def ingest_digits(store: Store, source: Source, fingerprint: str) -> RawSets:
    """Load a source's images, labels and writers into the store.

    Parameters
    ----------
    fingerprint : str
        Of the source as it is now: equal arguments mean equal digits.
    """
    digits = load_digits(source)
    test: SampleSet | None = None if digits.test is None else store_set(store, digits.test)
    return RawSets(
        train=store_set(store, digits.train),
        test=test,
        origin=digits.origin,
        notes=digits.notes,
    )


def load_digits(source: Source) -> Digits:
    """Read what a source holds, or as many of its training images as are wanted.

    Returns
    -------
    Digits
        In our conventions; see `adopt_conventions`. A mix's parts are so each by itself.

    Raises
    ------
    InputError
        If it can't be read, or rows and columns of its images are exchanged.
    """
    digits: Digits = SOURCES.load(source.kind).load(source)
    if isinstance(source, MixSource):
        return digits
    return adopt_digits(_take(digits, source), source)


def _take(digits: Digits, source: PlainSource) -> Digits:
    count = len(digits.train)
    if source.take is None or count <= source.take:
        return digits
    # Evenly: of images in the order of their labels, every label as often as among all.
    rows = np.linspace(0, count - 1, source.take).round().astype(np.int64)
    origin = f"{digits.origin}; {source.take:,} of {count:,} training images"
    return Digits(digits.train.take(rows), digits.test, origin, digits.notes)


def adopt_digits(digits: Digits, source: PlainSource) -> Digits:
    """Bring what a source holds to our conventions; see `adopt_conventions`."""
    columns = [part.labels for part in (digits.train, digits.test) if part is not None]
    require_labels(getattr(source, "labels", {}), *columns)
    train, notes = adopt_conventions("train", digits.train, source)
    if digits.test is None:
        return Digits(train, None, digits.origin, (*digits.notes, *notes))
    test, of_test = adopt_conventions("test", digits.test, source)
    return Digits(train, test, digits.origin, (*digits.notes, *notes, *of_test))
