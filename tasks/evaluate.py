"""Compare the candidates on validation images, and score models on the test images."""

from digitflow.data.sets import ImageSet
from digitflow.evaluation import scoring
from digitflow.evaluation.scoring import Evaluation, TestResult
from digitflow.models.fitting import FittedModel
from digitflow.store.references import ModelRef
from tasks.caching import cached_task
from tasks.context import current_run
from tasks.prepare import PreparedFeatures


@cached_task(run_name="evaluate {name}", ignore=("name",))
def evaluate_candidate(
    name: str, fitted: FittedModel, prepared: PreparedFeatures, validation: ImageSet
) -> Evaluation:
    """Measure one candidate on the validation images."""
    run = current_run()
    return run.workers.run(
        scoring.evaluate_candidate,
        run.store,
        fitted.model,
        prepared.validation,
        validation,
        run.workers.threads_each,
    )


@cached_task(run_name="score {name} on the {on} images", ignore=("name", "on"))
def score_on_test(name: str, on: str, model: ModelRef, test: ImageSet) -> TestResult:
    """Score one model, with its own preprocessing, on the frozen test images or others."""
    run = current_run()
    threads = run.workers.threads_each
    return run.workers.run(scoring.score_on_test, run.store, model, test, threads)
