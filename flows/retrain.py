"""Train again because what comes in has drifted, if there is anything new to learn from."""

from datetime import UTC, datetime, timedelta

from prefect import flow
from prefect.client.schemas import State
from prefect.states import Completed

from digitflow.artifacts import Store, open_store
from digitflow.config import TrainConfig
from digitflow.feedback import add_lesson, count_new, list_lessons
from flows.launching import resolve_config
from flows.train import train_digits

REASON = "drift"


@flow(name="retrain-on-drift")
def retrain_on_drift(config: str | TrainConfig = "configs/digits.yaml") -> State:
    """Train with the corrections so far, unless that was done lately or brings nothing new.

    Parameters
    ----------
    config : str or TrainConfig
        Path of a config file, or the config itself.
    """
    settings, store = resolve_config(config), open_store()
    if (refusal := find_refusal(store, settings, datetime.now(UTC))) is not None:
        return Completed(message=refusal, name="NothingTrained")
    new, last = count_new(store, settings.model)
    add_lesson(store, settings.model, "", REASON, "started", last)
    run = train_digits(settings)
    return Completed(message=f"trained with {new} new corrections: {run}")


def find_refusal(store: Store, config: TrainConfig, moment: datetime) -> str | None:
    """Return why nothing is to be trained; None where there is reason to."""
    new, _ = count_new(store, config.model)
    if not new:
        return (
            "trained nothing: there are no corrections that were not learnt from. Say what "
            "pictures show by `digitflow correct`; an alarm alone teaches nothing."
        )
    begun = [
        datetime.fromisoformat(lesson.at)
        for lesson in list_lessons(store, config.model)
        if lesson.reason == REASON
    ]
    pause = timedelta(hours=config.monitoring.cool_down_hours)
    if begun and moment - begun[-1] < pause:
        return (
            f"trained nothing: drift led to a training at {begun[-1]:%Y-%m-%d %H:%M} UTC, and "
            f"monitoring.cool_down_hours is {config.monitoring.cool_down_hours:g}"
        )
    return None
