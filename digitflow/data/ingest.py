"""Read a source into the store; what it holds is known by its fingerprint."""

from digitflow.catalogue import SOURCES
from digitflow.config.data import Source
from digitflow.data.sets import Digits, ImageSet, RawSets, store_set
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
    digits: Digits = SOURCES.load(source.kind).load(source)
    test: ImageSet | None = None if digits.test is None else store_set(store, digits.test)
    return RawSets(train=store_set(store, digits.train), test=test, origin=digits.origin)
