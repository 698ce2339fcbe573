"""From a source to the digits that are learnt from: read, checked, split, altered."""

from digitflow.augment import copies
from digitflow.catalogue import BACKENDS, SOURCES
from digitflow.data import sets, splits, validation
from digitflow.feedback import learning
from tasks.wiring import cached_task, plain_task

fingerprint_source = plain_task(sets.fingerprint_source, run_name="fingerprint {source.kind}")
ingest_digits = cached_task(
    sets.ingest_digits,
    run_name="ingest {source.kind}",
    modules=lambda source, **_: (SOURCES.module(source.kind),),
)
validate_digits = cached_task(validation.validate_digits, run_name="validate")
validate_feedback = cached_task(validation.validate_feedback, run_name="validate feedback")
split_digits = cached_task(splits.split_digits, run_name="split")
augment_images = cached_task(
    copies.augment_images,
    run_name="augment {settings.backend}",
    modules=lambda settings, **_: (BACKENDS.module(settings.backend),),
)

# What people said of pictures: read, learnt from, kept apart to judge by.
read_corrections = plain_task(learning.read_corrections, run_name="look at corrections")
learn_corrections = cached_task(learning.learn_corrections, run_name="learn from corrections")
choose_judging = cached_task(learning.choose_judging, run_name="choose corrections to judge by")
record_training = plain_task(learning.record_training, run_name="note what was learnt from")
