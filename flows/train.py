"""The main job: from raw data to a promoted champion, or to a reasoned no."""

from prefect import flow
from prefect.client.schemas import State
from prefect.states import Cancelled

from digitflow.config.reading import AnyConfig
from digitflow.evaluation.scoring import choose_winner
from digitflow.feedback.learning import NOTHING
from digitflow.models.checking import check_candidates
from digitflow.registry.training import resolve_config
from digitflow.registry.versions import Decision
from flows.candidates import (
    Inputs,
    choose_candidates,
    prepare_features,
    refit_winner,
    train_and_evaluate,
)
from flows.judge import judge_and_promote
from flows.run import TASK_THREADS, find_earlier_run, name_run, run_job
from tasks.judging import check_test_samples, is_repeated
from tasks.publishing import announce, file_report, publish_run, write_report
from tasks.training import read_corrections, record_training
from tasks.wiring import RunContext
from tasks.workloads import choose_workload

# Ingest to split before the candidates; scoring, gate and report after them.
OTHER_TASKS = 14


@flow(name="train", flow_run_name=name_run, task_runner=TASK_THREADS)
def train_model(config: str | AnyConfig = "configs/digits.yaml") -> str | State:
    """Train on any config, judge and promote; return the run's name.

    Parameters
    ----------
    config : str or config
        Path of a config file, or the config itself.
    """
    if (earlier := find_earlier_run()) is not None:
        return Cancelled(message=earlier)
    return train(resolve_config(config))


def train(config: AnyConfig) -> str:
    """Do the job within the flow run that this is called in; return the run's name."""
    tasks = 3 * len(config.candidates) + OTHER_TASKS
    return run_job(lambda run: train_once(run, config), config, "train", tasks, config.model)


def train_once(run: RunContext, config: AnyConfig) -> str:
    """Go through the whole job; what is cached is not computed again."""
    check_candidates(config, run.store)
    choices = choose_candidates(config)
    workload = choose_workload(config)
    try_others = workload.start_others()
    data = workload.prepare()
    check_test_samples(config.model, data.splits.test, config.gate)
    corrections = NOTHING
    if config.feedback.learn:
        corrections = read_corrections(config.model, data.checked.table)
    feedback = workload.find_feedback(data, corrections)
    data = workload.augment(workload.learn(data, corrections))
    inputs = Inputs(config, data, choices, prepare_features(config, choices, data))
    entries = train_and_evaluate(inputs)
    winner = choose_winner(entries)
    fitted = refit_winner(inputs, winner.candidate) if config.refit else winner.fitted
    features = inputs.choose_features(winner.candidate).result()
    samples = inputs.choose_samples(winner.candidate)
    bundle = workload.complete(winner, fitted, features, samples, data)
    drawn = workload.draw(data, winner)
    decision = judge_and_promote(
        run, config, entries, bundle, fitted.processor_seconds, data, feedback
    )
    others = try_others(bundle)
    write_report(config, data, entries, decision, bundle, others, drawn.result())
    record_training(config.model, decision.verdict.outcome, corrections.last)
    announce_decision(run, config.model, decision)
    publish_run(config.model, decision.verdict, decision.version, drawn.result())
    return run.log.run


def announce_decision(run: RunContext, model: str, decision: Decision) -> None:
    """File the report with the version that was judged; tell other flows of the verdict.

    An unchanged champion is no news, nor is the same challenger, rejected again each night.
    """
    verdict = decision.verdict
    if decision.version is None:
        return
    page = run.store.root / "reports" / run.log.run / "index.html"
    file_report(model, decision.version, page)
    if not verdict.promoted and is_repeated(model, verdict):
        return
    announce(
        "digitflow.model.promoted" if verdict.promoted else "digitflow.model.rejected",
        model,
        version=decision.version,
        reason=verdict.reason,
    )
