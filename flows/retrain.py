"""Train again because what comes in has drifted, if there is anything new to learn from."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import prefect.runtime
from prefect import flow
from prefect.client.schemas import State
from prefect.states import Cancelled, Completed

from digitflow.config.reading import AnyConfig
from digitflow.feedback.corrections import find_scope
from digitflow.feedback.learning import add_training_event, count_new, list_training_events
from digitflow.registry.training import resolve_config
from digitflow.store.artifacts import Store, open_store
from flows.run import TASK_THREADS, find_earlier_run, name_run
from flows.train import train
from tasks.publishing import label_flow_run

REASON = "drift"


@flow(name="retrain-on-drift", flow_run_name=name_run, task_runner=TASK_THREADS)
def retrain_on_drift(config: str | AnyConfig = "configs/digits.yaml") -> State:
    """Train with the corrections so far, unless that was done lately or brings nothing new.

    Parameters
    ----------
    config : str or config
        Path of a config file, or the config itself.
    """
    if (earlier := find_earlier_run()) is not None:
        return Cancelled(message=earlier)
    settings, store = resolve_config(config), open_store()
    run = prefect.runtime.flow_run.name
    begun = list_begun(store, settings.model)
    if run not in begun:
        if (refusal := find_refusal(store, settings, datetime.now(UTC), begun)) is not None:
            label_flow_run("nothing trained", settings.model, "nothing-trained")
            return Completed(message=refusal, name="NothingTrained")
        _, last = count_new(
            store, settings.model, find_scope(settings.model, settings.workload)
        )
        add_training_event(store, settings.model, run, REASON, "started", last)
    return Completed(message=f"trained with the corrections so far: {train(settings)}")


def list_begun(store: Store, model: str) -> dict[str, datetime]:
    """Return the runs that were begun because of drift, the first one first, and when."""
    return {
        event.run: datetime.fromisoformat(event.at)
        for event in list_training_events(store, model)
        if event.reason == REASON
    }


def find_refusal(
    store: Store, config: AnyConfig, moment: datetime, begun: Mapping[str, datetime]
) -> str | None:
    """Return why nothing is to be trained; None where there is reason to."""
    new, _ = count_new(store, config.model, find_scope(config.model, config.workload))
    if not new:
        return (
            "trained nothing: there are no corrections that were not learnt from. Say what "
            "pictures or rows are by `digitflow correct`; an alarm alone teaches nothing."
        )
    pause = timedelta(hours=config.monitoring.cool_down_hours)
    last = max(begun.values(), default=None)
    if last is not None and moment - last < pause:
        return (
            f"trained nothing: drift led to a training at {last:%Y-%m-%d %H:%M} UTC, and "
            f"monitoring.cool_down_hours is {config.monitoring.cool_down_hours:g}"
        )
    return None
