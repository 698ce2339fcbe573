"""Ask a person, in the Prefect UI, before anything is promoted."""

import logging
from threading import Timer
from uuid import UUID

import prefect.runtime
from prefect.flow_runs import pause_flow_run, resume_flow_run
from prefect.input import RunInput
from pydantic import Field

from digitflow.config import Approval
from digitflow.gates import Verdict, declined
from tasks.publishing import describe_verdict

logger = logging.getLogger(__name__)

# Prefect ends a run whose pause times out; we answer no before it does.
GRACE_SECONDS = 3600
POLL_SECONDS = 2
NOBODY = "nobody"


class Answer(RunInput):
    """What a person says to a promotion."""

    promote: bool = Field(False, description="Make this challenger the champion?")
    name: str = Field("", description="Who says so")
    why: str = Field("", description="In a sentence, for the history")


def ask_person(verdict: Verdict, approval: Approval) -> tuple[Verdict, str]:
    """Pause the run until somebody answers; silence is a no.

    Returns
    -------
    verdict, why : Verdict, str
        The verdict as it was, or declined; and the person's words for the history.
    """
    minutes = approval.timeout_minutes
    logger.warning(
        "waiting up to %g minutes for a yes or no in the Prefect UI: the run's Resume button",
        minutes,
    )
    silence = Timer(60 * minutes, _answer_no, [UUID(prefect.runtime.flow_run.id), minutes])
    silence.daemon = True
    silence.start()
    try:
        answer = pause_flow_run(
            wait_for_input=Answer.with_initial_data(description=describe_verdict(verdict)),
            timeout=round(60 * minutes) + GRACE_SECONDS,
            poll_interval=POLL_SECONDS,
        )
    finally:
        silence.cancel()
    words = f"{answer.name or 'somebody'}: {answer.why or 'no reason given'}"
    if answer.promote:
        return verdict, f"approved by {words}"
    return declined(verdict, f"not approved by {words}"), words


def _answer_no(flow_run_id: UUID, minutes: float) -> None:
    why = f"no answer within {minutes:g} minutes"
    resume_flow_run(flow_run_id, run_input={"promote": False, "name": NOBODY, "why": why})
