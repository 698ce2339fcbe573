"""From images to candidates: features, fits, what is measured and shipped of them."""

from digitflow.catalogue import ESTIMATORS, RECIPES
from digitflow.evaluation import scoring, selective
from digitflow.models import fitting, golden
from digitflow.monitoring import reference
from tasks.wiring import cached_task

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
    reference.record_reference, run_name="note what it learnt from", in_process=True
)
record_golden = cached_task(
    golden.record_golden, run_name="note what it must repeat", in_process=True
)
