"""From prepared data to candidates, whatever the data are: features, fits, what is compared."""

from digitflow.evaluation import scoring
from digitflow.feedback import learning
from digitflow.models import fitting, golden
from tasks.wiring import cached_task, plain_task

prepare_recipe = cached_task(
    fitting.prepare_recipe,
    run_name="prepare {recipe.name}",
    modules=lambda recipe, **_: recipe.modules(),
    in_process=True,
)
train_candidate = cached_task(
    fitting.fit_candidate,
    run_name="train {choice.estimator}",
    modules=lambda choice, **_: choice.modules(),
    in_process=True,
    time_limit=lambda choice, **_: choice.time_limit,
)
refit_winner = cached_task(
    fitting.refit_winner,
    run_name="refit {choice.estimator}",
    modules=lambda choice, **_: choice.modules(),
    in_process=True,
    time_limit=lambda choice, **_: choice.time_limit,
)
predict_fold = cached_task(
    fitting.predict_fold,
    run_name="refit {choice.estimator} without fold {fold}",
    modules=lambda choice, **_: choice.modules(),
    in_process=True,
    time_limit=lambda choice, **_: choice.time_limit,
)
complete_refit = cached_task(
    fitting.complete_refit,
    run_name="complete the refit",
    modules=lambda choice, **_: choice.modules(),
    in_process=True,
)
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
