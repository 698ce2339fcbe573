"""Ask a person, in the Prefect UI, before anything is promoted."""

import logging
from datetime import UTC, datetime, timedelta
from threading import Timer
from typing import Any
from uuid import UUID

import prefect.runtime
from prefect import flow, get_client
from prefect.client.schemas import State
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.flow_runs import pause_flow_run, resume_flow_run, suspend_flow_run
from prefect.input import RunInput
from prefect.states import Completed
from pydantic import Field

from digitflow.config.gate import Approval
from digitflow.errors import InputError
from digitflow.gate.verdict import Verdict, declined
from tasks.publishing import describe_verdict, label_flow_run

logger = logging.getLogger(__name__)

# Prefect ends a run whose wait times out; we answer no before it does.
GRACE_SECONDS = 3600
POLL_SECONDS = 2
NOBODY = "nobody"
SILENCE = "answer-for-nobody"


class Answer(RunInput):
    """What a person says to a promotion."""

    promote: bool = Field(False, description="Make this challenger the champion?")
    name: str = Field("", description="Who says so")
    why: str = Field("", description="In a sentence, for the history")


def ask_person(verdict: Verdict, approval: Approval, comparison: str) -> tuple[Verdict, str]:
    """Wait until somebody answers; silence is a no.

    A deployment's run is suspended: its process ends and its place is free. With the answer
    it begins again, finds what it had computed, and comes here a second time. A run from
    the command line waits where it is.

    Parameters
    ----------
    comparison : str
        Names who would replace whom, the same in a run that is begun again; letters, digits
        and hyphens. Another champion meanwhile is another question.

    Returns
    -------
    verdict, why : Verdict, str
        The verdict as it was, or declined; and the person's words for the history.

    Raises
    ------
    InputError
        If nobody could say no in time, since the deployment that does is missing.
    """
    minutes = approval.timeout_minutes
    logger.warning(
        "waiting up to %g minutes for a yes or no in the Prefect UI: the run's Resume button",
        minutes,
    )
    question: dict[str, Any] = {
        "wait_for_input": Answer.with_initial_data(description=describe_verdict(verdict)),
        "timeout": round(60 * minutes) + GRACE_SECONDS,
        "key": comparison,
    }
    wait = _wait_here if prefect.runtime.deployment.id is None else _suspend
    answer = wait(question, minutes)
    words = f"{answer.name or 'somebody'}: {answer.why or 'no reason given'}"
    if answer.promote:
        return verdict, f"approved by {words}"
    return declined(verdict, f"not approved by {words}"), words


def _wait_here(question: dict[str, Any], minutes: float) -> Answer:
    silence = Timer(60 * minutes, _answer_no, [UUID(prefect.runtime.flow_run.id), minutes])
    silence.daemon = True
    silence.start()
    try:
        answer: Answer = pause_flow_run(**question, poll_interval=POLL_SECONDS)
    finally:
        silence.cancel()
    return answer


def _suspend(question: dict[str, Any], minutes: float) -> Answer:
    flow_run, key = prefect.runtime.flow_run.id, question["key"]
    # A timer that outlives this process and a restart of the server: a run for later.
    try:
        run_deployment(
            f"{SILENCE}/{SILENCE}",
            parameters={"flow_run": flow_run, "question": key, "minutes": minutes},
            scheduled_time=datetime.now(UTC) + timedelta(minutes=minutes),
            flow_run_name=f"no to {prefect.runtime.flow_run.name} unless answered",
            idempotency_key=f"{flow_run}-{key}",
            timeout=0,
            as_subflow=False,
        )
    except ObjectNotFound as exc:
        raise InputError(
            f"gate.approval needs the deployment {SILENCE} of prefect.yaml, which says no when "
            "nobody answers; `make down up` makes it"
        ) from exc
    answer: Answer = suspend_flow_run(**question)
    return answer


@flow(name=SILENCE)
def answer_for_nobody(flow_run: UUID, question: str, minutes: float) -> State:
    """Say no for everybody, where a run still waits for the answer to a question.

    Parameters
    ----------
    flow_run : UUID
        The flow run that asked.
    question : str
        Which one, as its state names it.
    minutes : float
        How long it was asked to wait.
    """
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(flow_run).state
    if state is None or not state.is_paused() or state.state_details.pause_key != question:
        label_flow_run("(not needed)", "approval")
        return Completed(message="it was answered, or waits no longer")
    _answer_no(flow_run, minutes)
    return Completed(message=f"nobody answered within {minutes:g} minutes: no")


def _answer_no(flow_run: UUID, minutes: float) -> None:
    why = f"no answer within {minutes:g} minutes"
    resume_flow_run(flow_run, run_input={"promote": False, "name": NOBODY, "why": why})
