"""Run the training flow from this process, as the command line does."""

from pathlib import Path
from typing import Any

from digitflow.artifacts import open_store
from digitflow.config import load_config
from digitflow.runs import read_run
from flows.environment import use_prefect_environment


def launch_training(path: Path, accept_new_test: bool, debug: bool) -> dict[str, Any]:
    """Check the config first, then start Prefect and run; return the run's record.

    Raises
    ------
    InputError, StorageError
        Before Prefect is even imported, where the config or the store is at fault.
    """
    config = load_config(path)
    if accept_new_test:
        gate = config.gate.model_copy(update={"accept_new_test": True})
        config = config.model_copy(update={"gate": gate})
    store = open_store()
    store.check_writable()
    use_prefect_environment(store, quiet=not debug)

    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    from flows.train import train_digits

    # The heartbeat's thread holds the end of every flow up for a second; here nobody
    # has to find out from afar whether this process still lives.
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        run = train_digits(config)
    return read_run(store, run)
