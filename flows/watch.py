"""Look for new labelled pictures and new corrections; say so when there are enough."""

from functools import partial

from prefect import flow
from prefect.client.schemas import State
from prefect.states import Completed

from digitflow.config.reading import AnyConfig
from digitflow.feedback.corrections import find_scope
from digitflow.feedback.inbox import REFUSED, Taken, take_pictures
from digitflow.feedback.learning import add_training_event, count_new
from digitflow.registry.training import resolve_config
from digitflow.store.artifacts import Store, open_store
from flows.run import name_run
from tasks.publishing import announce, label_flow_run

REASON = "announced"
NOTHING = Taken(new=0, seen=0, refused={})


@flow(name="watch-inbox", flow_run_name=partial(name_run, "watch-"))
def watch_inbox(config: str | AnyConfig = "configs/digits.yaml") -> State:
    """Take new pictures in; announce a new dataset when enough is new to learn from.

    Parameters
    ----------
    config : str or config
        Path of a config file, or the config itself.
    """
    settings, store = resolve_config(config), open_store()
    rule = settings.feedback
    taken = NOTHING if rule.inbox is None else take_pictures(store, rule.inbox)
    pictures = f"{taken.new} new pictures"
    if taken.refused:
        pictures = f"{pictures}, {len(taken.refused)} refused ({rule.inbox}/{REFUSED})"
    scope = find_scope(settings.model, settings.workload)
    new, last = count_new(store, settings.model, scope)
    found = f"{pictures}; {new} corrections to learn from, {rule.enough} are enough"
    if not is_due(store, settings):
        label_flow_run(pictures if taken.seen else "nothing due", settings.model)
        return Completed(message=found)
    label_flow_run("retraining due", settings.model, "due")
    announce("digitflow.dataset.updated", settings.model, corrections=new, last=last)
    add_training_event(store, settings.model, "", REASON, "waiting", last)
    return Completed(message=f"{found}: a retraining is due")


def is_due(store: Store, config: AnyConfig) -> bool:
    """Tell whether enough is new since the last training, and since it was said last.

    What was announced is announced again when as much has come once more: a training that
    failed meanwhile is not forgotten for ever, nor asked for every minute.
    """
    scope = find_scope(config.model, config.workload)
    since_training, _ = count_new(store, config.model, scope)
    since_announced, _ = count_new(store, config.model, scope, REASON)
    return min(since_training, since_announced) >= config.feedback.enough
