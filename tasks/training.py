"""From prepared data to candidates, whatever the data are: features, fits, what is compared."""

from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from prefect import Task

from digitflow.evaluation import scoring
from digitflow.feedback import learning
from digitflow.models import blending, fitting, golden
from digitflow.store.artifacts import Store
from tasks.wiring import cached_task, plain_task

P = ParamSpec("P")
R = TypeVar("R")

prepare_recipe = cached_task(
    fitting.prepare_recipe,
    run_name="prepare {recipe.name}",
    modules=lambda recipe, **_: recipe.modules(),
    in_process=True,
)


def fit_task(function: Callable[Concatenate[Store, P], R], run_name: str) -> Task[P, R]:
    """Make a task that fits what `choice` names: by its code, within its time."""
    return cached_task(
        function,
        run_name=run_name,
        modules=lambda choice, **_: choice.modules(),
        in_process=True,
        time_limit=lambda choice, **_: choice.time_limit,
    )


train_candidate = fit_task(fitting.fit_candidate, "train {choice.estimator}")
refit_candidate = fit_task(fitting.refit_candidate, "refit {choice.estimator}")
predict_fold = fit_task(fitting.predict_fold, "refit {choice.estimator} without fold {fold}")
complete_refit = cached_task(
    fitting.complete_refit,
    run_name="complete the refit",
    modules=lambda choice, **_: choice.modules(),
    in_process=True,
)

# A blend is made of what others fitted.
join_features = cached_task(
    blending.join_features, run_name="put features side by side", in_process=True
)
blend_candidates = fit_task(blending.blend_candidates, "train {choice.estimator}")
blend_refits = fit_task(blending.blend_refits, "complete the refit")

evaluate_candidate = cached_task(
    scoring.evaluate_candidate, run_name="evaluate", in_process=True
)

# What is shipped beside a fitted pipeline: what it must repeat.
record_golden = cached_task(
    golden.record_golden, run_name="note what it must repeat", in_process=True
)

# What people said: read once a run, and noted as learnt from.
read_corrections = plain_task(learning.read_corrections, run_name="look at corrections")
learn_corrections = cached_task(learning.learn_corrections, run_name="learn from corrections")
choose_judging = cached_task(learning.choose_judging, run_name="choose corrections to judge by")
record_training = plain_task(learning.record_training, run_name="note what was learnt from")
