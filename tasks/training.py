"""From a source to candidates: digits read, checked, split and altered; features and fits."""

from digitflow.augment import copies
from digitflow.catalogue import BACKENDS, ESTIMATORS, RECIPES, SOURCES
from digitflow.config.data import Source
from digitflow.data import sets, splits, validation
from digitflow.data.sets import RawSets
from digitflow.data.sources import mix
from digitflow.evaluation import scoring, selective
from digitflow.feedback import learning
from digitflow.models import fitting, golden
from digitflow.monitoring import measures
from tasks.wiring import cached_task, plain_task

fingerprint_source = plain_task(sets.fingerprint_source, run_name="fingerprint {source.kind}")
ingest_digits = cached_task(
    sets.ingest_digits,
    run_name="ingest {source.kind}",
    modules=lambda source, **_: (SOURCES.module(source.kind),),
)
mix_stored = cached_task(mix.mix_stored, run_name="mix")
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

prepare_recipe = cached_task(
    fitting.prepare_recipe,
    run_name="prepare {recipe}",
    modules=lambda recipe, **_: (RECIPES.module(recipe),),
    in_process=True,
)
train_candidate = cached_task(
    fitting.fit_candidate,
    run_name="train {choice.estimator}",
    modules=lambda choice, **_: (ESTIMATORS.module(choice.estimator),),
    in_process=True,
    time_limit=lambda choice, **_: choice.time_limit,
)
refit_winner = cached_task(
    fitting.refit_winner,
    run_name="refit {choice.estimator}",
    modules=lambda choice, **_: (ESTIMATORS.module(choice.estimator),),
    in_process=True,
    time_limit=lambda choice, **_: choice.time_limit,
)
evaluate_candidate = cached_task(
    scoring.evaluate_candidate, run_name="evaluate", in_process=True
)

# What is shipped beside a fitted pipeline: when to doubt it, and what it must repeat.
choose_thresholds = cached_task(
    selective.choose_thresholds, run_name="choose when it is unsure", in_process=True
)
record_reference = cached_task(
    measures.record_reference, run_name="note what it learnt from", in_process=True
)
record_golden = cached_task(
    golden.record_golden, run_name="note what it must repeat", in_process=True
)


def ingest_source(source: Source) -> RawSets:
    """Ingest a source; of a mix each part by itself, so that only what changed is read."""
    if source.kind == "mix":
        return mix_stored([ingest_source(part) for part in source.of])
    return ingest_digits(source, fingerprint_source(source))
