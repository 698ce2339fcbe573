"""Read a source into the store; again only when what it holds has changed."""

from importlib import import_module

from pydantic import BaseModel, ConfigDict

from digitflow.config import Source
from digitflow.data.catalogue import source_module
from digitflow.data.sets import ImageSet, store_set
from tasks.caching import cached_task, plain_task
from tasks.context import current_run


class RawDigits(BaseModel):
    """What a source gave, unchecked: its rows, its own test rows, a word on their origin."""

    model_config = ConfigDict(frozen=True)

    train: ImageSet
    test: ImageSet | None
    origin: str


@plain_task(run_name="look at {source.kind}")
def fingerprint_source(source: Source) -> str:
    """Return a digest that changes when the source does."""
    module = import_module(source_module(source.kind))
    fingerprint: str = module.fingerprint(source)
    return fingerprint


@cached_task(
    run_name="ingest {source.kind}",
    modules=lambda inputs: (source_module(inputs["source"].kind),),
)
def ingest_digits(source: Source, fingerprint: str) -> RawDigits:
    """Load a source's images, labels and writers into the store."""
    digits = import_module(source_module(source.kind)).load(source)
    store = current_run().store
    test = None if digits.test is None else store_set(store, digits.test)
    return RawDigits(train=store_set(store, digits.train), test=test, origin=digits.origin)
