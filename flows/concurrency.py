"""One run of a deployment at a time, also where a queue keeps the second one waiting.

A deployment whose collision strategy is CANCEL_NEW asks Prefect to cancel a run that comes
while another is going on. Prefect looks when a worker takes the run, and a queue with a limit
hands it out only when the first has ended: nothing collides any more, and the work is done
twice. So a run looks back when it begins.
"""

from datetime import datetime
from uuid import UUID

import prefect.runtime
from prefect import get_client
from prefect.client.schemas import FlowRun
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterStartTime,
)
from prefect.client.schemas.objects import ConcurrencyLimitStrategy

STRATEGY = ConcurrencyLimitStrategy.CANCEL_NEW


def find_earlier_run() -> str | None:
    """Return which run of the same deployment was going on when this one was due, if any.

    None for runs without a deployment, and for deployments whose runs wait their turn.
    """
    deployment_id = prefect.runtime.deployment.id
    if deployment_id is None:
        return None
    with get_client(sync_client=True) as client:
        options = client.read_deployment(UUID(deployment_id)).concurrency_options
        if options is None or options.collision_strategy != STRATEGY:
            return None
        this = client.read_flow_run(UUID(prefect.runtime.flow_run.id))
        due = this.expected_start_time
        begun = FlowRunFilter(
            deployment_id=FlowRunFilterDeploymentId(any_=[UUID(deployment_id)]),
            start_time=FlowRunFilterStartTime(before_=due),
        )
        others = client.read_flow_runs(flow_run_filter=begun)
    for other in others:
        if other.id != this.id and due is not None and was_going_on(other, due):
            return f"{other.name} of the same deployment was going on when this run was due"
    return None


def was_going_on(run: FlowRun, moment: datetime) -> bool:
    """Tell whether a run that began before a moment was still at work then.

    One that waits for a person holds nobody up.
    """
    if run.end_time is not None:
        return run.end_time > moment
    return run.state is not None and run.state.is_running()
