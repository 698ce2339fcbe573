"""Run a flow from this process, as the command line does."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from digitflow.config.training import TrainConfig
from digitflow.errors import InputError
from digitflow.registry.training import resolve_config
from digitflow.service.environment import use_prefect_environment
from digitflow.store.artifacts import open_store
from digitflow.store.runs import read_run
from digitflow.studies.plan import choose_sections


def launch_training(path: Path, accept_new_test: bool, debug: bool) -> dict[str, Any]:
    """Check the config first, then start Prefect and train; return the run's record.

    Raises
    ------
    InputError, StorageError
        Before Prefect is even imported, where the config or the store is at fault.
    """
    config = resolve_config(str(path))
    if accept_new_test:
        gate = config.gate.model_copy(update={"accept_new_test": True})
        config = config.model_copy(update={"gate": gate})

    def train() -> str:
        _require_person(config)
        from flows.train import train_digits

        # A state is what only a deployment's run returns.
        return cast("str", train_digits(config))

    return launch(config, train, debug)


def launch_study(
    sections: Sequence[str], path: Path, train_size: int | None, debug: bool
) -> dict[str, Any]:
    """Check sections and config first, then start Prefect and study; return the record.

    Raises
    ------
    InputError, StorageError
        Before Prefect is even imported, where the names, the config or the store is at fault.
    """
    chosen = choose_sections(sections)
    config = resolve_config(str(path))
    if train_size is not None:
        study = config.study.model_copy(update={"train_size": train_size})
        config = config.model_copy(update={"study": study})

    def study_all() -> str:
        from flows.study import study_digits

        return study_digits(chosen, config)

    return launch(config, study_all, debug)


def launch(config: TrainConfig, job: Callable[[], str], debug: bool) -> dict[str, Any]:
    """Start Prefect for a job of a config in this process; return its run's record."""
    store = open_store()
    store.check_writable()
    use_prefect_environment(store, quiet=not debug)

    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    # The heartbeat's thread holds the end of every flow up for a second; here nobody
    # has to find out from afar whether this process still lives.
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        run = job()
    return read_run(store, run)


def _require_person(config: TrainConfig) -> None:
    if config.gate.approval is not None and not os.environ.get("PREFECT_API_URL"):
        raise InputError(
            "gate.approval asks a person in the Prefect UI, and no server is running. Start "
            "one with `make up`, or name one in PREFECT_API_URL."
        )
