"""What is shipped beside a fitted pipeline: when to doubt it, and what it must repeat."""

from digitflow.config.training import SelectiveRule
from digitflow.data.sets import ImageSet
from digitflow.evaluation import selective
from digitflow.evaluation.scoring import Evaluation
from digitflow.models import golden
from digitflow.models.bundle import Golden, Reference, RejectOption
from digitflow.monitoring import reference
from digitflow.store.references import ArrayRef, ModelRef
from tasks.caching import cached_task
from tasks.context import current_run
from tasks.prepare import PreparedFeatures


@cached_task(run_name="choose when {name} is unsure", ignore=("name",))
def choose_thresholds(
    name: str,
    prepared: PreparedFeatures,
    labels: ArrayRef,
    validation: ImageSet,
    evaluation: Evaluation,
    rule: SelectiveRule,
) -> RejectOption:
    """Choose on the validation images what is answered, and what is a digit at all."""
    run = current_run()
    return run.workers.run(
        selective.choose_thresholds,
        run.store,
        (prepared.train, labels),
        (prepared.validation, validation.labels),
        evaluation.probabilities,
        rule,
        run.workers.threads_each,
    )


@cached_task(run_name="note what {name} learnt from", ignore=("name",))
def record_reference(
    name: str, train: ImageSet, evaluation: Evaluation, seed: int
) -> Reference:
    """Note what the training images are like and how the validation images were read."""
    run = current_run()
    return run.workers.run(
        reference.record_reference,
        run.store,
        train.images,
        train.labels,
        evaluation.probabilities,
        seed,
        run.workers.threads_each,
    )


@cached_task(run_name="note what {name} must repeat", ignore=("name",))
def record_golden(name: str, model: ModelRef, validation: ImageSet) -> Golden:
    """Note what a model reads in a few images, as one batch in one thread."""
    run = current_run()
    return run.workers.run(golden.record_golden, run.store, model, validation)
