"""Read a source into the store; again only when what it holds has changed."""

from digitflow.catalogue import SOURCES
from digitflow.config.data import Source
from digitflow.data.sets import RawSets, store_set
from tasks.caching import cached_task, plain_task
from tasks.context import current_run


@plain_task(run_name="fingerprint {source.kind}")
def fingerprint_source(source: Source) -> str:
    """Return a digest that changes when the source does."""
    fingerprint: str = SOURCES.load(source.kind).fingerprint(source)
    return fingerprint


@cached_task(
    run_name="ingest {source.kind}",
    modules=lambda inputs: (SOURCES.module(inputs["source"].kind),),
)
def ingest_digits(source: Source, fingerprint: str) -> RawSets:
    """Load a source's images, labels and writers into the store."""
    digits = SOURCES.load(source.kind).load(source)
    store = current_run().store
    test = None if digits.test is None else store_set(store, digits.test)
    return RawSets(train=store_set(store, digits.train), test=test, origin=digits.origin)
