"""A server without a worker: what the doctor says of it, and which runs are dead there.

With a worker: test_service.py and test_unattended.py.
"""

from prefect import flow
from prefect.context import TagsContext
from prefect.states import Running

from digitflow.cli.doctor import check_service
from digitflow.service.environment import USUAL_POOL, open_client
from digitflow.service.repairs import COMMAND, mark_crashed_commands, tag_command
from digitflow.service.supervisor import prepare_pool


def test_a_server_without_a_worker_and_deployments_is_in_trouble(server):
    with open_client(server) as client:
        assert prepare_pool(client, USUAL_POOL)
        assert prepare_pool(client, USUAL_POOL)  # and what is there is left alone
        found = {each["what"]: each for each in check_service(client)}
    assert found["worker"]["level"] == found["deployments"]["level"] == "error"
    assert "digitflow up" in found["worker"]["found"]
    assert found["flow runs"]["level"] in ("ok", "warning")


@flow
def anything():
    """Stand for the flow of a command."""


def test_a_command_killed_before_its_record_is_known_by_its_lock(server, store):
    lock = store.lock_path(f"{COMMAND}killed")
    with open_client(server) as client:

        def begin(*tags):
            run = client.create_flow_run(anything, state=Running(), tags=tags)
            return lambda: client.read_flow_run(run.id).state_type

        killed, somebody_elses = begin(lock.stem), begin(f"{COMMAND}elsewhere")
        with tag_command(store):
            alive = begin(*TagsContext.get().current_tags)
            mark_crashed_commands(client, store)
            # Nobody has held that lock yet: it may be about to begin.
            assert killed() == "RUNNING"
            lock.touch()
            mark_crashed_commands(client, store)
            assert [killed(), alive(), somebody_elses()] == ["CRASHED", "RUNNING", "RUNNING"]
            assert not lock.exists()
    assert not list(lock.parent.iterdir())
